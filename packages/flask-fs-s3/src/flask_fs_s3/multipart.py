"""Files in many parts: several sent at once, put together at the end, and nothing left behind when that fails."""

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
#: How large the parts of a stream are, unless that is configured.
PART_BYTES = 8 * 1024 * 1024
#: How large the parts are that the store copies: no byte of them passes through here, and a request can take as long as it does.
COPIED_PART_BYTES = 512 * 1024 * 1024

_logger = logging.getLogger(__name__)


class TooManyParts(Exception):
    """A source of unknown length did not fit into as many parts as a file may have."""


class Span(NamedTuple):
    """Bytes of an object that the store copies, as long as the object has that ETag.

    :param range: As the header of that name has it; None for all of them.
    """

    key: str
    etag: str
    range: str | None


class Upload:
    """One upload in parts. It is aborted when its block is left without :meth:`finish`.

    :param parameters: What the object is to be stored with.
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
        """Send the bodies among *parts*, of which as many are in memory at once as the concurrency says, and have the store copy the others."""
        self._run(self._store, parts)

    def finish(self, write: Write) -> None:
        """Put the parts together; before this there is no file.

        :param write: On its condition.
        """
        write.run(self._complete)

    def _complete(self, **conditions: str) -> None:
        parts = {'Parts': sorted(self._parts, key=_number)}
        self._request('complete_multipart_upload', MultipartUpload=parts, **conditions)
        self._completed = True

    def _run(self, act: Callable[[int, Any], dict[str, Any]], items: Iterable[Any]) -> None:
        running: set[Future[dict[str, Any]]] = set()
        # Leaving the block waits for what is on its way: a part that arrives after the abort would stay.
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix='flask-fs-s3') as pool:
            try:
                for number, item in enumerate(items, 1):
                    if number > MAX_PARTS:
                        raise TooManyParts
                    running.add(pool.submit(act, number, item))
                    # Not kept here while the next one is read.
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
            # What led here is the error to be raised; this one only costs storage until it is swept.
            _logger.warning(
                'The parts sent for %r are left in bucket %r, as aborting failed (%s): flask fs sweep removes them.',
                self._key,
                self._bucket.name,
                type(error).__name__,
            )


def abort_abandoned(bucket: Bucket, uploads: Iterable[Mapping[str, Any]], begun_before: datetime.datetime) -> int:
    """Abort those of *uploads* that were begun so early, and return how many there were."""
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
    """How large the parts of a file of *total* bytes are: as *configured*, or more where the file would have too many."""
    # None of them is in memory: so few that the requests cost little, but enough of them to be sent at once.
    suitable = min(max(PART_BYTES, -(-total // 16)), 4 * PART_BYTES)
    return max(configured or suitable, -(-total // MAX_PARTS))


def spans(key: str, etag: str, start: int, stop: int, part_bytes: int) -> Iterator[Span]:
    """The bytes [start, stop) of an object in parts of about the same size, each of at most *part_bytes*.

    :param stop: The object's size.
    """
    size = stop - start
    count = -(-size // part_bytes)
    for number in range(count):
        first, last = start + size * number // count, start + size * (number + 1) // count - 1
        # Only of large objects S3 copies ranges.
        yield Span(key, etag, None if last - first + 1 == stop else f'bytes={first}-{last}')


def _part(number: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """What the request that completes an upload says of a part: its ETag, and the checksums that the store made."""
    reported = {key: value for key, value in response.items() if key == 'ETag' or key.startswith('Checksum')}
    return {'PartNumber': number, **reported}


def _number(part: Mapping[str, Any]) -> int:
    return int(part['PartNumber'])
