"""Storing a file by one request: the one way of creating that is free of races on every store with conditional writes."""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from typing import IO, Any

from botocore.exceptions import ClientError

from flask_fs.backends.response_stream import READ_BYTES
from flask_fs.errors import BackendError

from .bucket import Bucket
from .failures import SDK_ERRORS, code_of, status_of

#: How often to try when another writer is at the same key at the same moment, as S3 asks for by its 409.
_CONFLICTS = 4


def put_whole(bucket: Bucket, key: str, body: bytes, parameters: dict[str, Any], writer: str | None) -> None:
    """Store *body* by one request; with a *writer*, only where there is no object yet."""
    _put(bucket, key, body, zlib.crc32(body), parameters, writer)


def create_whole(bucket: Bucket, key: str, body: FileBody, parameters: dict[str, Any], writer: str) -> None:
    """Store the content of a file by one request where there is no object yet."""
    try:
        _put(bucket, key, body, body.crc32, parameters, writer)
    except SDK_ERRORS as error:
        # botocore takes what reading the body raised for a failure of the network.
        if isinstance(body.error, FileChanged):
            reason = 'the file that it was saved from changed meanwhile; save a copy of that instead'
            raise bucket.error(BackendError, key, reason) from None
        if body.error is not None:
            raise body.error from None
        if isinstance(error, ClientError) and (status_of(error) == 413 or code_of(error) == 'EntityTooLarge'):
            reason = (
                f'the store takes no file of {body.size} bytes by one request, which keeps creating free of races; '
                f'set {bucket.settings}CONDITIONAL_COMPLETION = True to have it sent in parts'
            )
            raise bucket.error(BackendError, key, reason) from error
        raise


def _put(
    bucket: Bucket, key: str, body: bytes | FileBody, crc32: int, parameters: dict[str, Any], writer: str | None
) -> None:
    checksum = transport_checksum(crc32) if bucket.checks_uploads else {}

    def write(**conditions: Any) -> None:
        for attempt in range(1, _CONFLICTS + 1):  # pragma: no branch - the last attempt returns or raises
            if isinstance(body, FileBody):
                body.seek(0)
            content: Any = body
            try:
                bucket.client.put_object(**bucket.at(key), Body=content, **checksum, **parameters, **conditions)
            except ClientError as error:
                if code_of(error) != 'ConditionalRequestConflict' or attempt == _CONFLICTS:
                    raise
            else:
                return

    bucket.made_if_missing(write if writer is None else lambda: bucket.create_only(key, writer, write))


def transport_checksum(crc32: int) -> dict[str, Any]:
    """The parameter by which the store checks a body as it arrives: a header, which stores that do not know it ignore.

    CRC-32 finds what networks do to bytes, and costs a fraction of a hash.
    """
    return {'ChecksumCRC32': base64.b64encode(crc32.to_bytes(4, 'big')).decode()}


class TemporaryFile:
    """A file that content passes through, so that it is known before it is sent; a full disk is no error of the caller's source.

    :ivar file: What was written, to be read.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        with self._translated():
            self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> TemporaryFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """*chunks*, once each is written."""
        for chunk in chunks:
            with self._translated():
                self.file.write(chunk)
            yield chunk
        with self._translated():
            self.file.flush()

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = f'the temporary file that it passes through cannot be written: {error.strerror or error}'
            raise self._bucket.error(BackendError, self._key, reason) from error


class FileBody(io.RawIOBase):
    """The bytes from *start* on of a file, as the body of a request that can be sent again.

    It never gives its last bytes if the file has others by now than those whose CRC-32 was computed: so the request
    fails, and nothing is stored.

    :param tally: Size and CRC-32 of the bytes.
    """

    def __init__(self, file: IO[bytes], start: int, tally: Tally) -> None:
        self._file = file
        self._start = start
        self.size = tally.size
        self.crc32 = tally.crc32
        #: What went wrong in reading, which is no failure of the store.
        self.error: BaseException | None = None
        self._at = 0
        self._seen: int | None = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        # Only what is read from the beginning on can be compared.
        self._seen = 0 if self._at == 0 else None
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.size - self._at
        # In larger blocks than the 16 KiB that HTTP clients ask for.
        wanted = left if size is None or size < 0 else min(left, max(size, READ_BYTES))
        if wanted <= 0:
            return b''
        try:
            self._file.seek(self._start + self._at)
            piece = self._file.read(wanted)
            self._at += len(piece)
            if self._seen is not None:
                self._seen = zlib.crc32(piece, self._seen)
            if not piece or (self._at == self.size and self._seen not in (None, self.crc32)):
                raise FileChanged
        except BaseException as error:
            self.error = error
            raise
        return piece


class FileChanged(Exception):
    """A file has other bytes than before."""


class Tally:
    """Size and CRC-32 of what passes through."""

    def __init__(self) -> None:
        self.size = 0
        self.crc32 = 0

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            self.crc32 = zlib.crc32(chunk, self.crc32)
            yield chunk
