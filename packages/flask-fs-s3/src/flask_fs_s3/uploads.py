"""Storing a stream: by one request where it is small, in parts where it is not, and not at all where that fails."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import CHUNK_BYTES, Checksum, Source, checksum_of
from flask_fs.errors import BackendError, FileExists, FileTooLarge

from .bodies import Body, FileBody, FileChanged, Part, SourceFile, checksum_header, sending, spooled
from .bucket import CHECKSUM_KEY, WRITER_KEY, Bucket
from .errors import SDK_ERRORS, code_of, status_of
from .multipart import MAX_PARTS, PART_BYTES, TooManyParts, Upload, part_size
from .responses import Superseded
from .settings import MAX_PART_BYTES as MAX_REQUEST_BYTES

#: How often to try when another writer is at the same key at the same moment, as S3 recommends for its 409.
_CONFLICTS = 4


def put(bucket: Bucket, key: str, source: Source, *, create: bool, mime: str | None) -> None:
    """Store what *source* holds, with its checksum wherever that can be computed before the content is sent."""
    threshold = bucket.config.multipart_threshold_bytes
    file, size = source.seekable_file, source.remaining_size
    if file is not None and size is not None and size >= threshold:
        _Upload(bucket, key, mime, create=create).send_file(SourceFile(file, size))
        return
    head = source.take(threshold)
    if len(head) == threshold:
        source.unread(head)
        del head
        _Upload(bucket, key, mime, create=create).send_stream(source)
        return
    metadata = {CHECKSUM_KEY: checksum_of((head,), bucket.config.checksum)}
    writer = secrets.token_hex(8) if create else None
    if writer:
        metadata[WRITER_KEY] = writer
    put_object(bucket, key, head, bucket.parameters(key, mime, metadata), writer)


class _Upload:
    """One large file on its way."""

    def __init__(self, bucket: Bucket, key: str, mime: str | None, *, create: bool) -> None:
        self._bucket = bucket
        self._key = key
        self._mime = mime
        self._create = create
        self._writer = secrets.token_hex(8)
        self._part_bytes: int = bucket.config.get('part_bytes') or PART_BYTES
        self._at_once = create and bucket.creates_at_once
        if create:
            # Rather than after all has been sent; storing looks again.
            bucket.refuse_if_taken(key)

    def _parameters(self, checksum: Checksum | None = None) -> dict[str, Any]:
        metadata = {WRITER_KEY: self._writer} | ({} if checksum is None else {CHECKSUM_KEY: str(checksum)})
        return self._bucket.parameters(self._key, self._mime, metadata)

    def send_file(self, file: SourceFile) -> None:
        """Store a file that can be read twice: first for its checksums."""
        at_once = self._at_once and file.size <= MAX_REQUEST_BYTES
        part_bytes = file.size if at_once else part_size(file.size, self._bucket.config.get('part_bytes'))
        checksum = Checksum(self._bucket.config.checksum)
        with self._unchanged(file):
            bodies = file.bodies(part_bytes, checksum)
            parameters = self._parameters(checksum)
            if at_once:
                put_object(self._bucket, self._key, bodies[0], parameters, self._writer)
            else:
                self._send_parts(bodies, parameters, file)
        file.seek_end()

    def send_stream(self, source: Source) -> None:
        """Store what can be read once."""
        if not self._at_once:
            self._send_parts(self._parts(source), self._parameters())
            return
        checksum = Checksum(self._bucket.config.checksum)
        with spooled(checksum.through(_for_one_request(source))) as body:
            if body.size <= MAX_REQUEST_BYTES:
                put_object(self._bucket, self._key, body, self._parameters(checksum), self._writer, checksum)
            else:
                self._send_parts(self._parts(Source(_Joined(body, source))), self._parameters())

    def _parts(self, source: Source) -> Iterator[Part]:
        part_bytes = self._part_bytes
        return (Part(content) for content in iter(lambda: source.take(part_bytes), b''))

    def _send_parts(
        self, bodies: Iterable[Part | FileBody], parameters: dict[str, Any], file: SourceFile | None = None
    ) -> None:
        with self._bucket.write(lambda: Upload(self._bucket, self._key, parameters)) as upload:
            try:
                upload.send(bodies)
            except TooManyParts:
                reason = (
                    f'a stream of unknown length may have {MAX_PARTS} parts of {self._part_bytes} bytes; '
                    f'raise the setting PART_BYTES, or save it from a file'
                )
                raise self._bucket.error(FileTooLarge, self._key, reason) from None
            if file is not None and file.has_changed():
                raise FileChanged
            upload.finish(self._writer, create=self._create)

    @contextlib.contextmanager
    def _unchanged(self, file: SourceFile) -> Generator[None]:
        try:
            yield
        except (FileChanged, *SDK_ERRORS) as error:
            # The store may have noticed first, by the CRC-32 that it was given.
            if not isinstance(error, FileChanged) and not file.has_changed():
                raise
            reason = 'the file that it was saved from changed meanwhile; save a copy of that instead'
            raise self._bucket.error(BackendError, self._key, reason) from None


def put_object(
    bucket: Bucket,
    key: str,
    body: Body,
    parameters: dict[str, Any],
    writer: str | None,
    checksum: Checksum | None = None,
) -> None:
    """Store *body*, whose *checksum* may be known, by one request: with a *writer*, only where there is no object yet.

    That is the one way of creating that is free of races on every store with conditional writes.
    """
    header = checksum_header(body, checksum) if bucket.checks_uploads else {}

    def write(**conditions: Any) -> None:
        for attempt in range(1, _CONFLICTS + 1):  # pragma: no branch - the last attempt returns or raises
            try:
                with sending(body):
                    bucket.request('put_object', key, Body=body, **header, **parameters, **conditions)
            except ClientError as error:
                if code_of(error) != 'ConditionalRequestConflict' or attempt == _CONFLICTS:
                    raise
            else:
                return

    try:
        bucket.write(write if writer is None else lambda: bucket.create_only(key, writer, write))
    except Superseded as error:
        # What replaced it at once is there. Of two that create a name, the other one has won.
        if bucket.find(key) is None:
            raise
        if writer is not None:
            raise bucket.error(FileExists, key) from error
    except ClientError as error:
        if isinstance(body, FileBody) and (status_of(error) == 413 or code_of(error) == 'EntityTooLarge'):
            reason = (
                f'the store accepts no file of {body.size} bytes in one request, which keeps creating free of races; '
                f'set {bucket.settings}CONDITIONAL_COMPLETION = True to have it sent in parts'
            )
            raise bucket.error(BackendError, key, reason) from error
        raise


def _for_one_request(source: Source) -> Iterator[bytes]:
    """What is read from *source*, until it is more than one request can hold."""
    size = 0
    while size <= MAX_REQUEST_BYTES and (chunk := source.read(CHUNK_BYTES)):
        size += len(chunk)
        yield chunk


class _Joined:
    """A file and what comes after it."""

    def __init__(self, first: FileBody, rest: Source) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        return bytes(self._first.read(size)) or self._rest.read(size)
