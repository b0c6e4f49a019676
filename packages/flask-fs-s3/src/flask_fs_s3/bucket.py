"""The bucket of one storage: the client to reach it, what its objects are stored with, and how its errors read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from botocore.exceptions import ClientError

from flask_fs.config import Config
from flask_fs.errors import FileExists, FSError
from flask_fs.files import mime_type

from .clients import Account
from .failures import SDK_ERRORS, code_of, is_retried, status_of
from .streams import Source

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
        self.error = owner.error
        self._owner = owner
        self._copies_conditionally: bool | None = None if config.get('endpoint') else True
        self._held: tuple[int, S3Client] | None = None
        short = {'ACL': config.get('object_acl'), 'StorageClass': config.get('object_storage_class')}
        self._parameters = {**config.object_parameters, **{key: value for key, value in short.items() if value}}

    @property
    def client(self) -> S3Client:
        """The client of this process."""
        if self._held is None or self._held[0] != os.getpid():
            self._held = os.getpid(), self.account.client
        return self._held[1]

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
    def translated(self, key: str | None, source: Source | None = None) -> Generator[None]:
        """Raise what botocore raises as an error of Flask-FS, except what reading *source* raised."""
        try:
            yield
        except SDK_ERRORS as error:
            if source is not None and error is source.error:
                raise
            raise self._owner.translate(error, key) from error

    def made_if_missing(self, write: Callable[[], T]) -> T:
        """The result of *write*; where there is no bucket yet, it is made first."""
        try:
            return write()
        except ClientError as error:
            if code_of(error) != 'NoSuchBucket' or not self.config.create_bucket:
                raise
        self._make()
        return write()

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
                self.conditional = False
                self._owner.narrow()
            else:
                return
        self.refuse_if_taken(key)
        write()

    def copies_conditionally(self, key: str) -> bool:
        """Whether the store heeds ``If-None-Match`` on copies, found out once by a copy of an object onto itself.

        Amazon does since November 2025; others write over what is there, which must not be tried on a file.
        """
        if self._copies_conditionally is None:
            try:
                self.client.copy_object(**self.at(key), CopySource=self.at(key), IfNoneMatch='*')
                self._copies_conditionally = False
            except ClientError as error:
                if status_of(error) not in (400, 412, 501):
                    raise
                self._copies_conditionally = status_of(error) == 412
        return self._copies_conditionally

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
