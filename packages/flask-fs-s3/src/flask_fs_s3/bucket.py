"""The bucket of one storage: the client to reach it, what its objects are stored with, and how its errors read."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore.exceptions import ClientError

from flask_fs.backends import Config, Presence, Source, gone_reason
from flask_fs.errors import FileExists, FSError, Unavailable
from flask_fs.files import mime_type
from flask_fs.settings import storage_prefix

from .clients import Account
from .failures import SDK_ERRORS, code_of, is_absent, is_retried, kind_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar('T')
E = TypeVar('E', bound=FSError)

#: The key in an object's metadata under which its checksum is kept.
CHECKSUM_KEY = 'fs-checksum'
#: The key of a text that one write alone has: by it a writer whose answer was lost knows its own object.
WRITER_KEY = 'fs-writer'
#: What a copy inside the store takes over from its source by itself.
_COPIED = ('CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'Expires', 'Metadata', 'Tagging')


class Owner(Protocol):
    """What a bucket asks of its backend."""

    name: str
    config: Config

    def error(self, kind: type[E], name: str | None = None, reason: str | None = None) -> E: ...
    def translate(self, error: Exception, name: str | None) -> FSError: ...
    def narrow(self) -> None: ...


class Bucket:
    """A bucket, reached when it is first needed.

    :param conditional: Whether the store heeds ``If-None-Match`` when it writes.
    """

    def __init__(self, name: str, owner: Owner) -> None:
        config = owner.config
        self.name = name
        self.config = config
        self.account = Account.of(config)
        self.conditional: bool = config.conditional_writes
        #: Whether it is Amazon's, whose conditions hold for copies too, since October 2025.
        self.is_amazon = not config.get('endpoint')
        heeded = config.get('conditional_completion')
        self._completes_conditionally: bool = self.is_amazon if heeded is None else heeded
        #: What the storage's settings begin with.
        self.settings = storage_prefix(owner.name)
        #: Whether uploads carry the CRC-32 of what is sent, for the store to compare.
        self.checks_uploads: bool = config.get('request_checksums') != 'when_required'
        self._presence = Presence()
        self._lock = threading.Lock()
        self.error = owner.error
        self._owner = owner
        self._held: tuple[int, S3Client] | None = None
        self._held_for_links: tuple[int, S3Client] | None = None
        short = {'ACL': config.get('object_acl'), 'StorageClass': config.get('object_storage_class')}
        self._parameters = {**config.object_parameters, **{key: value for key, value in short.items() if value}}

    @property
    def client(self) -> S3Client:
        """The client of this process."""
        if self._held is None or self._held[0] != os.getpid():
            self._held = os.getpid(), self.account.client
        return self._held[1]

    @property
    def signing_client(self) -> S3Client:
        """The client of this process that signs links: for the public address, and without what only requests need."""
        if self._held_for_links is None or self._held_for_links[0] != os.getpid():
            self._held_for_links = os.getpid(), Account.of(self.config, **self._signing()).client
        return self._held_for_links[1]

    def _signing(self) -> dict[str, Any]:
        # Checksums of 'when_supported' would be signed too, and then asked of whoever follows the link.
        instead = {'request_checksums': 'when_required'}
        if endpoint := self.config.get('public_endpoint') or self.config.get('endpoint'):
            instead['endpoint'] = endpoint
        elif self.config.addressing_style == 'auto':
            # Else it leads to us-east-1, which sends browsers on to another host that the signature is not for.
            instead['addressing_style'] = 'virtual'
        return instead

    @property
    def creates_at_once(self) -> bool:
        """Whether what must not overwrite goes in one request, because completing parts may lose a race."""
        return self.conditional and not self._completes_conditionally

    def at(self, key: str) -> Any:
        """The parameters that name an object."""
        return {'Bucket': self.name, 'Key': key}

    def parameters(self, key: str, mime: str | None, metadata: Mapping[str, str]) -> dict[str, Any]:
        """What an object is stored with."""
        theirs = self._parameters.get('Metadata', {})
        return {**self._parameters, 'ContentType': mime or mime_type(key), 'Metadata': {**theirs, **metadata}}

    def parameters_of_copies(self) -> dict[str, Any]:
        """What a copy is stored with, besides what it has from its source."""
        return {key: value for key, value in self._parameters.items() if key not in _COPIED}

    @contextlib.contextmanager
    def translated(
        self, key: str | None, source: Source | None = None, *, may_be_missing: bool = False
    ) -> Generator[None]:
        """Raise what botocore raises as an error of Flask-FS, except what reading *source* raised.

        :param may_be_missing: Whether it is no error that there is no bucket yet.
        :raises Unavailable: If the bucket was there, and is gone.
        """
        seen_at = self._presence.seen_at
        try:
            yield
        except SDK_ERRORS as error:
            if source is not None and error is source.error:
                raise
            is_missing = code_of(error) == 'NoSuchBucket'
            if (is_missing and seen_at is not None) or (
                is_absent(error) and self._presence.is_gone(seen_at, self._exists)
            ):
                raise self.error(Unavailable, key, gone_reason(f'bucket {self.name!r}')) from error
            if is_missing and may_be_missing:
                return
            raise self._owner.translate(error, key) from error
        self._presence.mark_seen()

    def listed(self, found: Iterator[T]) -> Iterator[T]:
        """*found*, whose errors are raised as those of Flask-FS; nothing if there is no bucket yet."""
        first: list[T] = []
        with self.translated(None, may_be_missing=True):
            first += itertools.islice(found, 1)
        if first:
            yield from first
            with self.translated(None):
                yield from found

    def made_if_missing(self, write: Callable[[], T]) -> T:
        """The result of *write*; where there is no bucket yet, it is made first. One that is gone is not made anew."""
        return self._presence.write(
            write, self._make, lambda error: code_of(error) == 'NoSuchBucket' and self.config.create_bucket
        )

    def create_only(self, key: str, writer: str, write: Callable[..., object]) -> None:
        """Call *write* with the condition that there is no object of that key, or ask for one before, where it must be.

        :param writer: What tells the object apart that *write* makes.
        :raises FileExists: If there is one.
        """
        if self.conditional:
            try:
                write(IfNoneMatch='*')
            except ClientError as error:
                if self.is_own(key, writer, error):
                    return
                if status_of(error) == 412:
                    raise self.error(FileExists, key) from error
                if status_of(error) != 501:
                    raise
                with self._lock:
                    known, self.conditional = not self.conditional, False
                if not known:
                    self._owner.narrow()
            else:
                return
        self.refuse_if_taken(key)
        write()

    def refuse_if_taken(self, key: str) -> None:
        """Raise FileExists if there is an object of that key."""
        try:
            self.client.head_object(**self.at(key))
        except ClientError as error:
            if status_of(error) != 404:
                raise
        else:
            raise self.error(FileExists, key)

    def is_own(self, key: str, writer: str, error: ClientError) -> bool:
        """Whether *error* only says that an earlier attempt had succeeded, whose answer was lost."""
        if not is_retried(error):
            return False
        try:
            return self.client.head_object(**self.at(key))['Metadata'].get(WRITER_KEY) == writer
        except ClientError:
            return False

    def _exists(self) -> bool:
        """Whether there is the bucket, where a response to HEAD, which has no words, leaves that open."""
        try:
            self.client.head_bucket(Bucket=self.name)
        except ClientError as error:
            if kind_of(error) is Unavailable:
                raise self._owner.translate(error, None) from error
            # Not everyone may ask, nor does every store support it.
            return status_of(error) != 404
        except SDK_ERRORS as error:
            raise self._owner.translate(error, None) from error
        return True

    def _make(self) -> None:
        region = self.client.meta.region_name
        # us-east-1 is where buckets without a constraint are, and no valid constraint itself.
        elsewhere = region not in (None, 'us-east-1', 'aws-global')
        constraint: Any = {'CreateBucketConfiguration': {'LocationConstraint': region}} if elsewhere else {}
        try:
            self.client.create_bucket(Bucket=self.name, **constraint)
        except ClientError as error:
            # Somebody else was faster.
            if code_of(error) != 'BucketAlreadyOwnedByYou':
                raise
