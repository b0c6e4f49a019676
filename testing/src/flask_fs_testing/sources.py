"""Sources of bytes like those of real applications: short, slow, failing, and larger than memory."""

from __future__ import annotations

import hashlib


class OnlyRead:
    """Has only ``read``, and returns fewer bytes than requested."""

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
    """The error of a :class:`Failing` source, which is not an error of a store."""


class Failing(OnlyRead):
    """Fails after *after* bytes, like an upload whose client disconnected; reading again returns its end, as with a generator.

    :param error: The error that it raises.
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
    """*size* varying bytes, generated while they are read and not stored anywhere."""

    def __init__(self, size: int) -> None:
        #: How many bytes have not been read yet.
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
