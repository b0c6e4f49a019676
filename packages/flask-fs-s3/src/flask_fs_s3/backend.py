"""The backend for S3."""

from __future__ import annotations

import datetime
import functools
import io
import itertools
import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import IO, Any, cast
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from flask_fs.backends import BaseBackend, ByteReader, Capability, FileInfo
from flask_fs.backends.ranged import BLOCK_BYTES, RangedReader
from flask_fs.backends.response import attachment, respond, respond_at_once
from flask_fs.config import host_of, storage_prefix
from flask_fs.errors import BackendError, ConfigurationError, FSError, Replaced
from flask_fs.files import mime_type

from .bucket import CHECKSUM_KEY, Bucket
from .copying import copy
from .failures import code_of, kind_of, reason_for, status_of
from .multipart import abort_abandoned
from .settings import SETTINGS
from .streams import BodyStream
from .writing import put

_logger = logging.getLogger(__name__)
#: What S3 says of objects that came without a type.
_NO_TYPE = ('', 'binary/octet-stream')
#: How many keys S3 deletes by one request.
_BATCH = 1000


class S3Backend(BaseBackend):
    """Keeps files as objects of a bucket, under their names.

    Its client is made when it is first needed, and shared by all storages of a process with the same account.
    """

    kind = 's3'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SERVER_COPY
        | Capability.SIGNED_URL
    )
    settings = SETTINGS
    #: How many keys to ask for at once; S3 tells at most 1,000.
    page_keys = 1000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._settings = storage_prefix(name)
        for one, other in (('access_key', 'secret_key'), ('secret_key', 'access_key')):
            if self.config.get(one) and not self.config.get(other):
                reason = f'Storage {name!r} (s3) needs {self._settings}{other.upper()} or FS_S3_{other.upper()} too.'
                raise ConfigurationError(reason=reason)
        self._bucket = Bucket(self.config.get('bucket_name') or name.lower().replace('_', '-'), self)
        self._keep_apart('bucket_name')
        if not self.config.conditional_writes:
            self.capabilities = self.capabilities & ~Capability.ATOMIC_CREATE

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The store, the bucket and the key prefix."""
        host = urlsplit(self.config.get('endpoint') or '').netloc.lower()
        # On Amazon, a bucket's name is its own in all regions.
        store = None if not host or host.endswith('.amazonaws.com') else host
        return (self.kind, store, self._bucket.name, self._prefix)

    @property
    def bucket(self) -> Any:
        """boto3's resource for the bucket, for what no storage offers."""
        return self._bucket.account.bucket(self._bucket.name)

    def describe_location(self) -> str:
        host = host_of(self.config.get('endpoint') or '')
        return f's3://{self._bucket.name}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Reading.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> IO[bytes]:
        if stop is not None and stop <= start:
            if etag not in (None, self._stat(name).etag):
                raise self.error(Replaced, name)
            return io.BytesIO()
        span = None if start == 0 and stop is None else _span(start, stop)
        answer = self._get(name, span, **({} if etag is None else {'IfMatch': f'"{etag}"'}))
        return io.BytesIO() if answer is None else self._stream(name, answer)

    def _open_seekable(self, name: str) -> IO[bytes]:
        answer = self._get(name, _span(0, BLOCK_BYTES))
        if answer is None:
            return io.BytesIO()
        with self._stream(name, answer) as stream:
            head = stream.read()

        info = self._info(name, answer)
        same = functools.partial(self._open_same, info)
        return cast('IO[bytes]', RangedReader(same, head, info.size))

    def _open_same(self, info: FileInfo, start: int, stop: int | None) -> IO[bytes]:
        """The bytes [start, stop) of that version of a file which *info* is about.

        :raises Replaced: If there is another by now.
        """
        answer = self._get(info.name, _span(start, stop) if info.size else None, IfMatch=f'"{info.etag}"')
        return io.BytesIO() if answer is None else self._stream(info.name, answer)

    def _serve(self, name: str) -> Any:
        def fetch(span: str | None) -> tuple[FileInfo, IO[bytes]] | None:
            answer = self._get(name, span)
            return None if answer is None else (self._info(name, answer), self._stream(name, answer))

        return respond_at_once(fetch, lambda: self._serve_by_facts(name))

    def _serve_by_facts(self, name: str) -> Any:
        for attempts_left in (2, 1, 0):  # pragma: no branch - the last attempt returns or raises
            info = self._stat(name)
            try:
                return respond(info, functools.partial(self._open_same, info))
            except Replaced:
                if not attempts_left:
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _get(self, name: str, span: str | None = None, **conditions: str) -> Any:
        """The answer with an object, or the part *span* of it; None if it has no such part."""
        given: dict[str, Any] = conditions if span is None else {'Range': span, **conditions}
        with self._bucket.translated(name):
            try:
                answer: Any = self._bucket.client.get_object(**self._bucket.at(name), **given)
            except ClientError as error:
                if status_of(error) != 416:
                    raise
                return None
        if span is not None and 'ContentRange' not in answer and not span.startswith('bytes=0-'):
            answer['Body'].close()
            raise self.error(BackendError, name, 'the store sent the whole file instead of a range')
        return answer

    def _stream(self, name: str, answer: Any) -> IO[bytes]:
        length = answer['ContentLength']
        return cast('IO[bytes]', BodyStream(answer['Body'], length, lambda error: self.translate(error, name)))

    # --- Facts.

    def _stat(self, name: str) -> FileInfo:
        with self._bucket.translated(name):
            return self._info(name, self._bucket.client.head_object(**self._bucket.at(name)))

    def _info(self, name: str, answer: Any) -> FileInfo:
        if 'ETag' not in answer or 'LastModified' not in answer:
            raise self._no_store(name)
        mime = answer.get('ContentType', '')
        return FileInfo(
            name,
            _size(answer),
            answer['LastModified'].astimezone(datetime.timezone.utc),
            mime_type(name) if mime in _NO_TYPE else mime,
            answer.get('Metadata', {}).get(CHECKSUM_KEY),
            answer['ETag'].strip('"'),
        )

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        for found in self._objects(prefix):
            modified = found['LastModified'].astimezone(datetime.timezone.utc)
            yield FileInfo(
                found['Key'], found['Size'], modified, mime_type(found['Key']), None, found['ETag'].strip('"')
            )

    def _names(self, prefix: str) -> Iterator[str]:
        return (found['Key'] for found in self._objects(prefix))

    def _objects(self, prefix: str) -> Iterator[Any]:
        """What the bucket tells of each object, also of those that stand for folders or have no possible name."""
        more: dict[str, Any] = {'MaxKeys': self.page_keys}
        while True:
            with self._bucket.translated(None):
                try:
                    page = self._bucket.client.list_objects_v2(Bucket=self._bucket.name, Prefix=prefix, **more)
                except ClientError as error:
                    if code_of(error) != 'NoSuchBucket':
                        raise
                    return
            if 'IsTruncated' not in page:
                raise self._no_store(None)
            yield from page.get('Contents', ())
            if not page.get('IsTruncated'):
                return
            more['ContinuationToken'] = page['NextContinuationToken']

    # --- Changes.

    def _put(self, name: str, stream: ByteReader, *, create: bool = False, mime: str | None = None) -> None:
        put(self._bucket, name, stream, create=create, mime=mime)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        copy(self._bucket, name, target, create=create)

    def _remove(self, name: str) -> None:
        with self._bucket.translated(name):
            try:
                self._bucket.client.delete_object(**self._bucket.at(name))
            except ClientError as error:
                if status_of(error) != 404:
                    raise

    def _delete(self, name: str) -> None:
        below = (found['Key'] for found in self._objects(f'{name}/'))
        if (first := next(below, None)) is None:
            self._remove(name)
        else:
            self._remove_many(itertools.chain((name, first), below))

    def _remove_many(self, names: Iterable[str]) -> None:
        left = iter(names)
        while batch := list(itertools.islice(left, _BATCH)):
            with self._bucket.translated(None):
                doomed: Any = {'Objects': [{'Key': name} for name in batch], 'Quiet': True}
                answer = self._bucket.client.delete_objects(Bucket=self._bucket.name, Delete=doomed)
            for refused in answer.get('Errors', ()):
                status = 403 if refused.get('Code') == 'AccessDenied' else 500
                error = ClientError(
                    {'Error': refused, 'ResponseMetadata': {'HTTPStatusCode': status}},  # type: ignore[typeddict-item]  # the rest is not looked at
                    'DeleteObjects',
                )
                raise self.translate(error, refused.get('Key')) from error

    def sweep(self, older_than_s: int = 24 * 3600) -> int:
        """Abort uploads in parts that were begun so long ago and never completed, and return how many there were.

        They are left by processes that were killed, are in no listing and cost storage.
        """
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        with self._bucket.translated(None):
            try:
                return abort_abandoned(self._bucket.client, self._bucket.name, self._prefix, limit)
            except ClientError as error:
                if code_of(error) != 'NoSuchBucket':
                    raise
                return 0

    # --- Links.

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        params: dict[str, Any] = self._bucket.at(name)
        if download_name is not None:
            params['ResponseContentDisposition'] = attachment(download_name)
        with self._bucket.translated(name):
            return self._bucket.signing_client.generate_presigned_url(
                f'{method.lower()}_object', Params=params, ExpiresIn=expires_s, HttpMethod=method
            )

    # --- Errors.

    def translate(self, error: Exception, name: str | None) -> FSError:
        """The error of Flask-FS for one of botocore, about the file *name*."""
        reason = reason_for(
            error,
            bucket=self._bucket.name,
            key=name,
            settings=self._settings,
            create_bucket=self.config.create_bucket,
        )
        return self.error(kind_of(error), name, reason)

    def _no_store(self, name: str | None) -> BackendError:
        reason = f'what answers there is no S3: look at {self._settings}ENDPOINT and FS_S3_ENDPOINT'
        return self.error(BackendError, name, reason)

    def narrow(self) -> None:
        """Take back ATOMIC_CREATE: the store was seen to know no conditional writes."""
        self.capabilities = self.capabilities & ~Capability.ATOMIC_CREATE
        _logger.warning(
            'Storage %r (s3): the store answers 501 to conditional writes, so that creating a file can lose a race. '
            'Set %sCONDITIONAL_WRITES = False to spare it the question.',
            self.name,
            self._settings,
        )


def _span(start: int, stop: int | None) -> str:
    """A Range header for the bytes [start, stop)."""
    return f'bytes={start}-' if stop is None else f'bytes={start}-{stop - 1}'


def _size(answer: Any) -> int:
    """The length of the whole object, also in an answer with a part of it."""
    total = answer.get('ContentRange', '').rpartition('/')[2]
    return int(total) if total.isdigit() else int(answer['ContentLength'])
