"""Storing a stream: in one request if it is small, otherwise in parts, and never partially."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import CHECKSUM_KEY, CHUNK_BYTES, Attributes, Checksum, Source, checksum_of
from flask_fs.errors import BackendError, FileTooLarge

from .bodies import Body, FileBody, FileChanged, Part, SourceFile, checksum_header, sending, spooled
from .bucket import Bucket
from .errors import SDK_ERRORS, code_of, status_of
from .multipart import MAX_PARTS, PART_BYTES, TooManyParts, Upload, part_size
from .settings import MAX_PART_BYTES as MAX_REQUEST_BYTES
from .writes import Write, repeated


def put(bucket: Bucket, key: str, source: Source, attributes: Attributes, write: Write | None = None) -> None:
    """Store the content of *source*, with its checksum if that can be computed before the content is sent.

    :param write: A write with a condition.
    """
    threshold = bucket.config.multipart_threshold_bytes
    file, size = source.seekable_file, source.remaining_size
    if file is not None and size is not None and size >= threshold:
        _Upload(bucket, attributes, write or Write(bucket, key)).send_file(SourceFile(file, size))
        return
    head = source.take(threshold)
    if len(head) == threshold:
        source.unread(head)
        del head
        _Upload(bucket, attributes, write or Write(bucket, key)).send_stream(source)
        return
    write = write or Write(bucket, key, recognizable=False)
    metadata = {CHECKSUM_KEY: checksum_of((head,), bucket.config.checksum), **write.metadata}
    put_object(bucket, head, bucket.parameters(key, attributes, metadata), write)


class _Upload:
    """The upload of a large file."""

    def __init__(self, bucket: Bucket, attributes: Attributes, write: Write) -> None:
        self._bucket = bucket
        self._key = write.key
        self._attributes = attributes
        self._write = write
        self._part_bytes: int = bucket.config.get('part_bytes') or PART_BYTES
        # Check before sending everything. Storing checks again.
        write.check()

    def _parameters(self, checksum: Checksum | None = None) -> dict[str, Any]:
        metadata = self._write.metadata | ({} if checksum is None else {CHECKSUM_KEY: str(checksum)})
        return self._bucket.parameters(self._key, self._attributes, metadata)

    def send_file(self, file: SourceFile) -> None:
        """Store a file that can be read twice. It is first read to compute its checksums."""
        at_once = self._write.at_once and file.size <= MAX_REQUEST_BYTES
        part_bytes = file.size if at_once else part_size(file.size, self._bucket.config.get('part_bytes'))
        checksum = Checksum(self._bucket.config.checksum)
        with self._unchanged(file):
            bodies = file.bodies(part_bytes, checksum)
            parameters = self._parameters(checksum)
            if at_once:
                put_object(self._bucket, bodies[0], parameters, self._write)
            else:
                self._send_parts(bodies, parameters, file)
        file.seek_end()

    def send_stream(self, source: Source) -> None:
        """Store a stream that can be read only once."""
        if not self._write.at_once:
            self._send_parts(self._parts(source), self._parameters())
            return
        checksum = Checksum(self._bucket.config.checksum)
        with spooled(checksum.through(_for_one_request(source))) as body:
            if body.size <= MAX_REQUEST_BYTES:
                put_object(self._bucket, body, self._parameters(checksum), self._write, checksum)
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
                    f'a stream of unknown length can have at most {MAX_PARTS} parts of {self._part_bytes} bytes; '
                    f'increase the setting PART_BYTES, or save from a file'
                )
                raise self._bucket.error(FileTooLarge, self._key, reason) from None
            if file is not None and file.has_changed():
                raise FileChanged
            upload.finish(self._write)

    @contextlib.contextmanager
    def _unchanged(self, file: SourceFile) -> Generator[None]:
        try:
            yield
        except (FileChanged, *SDK_ERRORS) as error:
            # The store might have detected it first, with the CRC-32.
            if not isinstance(error, FileChanged) and not file.has_changed():
                raise
            reason = 'the source file changed while it was being uploaded; save a copy of it instead'
            raise self._bucket.error(BackendError, self._key, reason) from None


def put_object(
    bucket: Bucket, body: Body, parameters: dict[str, Any], write: Write, checksum: Checksum | None = None
) -> None:
    """Store *body* in one request.

    This is the only conditional write that is free of races on all stores with conditional writes.

    :param checksum: The checksum of *body*, if it is known.
    """
    key = write.key
    header = checksum_header(body, checksum) if bucket.checks_uploads else {}

    def send(**conditions: Any) -> None:
        with sending(body):
            bucket.request('put_object', key, Body=body, **header, **parameters, **conditions)

    try:
        bucket.write(lambda: write.run(repeated(send)))
    except ClientError as error:
        if isinstance(body, FileBody) and (status_of(error) == 413 or code_of(error) == 'EntityTooLarge'):
            reason = (
                f'the store does not accept {body.size} bytes in one request, which is required to avoid races; set '
                f'{bucket.settings}CONDITIONAL_COMPLETION = True to upload the file in parts'
            )
            raise bucket.error(BackendError, key, reason) from error
        raise


def _for_one_request(source: Source) -> Iterator[bytes]:
    """The content of *source*, until it exceeds the maximum size of one request."""
    size = 0
    while size <= MAX_REQUEST_BYTES and (chunk := source.read(CHUNK_BYTES)):
        size += len(chunk)
        yield chunk


class _Joined:
    """A file followed by the rest of a source."""

    def __init__(self, first: FileBody, rest: Source) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        return bytes(self._first.read(size)) or self._rest.read(size)
