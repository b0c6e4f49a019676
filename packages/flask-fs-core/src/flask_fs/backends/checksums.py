"""Checksums of streamed content, in the form in which they are stored with files."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator


class Checksum:
    """A running checksum. Its text form is ``algorithm:hex``.

    :param algorithm: A name that :func:`hashlib.new` supports.
    """

    def __init__(self, algorithm: str) -> None:
        # Imported here because listing, linking and deleting don't need it.
        import hashlib

        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        #: The number of bytes so far.
        self.size = 0

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add *chunk*."""
        self._digest.update(chunk)
        self.size += len(chunk)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *chunks*, and add each one."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    @property
    def hex(self) -> str:
        """The digest alone, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def base64(self) -> str:
        """The digest alone, in Base64, as in headers such as Content-MD5."""
        return base64.b64encode(self._digest.digest()).decode()

    def __str__(self) -> str:
        return f'{self._digest.name}:{self.hex}'


def checksum_of(chunks: Iterable[bytes], algorithm: str) -> str:
    """``algorithm:hex`` of all *chunks*."""
    checksum = Checksum(algorithm)
    for chunk in chunks:
        checksum.update(chunk)
    return str(checksum)
