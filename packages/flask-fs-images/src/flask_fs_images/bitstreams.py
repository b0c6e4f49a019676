"""The sizes that AV1 and HEVC decoders allocate memory for, from the bits that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .limits import Extent
from .reader import Broken


class _Bits:
    def __init__(self, content: bytes) -> None:
        self._number = int.from_bytes(content, 'big')
        self._left = 8 * len(content)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Broken('a header of a bitstream is cut short')
        return self._number >> self._left & (1 << count) - 1

    def unsigned_exp_golomb(self) -> int:
        """ue(v) of HEVC, uvlc() of AV1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise Broken('a number of a bitstream is too large')
        return (1 << zeros) - 1 + self.read(zeros)


#: Enough of a header to include its sizes.
_HEAD_BYTES = 128
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_SELECT = 2


@dataclass(frozen=True)
class _Av1Sequence:
    """The values of a sequence header (AV1 Bitstream & Decoding Process Specification, 5.5)."""

    size: Extent
    largest: Extent
    reduced: bool
    presentation_bits: int
    screen_content: int
    integer_motion: int
    frame_id_bits: int


def av1_extents(samples: Iterable[bytes]) -> Iterator[Extent]:
    """The size of each frame decoded from *samples*, and of each sequence of frames, with ``frames=0``.

    A frame that may have another size than its sequence counts as the largest that its header has bits for.

    :raises Broken: If the headers are broken.
    """
    sequence: _Av1Sequence | None = None
    for sample in samples:
        for kind, start, end in _open_bitstream_units(sample):
            if kind == _SEQUENCE:
                sequence = _av1_sequence(_Bits(sample[start : min(end, start + _HEAD_BYTES)]))
                yield sequence.size._replace(frames=0)
            elif kind in {_FRAME_HEADER, _FRAME} and sequence is not None:
                own_size = _has_own_size(_Bits(sample[start : min(end, start + _HEAD_BYTES)]), sequence)
                if own_size is not None:
                    yield sequence.largest if own_size else sequence.size


def _open_bitstream_units(content: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at < len(content):
        head = content[at]
        at += 2 if head & 4 else 1
        size = len(content) - at
        if head & 2:
            size = shift = 0
            while True:
                byte = content[at] if at < len(content) else 0x80
                size |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not byte & 0x80:
                    break
                if shift > 56 or at > len(content):
                    raise Broken('a unit of a bitstream is cut short')
        if at + size > len(content):
            raise Broken('a unit of a bitstream is cut short')
        yield head >> 3 & 15, at, at + size
        at += size


def _av1_sequence(bits: _Bits) -> _Av1Sequence:
    bits.read(4)
    reduced = bool(bits.read(1))
    presentation_bits = 0
    if reduced:
        bits.read(5)
    else:
        presentation_bits = _skip_operating_points(bits)
    across_bits, down_bits = bits.read(4) + 1, bits.read(4) + 1
    size = Extent(bits.read(across_bits) + 1, bits.read(down_bits) + 1)
    frame_id_bits = 0
    if not reduced and bits.read(1):
        frame_id_bits = bits.read(4) + 2
        frame_id_bits += bits.read(3) + 1
    screen_content = integer_motion = _SELECT
    bits.read(3)
    if not reduced:
        bits.read(4)
        order_hint = bits.read(1)
        bits.read(2 * order_hint)
        screen_content = _SELECT if bits.read(1) else bits.read(1)
        if screen_content:
            integer_motion = _SELECT if bits.read(1) else bits.read(1)
    largest = Extent(1 << across_bits, 1 << down_bits)
    return _Av1Sequence(size, largest, reduced, presentation_bits, screen_content, integer_motion, frame_id_bits)


def _skip_operating_points(bits: _Bits) -> int:
    """Skip to the size, and return the number of bits of a frame's presentation time."""
    presentation_bits = delay_bits = 0
    if bits.read(1):
        bits.read(64)
        equal_interval = bits.read(1)
        if equal_interval:
            bits.unsigned_exp_golomb()
        if bits.read(1):
            delay_bits = bits.read(5) + 1
            bits.read(37)
            presentation_bits = 0 if equal_interval else bits.read(5) + 1
            bits.read(5 * equal_interval)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
    return presentation_bits


def _has_own_size(bits: _Bits, sequence: _Av1Sequence) -> bool | None:
    """Whether a frame may have another size than its sequence; None if it only repeats another frame (5.9.2)."""
    if sequence.reduced:
        return False
    if bits.read(1):
        return None
    kind, shown = bits.read(2), bits.read(1)
    if shown:
        bits.read(sequence.presentation_bits)
    else:
        bits.read(1)
    switch = kind == 3
    if not switch and not (kind == 0 and shown):
        bits.read(1)
    bits.read(1)
    screen_content = bits.read(1) if sequence.screen_content == _SELECT else sequence.screen_content
    if screen_content and sequence.integer_motion == _SELECT:
        bits.read(1)
    bits.read(sequence.frame_id_bits)
    return switch or bool(bits.read(1))


_SPS = 33


def hevc_extents(units: Iterable[bytes]) -> Iterator[Extent]:
    """The sizes in each sequence parameter set among the NAL units *units* (ITU-T H.265, 7.3).

    The first size is decoded; the second, with ``frames=0``, is the part of it that is shown.

    :raises Broken: If one is broken.
    """
    for unit in units:
        # Only the base layer is decoded.
        layer = (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 2 else 1
        if not layer and unit[0] >> 1 & 0x3F == _SPS:
            # Emulation prevention: 00 00 03 stands for 00 00.
            yield from _hevc_sizes(_Bits(unit[2:_HEAD_BYTES].replace(b'\0\0\3', b'\0\0')))


def length_prefixed(content: bytes, length_bytes: int) -> Iterator[bytes]:
    """The beginnings of the NAL units of a sample."""
    at = 0
    while at + length_bytes <= len(content):
        size = int.from_bytes(content[at : at + length_bytes], 'big')
        at += length_bytes
        yield content[at : min(at + size, at + _HEAD_BYTES)]
        at += size


def _hevc_sizes(bits: _Bits) -> tuple[Extent, Extent]:
    bits.read(4)
    sublayers = bits.read(3)
    bits.read(1)
    # profile_tier_level: the general part, then which sublayers have one of their own.
    bits.read(96)
    present = [(bits.read(1), bits.read(1)) for _ in range(sublayers)]
    if sublayers:
        bits.read(2 * (8 - sublayers))
    for profile, level in present:
        bits.read(88 * profile + 8 * level)
    bits.unsigned_exp_golomb()
    chroma = bits.unsigned_exp_golomb()
    if chroma == 3:
        bits.read(1)
    across, down = bits.unsigned_exp_golomb(), bits.unsigned_exp_golomb()
    cropped = [bits.unsigned_exp_golomb() for _ in range(4)] if bits.read(1) else [0] * 4
    # In pixels of the chroma planes, which may be smaller.
    shown_across = across - sum(cropped[:2]) * (2 if chroma in {1, 2} else 1)
    shown_down = down - sum(cropped[2:]) * (2 if chroma == 1 else 1)
    return Extent(across, down), Extent(shown_across, shown_down, 0)
