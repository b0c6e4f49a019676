"""Multipart uploads: parts are sent concurrently and joined at the end. A failed upload is aborted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from .bodies import FileBody, Part, checksum_header, sending
from .bucket import Bucket
from .errors import SDK_ERRORS, code_of
from .writes import Write

if TYPE_CHECKING:
    import datetime

#: S3's limit (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
MAX_PARTS = 10_000
#: The default size of the parts of a stream.
PART_BYTES = 8 * 1024 * 1024
#: The size of parts that the store copies. They don't pass through the application.
COPIED_PART_BYTES = 512 * 1024 * 1024

_logger = logging.getLogger(__name__)


class TooManyParts(Exception):
    """A source of unknown length needs more parts than a file can have."""


class Span(NamedTuple):
    """Bytes of an object that the store copies, if the object still has that ETag.

    :param range: The value of the ``Range`` header; None for the complete object.
    """

    key: str
    etag: str
    range: str | None


class Upload:
    """A multipart upload. It is aborted if its block ends without :meth:`finish`.

    :param parameters: The parameters that the object is stored with.
    """

    def __init__(self, bucket: Bucket, key: str, parameters: Mapping[str, Any]) -> None:
        self._bucket = bucket
        self._key = key
        self._concurrency: int = bucket.config.concurrency
        self._checked = bucket.checks_uploads
        self._parts: list[dict[str, Any]] = []
        self._completed = False
        checksum: Any = {'ChecksumAlgorithm': 'CRC32'} if self._checked else {}
        self._id: str = bucket.request('create_multipart_upload', key, **parameters, **checksum)['UploadId']

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._completed:
            self._abort()

    def send(self, parts: Iterable[Part | FileBody | Span]) -> None:
        """Upload or copy *parts*. At most as many as the setting CONCURRENCY are in memory at the same time."""
        self._run(self._store, parts)

    def finish(self, write: Write) -> None:
        """Join the parts. Before this, the file does not exist.

        :param write: The write, with its condition.
        """
        write.run(self._complete)

    def _complete(self, **conditions: str) -> None:
        parts = {'Parts': sorted(self._parts, key=_number)}
        self._request('complete_multipart_upload', MultipartUpload=parts, **conditions)
        self._completed = True

    def _run(self, act: Callable[[int, Any], dict[str, Any]], items: Iterable[Any]) -> None:
        running: set[Future[dict[str, Any]]] = set()
        # Leaving the block waits for parts in transit, because a part that arrives after the abort would be kept.
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix='flask-fs-s3') as pool:
            try:
                for number, item in enumerate(items, 1):
                    if number > MAX_PARTS:
                        raise TooManyParts
                    running.add(pool.submit(act, number, item))
                    # Free its memory while the next part is read.
                    del item
                    if len(running) == self._concurrency:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        self._parts += [future.result() for future in done]
                self._parts += [future.result() for future in running]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _store(self, number: int, part: Part | FileBody | Span) -> dict[str, Any]:
        return self._copy(number, part) if isinstance(part, Span) else self._send(number, part)

    def _send(self, number: int, body: Part | FileBody) -> dict[str, Any]:
        checksum = checksum_header(body) if self._checked else {}
        with sending(body):
            response = self._request('upload_part', PartNumber=number, Body=body, **checksum)
        return _part(number, response)

    def _copy(self, number: int, span: Span) -> dict[str, Any]:
        parameters = {} if span.range is None else {'CopySourceRange': span.range}
        response = self._request(
            'upload_part_copy',
            PartNumber=number,
            CopySource=self._bucket.at(span.key),
            CopySourceIfMatch=span.etag,
            **parameters,
        )
        return _part(number, response['CopyPartResult'])

    def _request(self, operation: str, **parameters: Any) -> Any:
        return self._bucket.request(operation, self._key, UploadId=self._id, **parameters)

    def _abort(self) -> None:
        try:
            self._request('abort_multipart_upload')
        except SDK_ERRORS as error:
            if code_of(error) == 'NoSuchUpload':
                return
            # Raise the original error. This one only costs storage until the next sweep.
            _logger.warning(
                'The uploaded parts of %r remain in bucket %r, because aborting the upload failed (%s). '
                'Run flask fs sweep to remove them.',
                self._key,
                self._bucket.name,
                type(error).__name__,
            )


def abort_abandoned(bucket: Bucket, uploads: Iterable[Mapping[str, Any]], begun_before: datetime.datetime) -> int:
    """Abort the *uploads* that were started before that time, and return how many there were."""
    aborted = 0
    for upload in uploads:
        if upload['Initiated'] <= begun_before:
            try:
                bucket.request('abort_multipart_upload', upload['Key'], UploadId=upload['UploadId'])
            except ClientError as error:
                if code_of(error) != 'NoSuchUpload':
                    raise bucket.translated(error, upload['Key']) from error
            else:
                aborted += 1
    return aborted


def part_size(total: int, configured: int | None) -> int:
    """The part size for a file of *total* bytes: as *configured*, or more if the file would have too many parts."""
    # Parts of a file are not in memory. Few parts save requests, but several are needed to send them concurrently.
    suitable = min(max(PART_BYTES, -(-total // 16)), 4 * PART_BYTES)
    return max(configured or suitable, -(-total // MAX_PARTS))


def spans(key: str, etag: str, start: int, stop: int, part_bytes: int) -> Iterator[Span]:
    """The bytes [start, stop) of an object, in parts of about the same size, at most *part_bytes* each.

    :param stop: The size of the object.
    """
    size = stop - start
    count = -(-size // part_bytes)
    for number in range(count):
        first, last = start + size * number // count, start + size * (number + 1) // count - 1
        # S3 copies ranges only of large objects.
        yield Span(key, etag, None if last - first + 1 == stop else f'bytes={first}-{last}')


def _part(number: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a part in the request that completes the upload: its ETag, and the checksums from the store."""
    reported = {key: value for key, value in response.items() if key == 'ETag' or key.startswith('Checksum')}
    return {'PartNumber': number, **reported}


def _number(part: Mapping[str, Any]) -> int:
    return int(part['PartNumber'])
