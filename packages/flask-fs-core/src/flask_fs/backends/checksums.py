"""Checksums of content as it passes, in the form that files keep them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator


class Checksum:
    """The checksum of what it has seen so far; as text ``algorithm:hex``.

    :param algorithm: A name that :func:`hashlib.new` knows.
    """

    def __init__(self, algorithm: str) -> None:
        # Imported here because listing, linking and deleting need no hash.
        import hashlib

        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        #: How many bytes it has seen.
        self.size = 0

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """See *chunk*."""
        self._digest.update(chunk)
        self.size += len(chunk)

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """*chunks*, each of which is seen as it passes."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    @property
    def hex(self) -> str:
        """The digest alone, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def base64(self) -> str:
        """The digest alone, as headers such as Content-MD5 have it."""
        return base64.b64encode(self._digest.digest()).decode()

    def __str__(self) -> str:
        return f'{self._digest.name}:{self.hex}'


def checksum_of(chunks: Iterable[bytes], algorithm: str) -> str:
    """``algorithm:hex`` of all *chunks*."""
    checksum = Checksum(algorithm)
    for chunk in chunks:
        checksum.update(chunk)
    return str(checksum)
