"""The bucket of one storage: requests for it and its objects, and the parameters that objects are stored with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from flask_fs.backends import Attributes, BaseBackend, Capability, Container, gone_reason
from flask_fs.errors import FileExists, Unavailable
from flask_fs.settings import storage_prefix

from .attributes import parameters_of
from .client import client_for
from .errors import code_of, kind_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar('T')

#: Parameters that a copy inside the store inherits from its source.
_COPIED = ('CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'Expires', 'Metadata', 'Tagging')


class Bucket:
    """A bucket. Nothing is sent to it before it is needed."""

    def __init__(self, name: str, backend: BaseBackend) -> None:
        config = backend.config
        self.name = name
        self.config = config
        self.error = backend.error
        self.unsupported = backend.unsupported
        self.translated = backend.translated
        self.drop_capability = backend.drop_capability
        #: The prefix of the storage's settings.
        self.settings = storage_prefix(backend.name)
        #: Whether the store supports ``If-None-Match`` for writes.
        self.conditional: bool = config.conditional_writes
        #: Whether the store is Amazon, where conditions also apply to copies, since October 2025.
        self.is_amazon = not config.get('endpoint')
        completes = config.get('conditional_completion')
        #: Whether the store enforces conditions when it completes a multipart upload, even in races.
        self.completes_conditionally: bool = self.is_amazon if completes is None else completes
        #: Whether the store is known to support ``If-Match`` for writes, as Amazon does since November 2024.
        self.swaps_are_known = self.is_amazon
        #: Whether uploads carry a CRC-32 for the store to verify.
        self.checks_uploads: bool = config.get('request_checksums') != 'when_required'
        self._backend = backend
        self._title = f'bucket {name!r}'
        self._container = Container(self._title, self.error, lambda error: code_of(error) == 'NoSuchBucket')
        self._is_ensured = False
        self._lock = threading.Lock()
        self._shared_client = client_for(config)
        self._shared_signing_client = client_for(config, **self._signing())
        short = {'ACL': config.get('object_acl'), 'StorageClass': config.get('object_storage_class')}
        self._parameters = {**config.object_parameters, **{key: value for key, value in short.items() if value}}

    @property
    def client(self) -> S3Client:
        """The client of this process."""
        return self._shared_client.get()

    @property
    def signing_client(self) -> S3Client:
        """The client of this process that signs URLs: it uses the public endpoint, and adds no request checksums."""
        return self._shared_signing_client.get()

    def _signing(self) -> dict[str, Any]:
        # Checksums of 'when_supported' would also be signed, and would then be required of everyone who uses the URL.
        instead = {'request_checksums': 'when_required'}
        if endpoint := self.config.get('public_endpoint') or self.config.get('endpoint'):
            instead['endpoint'] = endpoint
        elif self.config.addressing_style == 'auto':
            # Otherwise the URL points to us-east-1, which redirects to a host for which the signature is invalid.
            instead['addressing_style'] = 'virtual'
        return instead

    @property
    def swaps(self) -> bool:
        """Whether a specific version of an object can be replaced, with ``If-Match``."""
        return Capability.COMPARE_AND_SWAP in self._backend.capabilities

    def at(self, key: str) -> Any:
        """The parameters that identify an object."""
        return {'Bucket': self.name, 'Key': key}

    def parameters(self, key: str, attributes: Attributes, metadata: Mapping[str, str]) -> dict[str, Any]:
        """The parameters that an object is stored with.

        :param metadata: The backend's own metadata.
        """
        given = parameters_of(key, attributes)
        configured = self._parameters.get('Metadata', {})
        return {**self._parameters, **given, 'Metadata': {**configured, **given['Metadata'], **metadata}}

    def parameters_of_copies(self) -> dict[str, Any]:
        """The parameters that a copy is stored with, in addition to those that it inherits from its source."""
        return {key: value for key, value in self._parameters.items() if key not in _COPIED}

    def request(self, operation: str, key: str | None = None, **parameters: Any) -> Any:
        """The response to an operation of boto3's client on the bucket or an object.

        :raises Unavailable: If the bucket existed before and no longer exists.
        """
        where = {'Bucket': self.name} if key is None else self.at(key)
        return self._container.request(key, lambda: getattr(self.client, operation)(**where, **parameters))

    def head(self, key: str, **parameters: Any) -> Any:
        """The metadata of an object. If S3 responds with 404, this checks whether it is the bucket that is missing.

        :raises Unavailable: If the bucket existed before and no longer exists.
        """
        seen_at = self._container.seen_at
        try:
            return self.request('head_object', key, **parameters)
        except ClientError as error:
            if status_of(error) == 404 and self._container.is_gone(seen_at, self._exists):
                raise self.error(Unavailable, key, gone_reason(self._title)) from error
            raise

    def _exists(self) -> bool:
        try:
            self.client.head_bucket(Bucket=self.name)
        except ClientError as error:
            if kind_of(error) is Unavailable:
                raise
            # This requires a permission that not everyone has, and not every store supports it.
            return status_of(error) != 404
        return True

    def write(self, write: Callable[[], T]) -> T:
        """The result of *write*. If the bucket does not exist yet, it is created first, but never recreated."""
        return self._container.write(
            write, self._create, lambda error: code_of(error) == 'NoSuchBucket' and self.config.create_bucket
        )

    def ensure(self) -> None:
        """Create the bucket if it is missing and the settings allow it, because clients cannot. Checked only once."""
        if self._is_ensured or self._container.seen_at is not None or not self.config.create_bucket:
            return
        if not self._exists():
            self._create()
        self._is_ensured = True

    def _create(self) -> None:
        region = self.client.meta.region_name
        # Buckets without a constraint are created in us-east-1, which is not a valid constraint itself.
        elsewhere = region not in (None, 'us-east-1', 'aws-global')
        constraint: Any = {'CreateBucketConfiguration': {'LocationConstraint': region}} if elsewhere else {}
        try:
            self.client.create_bucket(Bucket=self.name, **constraint)
        except ClientError as error:
            # Another writer was faster.
            if code_of(error) != 'BucketAlreadyOwnedByYou':
                raise

    def drop_conditional(self) -> None:
        """From now on, check whether an object exists before creating it."""
        with self._lock:
            self.conditional = False
            self.drop_capability(
                Capability.ATOMIC_CREATE | Capability.SIGNED_UPLOAD,
                'the store responds with 501 to conditional writes. Creating a file can therefore lose a race, and '
                'clients send uploads to the application. '
                f'Set {self.settings}CONDITIONAL_WRITES = False to save the request.',
            )

    def find(self, key: str) -> Any:
        """The metadata of an object, or None if it does not exist."""
        try:
            return self.request('head_object', key)
        except ClientError as error:
            if status_of(error) != 404:
                raise
            return None

    def refuse_if_taken(self, key: str) -> None:
        """Raise FileExists if an object with that key exists."""
        if self.find(key) is not None:
            raise self.error(FileExists, key)
