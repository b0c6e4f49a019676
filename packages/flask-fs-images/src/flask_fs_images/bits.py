"""Reading numbers of any bit length, as the specifications of image formats define them."""

from __future__ import annotations

from .reader import Broken


class Bits:
    """Reads consecutive numbers from a part of *content*, most significant bit first.

    :param start: The start of the part, in bytes.
    :param end: The end of the part, in bytes; by default the end of *content*.
    """

    def __init__(self, content: bytes, start: int = 0, end: int | None = None) -> None:
        self._content = content
        self._at, self._end = 8 * start, 8 * (len(content) if end is None else end)

    @property
    def at(self) -> int:
        """The position in *content*, in whole bytes."""
        return self._at // 8

    def read(self, count: int) -> int:
        """The next *count* bits as a number.

        :raises Broken: If fewer bits are left.
        """
        begin, self._at = self._at, self._at + count
        if self._at > self._end:
            raise Broken('a field is cut short')
        number = int.from_bytes(self._content[begin // 8 : (self._at + 7) // 8], 'big')
        return number >> -self._at % 8 & (1 << count) - 1

    def take(self, count: int) -> bytes:
        """The next *count* bytes."""
        return self.read(8 * count).to_bytes(count, 'big')

    def exp_golomb(self) -> int:
        """An unsigned number in Exp-Golomb coding: ue(v) of HEVC, uvlc() of AV1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise Broken('a number is too large')
        return (1 << zeros) - 1 + self.read(zeros)

    def leb128(self) -> int:
        """An unsigned number in LEB128 coding, as in AV1."""
        number = 0
        for shift in range(0, 56, 7):
            byte = self.read(8)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise Broken('a number is too large')
