"""Sources of bytes as applications really pass them: short, slow, failing, and larger than memory."""

from __future__ import annotations

import hashlib


class OnlyRead:
    """Has nothing but ``read``, and gives fewer bytes than requested."""

    def __init__(self, content: bytes, step: int = 1000) -> None:
        self._content = content
        self._step = step
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most *step* of them."""
        end = self._at + (self._step if size < 0 else min(size, self._step))
        chunk = self._content[self._at : end]
        self._at += len(chunk)
        return chunk


class SourceFailed(Exception):
    """What a :class:`Failing` source raises: no error of a store."""


class Failing(OnlyRead):
    """Fails after *after* bytes, as an upload does whose client went away; whoever reads on finds its end, as with a generator.

    :param error: What it raises then.
    """

    def __init__(self, content: bytes, after: int, error: type[BaseException] = SourceFailed, step: int = 1000) -> None:
        super().__init__(content[:after], step)
        self._errors = [error]

    def read(self, size: int = -1) -> bytes:
        """The next bytes, and then the error."""
        chunk = super().read(size)
        if not chunk and self._errors:
            raise self._errors.pop()
        return chunk


class Pattern:
    """*size* bytes that differ along the way, made as they are read and stored nowhere."""

    def __init__(self, size: int) -> None:
        #: How many bytes were not read yet.
        self.left = size
        self._block = hashlib.sha256(b'pattern').digest() * 2048
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        wanted = self.left if size < 0 else min(size, self.left)
        chunk = self._block[: min(wanted, len(self._block))]
        self.left -= len(chunk)
        self.digest.update(chunk)
        return chunk
