"""Storing a stream: by one request where it is small, in parts where it is not, and not at all where that fails."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from typing import IO, Any, cast

from flask_fs.backends import checksum_of
from flask_fs.backends.contract import CHUNK_BYTES, ByteReader
from flask_fs.backends.sources import as_seekable_file, remaining_size
from flask_fs.backends.streams import chunks_of
from flask_fs.errors import BackendError, FileTooLarge

from .bucket import CHECKSUM_KEY, WRITER_KEY, Bucket
from .multipart import MOST_PARTS, TooManyParts, Upload, part_size
from .settings import MOST_PART_BYTES as MAX_REQUEST_BYTES
from .streams import Source
from .whole import FileBody, Tally, TemporaryFile, create_whole, put_whole


def put(bucket: Bucket, key: str, stream: ByteReader, *, create: bool, mime: str | None) -> None:
    """Store what *stream* holds, with its checksum wherever that can be known before the content is sent."""
    threshold = bucket.config.multipart_threshold_bytes
    source = Source(stream)
    writer = secrets.token_hex(8)
    with bucket.translated(key, source):
        head = source.take(threshold)
        if len(head) < threshold:
            metadata = {CHECKSUM_KEY: checksum_of((head,), bucket.config.checksum)}
            if create:
                metadata[WRITER_KEY] = writer
            put_whole(bucket, key, head, bucket.parameters(key, mime, metadata), writer if create else None)
            return
        if create:
            # Rather than after all has been sent; storing asks again.
            bucket.refuse_if_taken(key)
        rest = _Rest(stream)
        source.unread(head)
        if create and bucket.creates_whole and (rest.size or 0) + len(head) <= MAX_REQUEST_BYTES:
            _create_whole(bucket, key, source, rest, len(head), writer, mime)
            return
        metadata = {WRITER_KEY: writer}
        if rest.size is not None:
            metadata[CHECKSUM_KEY] = checksum_of(rest.after(head), bucket.config.checksum)
            rest.size += len(head)
        del head
        _put_in_parts(bucket, key, source, rest, bucket.parameters(key, mime, metadata), writer, create=create)


def _create_whole(
    bucket: Bucket, key: str, source: Source, rest: _Rest, head_bytes: int, writer: str, mime: str | None
) -> None:
    """Store what is new by one request: from the file that *source* reads, or else from a temporary one."""
    algorithm = bucket.config.checksum
    if rest.size is not None:
        start = rest.file.tell() - head_bytes
        tally = Tally()
        rest.file.seek(start)
        checksum = checksum_of(tally.of(chunks_of(rest.file)), algorithm)
        metadata = {CHECKSUM_KEY: checksum, WRITER_KEY: writer}
        create_whole(bucket, key, FileBody(rest.file, start, tally), bucket.parameters(key, mime, metadata), writer)
        return
    with TemporaryFile(bucket, key) as temporary:
        tally, file = Tally(), temporary.file
        checksum = checksum_of(tally.of(temporary.passing(_for_one_request(source))), algorithm)
        if tally.size <= MAX_REQUEST_BYTES:
            metadata = {CHECKSUM_KEY: checksum, WRITER_KEY: writer}
            create_whole(bucket, key, FileBody(file, 0, tally), bucket.parameters(key, mime, metadata), writer)
            return
        file.seek(0)
        parameters = bucket.parameters(key, mime, {WRITER_KEY: writer})
        _put_in_parts(bucket, key, Source(_Joined(file, source)), rest, parameters, writer, create=True)


def _for_one_request(source: Source) -> Iterator[bytes]:
    """What is read from *source*, until it is more than one request can hold."""
    size = 0
    while size <= MAX_REQUEST_BYTES and (chunk := source.read(CHUNK_BYTES)):
        size += len(chunk)
        yield chunk


class _Joined:
    """A file and what comes after it."""

    def __init__(self, first: IO[bytes], rest: Source) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        return self._first.read(size) or self._rest.read(size)


def _put_in_parts(
    bucket: Bucket, key: str, source: Source, rest: _Rest, parameters: dict[str, Any], writer: str, *, create: bool
) -> None:
    part_bytes = part_size(rest.size, bucket.config.part_bytes)
    with bucket.made_if_missing(lambda: Upload(bucket, key, parameters)) as upload:
        try:
            upload.send(source, part_bytes)
        except TooManyParts:
            reason = (
                f'a stream of unknown length may have {MOST_PARTS} parts of {part_bytes} bytes; '
                f'raise the setting PART_BYTES, or save it from a file'
            )
            raise bucket.error(FileTooLarge, key, reason) from None
        if rest.has_changed():
            reason = 'the file that it was saved from changed meanwhile; save a copy of that instead'
            raise bucket.error(BackendError, key, reason)
        upload.finish(writer, create=create)


class _Rest:
    """What is left in a source, if it can be read twice: a file on a disk or in memory."""

    def __init__(self, stream: ByteReader) -> None:
        self.file: Any = as_seekable_file(stream)
        self.size = remaining_size(stream)
        self._before = self._state()

    def after(self, head: bytes) -> Iterator[bytes]:
        """*head*, then all that is left, from where the source stands again afterwards."""
        yield head
        at = self.file.tell()
        try:
            yield from chunks_of(cast('ByteReader', self.file))
        finally:
            self.file.seek(at)

    def has_changed(self) -> bool:
        """Whether somebody wrote to the file since, so that its checksum is not that of what was sent."""
        return self._state() != self._before

    def _state(self) -> tuple[int, int] | None:
        if self.file is None or isinstance(self.file, io.BytesIO):
            return None
        facts = os.fstat(self.file.fileno())
        return facts.st_size, facts.st_mtime_ns
