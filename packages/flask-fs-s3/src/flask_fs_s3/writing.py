"""Storing a stream: by one request where it is small, in parts where it is not, and not at all where that fails."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from typing import Any, cast

from botocore.exceptions import ClientError

from flask_fs.backends.contract import ByteReader
from flask_fs.backends.streams import checksum_of, chunks_of, known_size, rereadable
from flask_fs.errors import BackendError, FileTooLarge

from .bucket import CHECKSUM_KEY, WRITER_KEY, Bucket
from .failures import code_of
from .multipart import MOST_PARTS, TooManyParts, Upload, part_size, transport_checksum
from .streams import Source

#: How often to try when another writer is at the same key at the same moment, as S3 asks for by its 409.
_CONFLICTS = 4


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
            # Rather than after all has been sent; completing asks again.
            bucket.refuse_if_taken(key)
        rest = _Rest(stream)
        metadata = {WRITER_KEY: writer}
        if rest.size is not None:
            metadata[CHECKSUM_KEY] = checksum_of(rest.after(head), bucket.config.checksum)
            rest.size += len(head)
        source.unread(head)
        del head
        _put_in_parts(bucket, key, source, rest, bucket.parameters(key, mime, metadata), writer, create=create)


def put_whole(bucket: Bucket, key: str, body: bytes, parameters: dict[str, Any], writer: str | None) -> None:
    """Store *body* by one request; with a *writer*, only where there is no object yet."""
    checksum = transport_checksum(body) if bucket.checks_uploads else {}

    def write(**conditions: Any) -> None:
        for attempt in range(1, _CONFLICTS + 1):  # pragma: no branch - the last attempt returns or raises
            try:
                bucket.client.put_object(**bucket.at(key), Body=body, **checksum, **parameters, **conditions)
            except ClientError as error:
                if code_of(error) != 'ConditionalRequestConflict' or attempt == _CONFLICTS:
                    raise
            else:
                return

    bucket.made_if_missing(write if writer is None else lambda: bucket.create_only(key, writer, write))


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
        self.file: Any = rereadable(stream)
        self.size = known_size(stream)
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
