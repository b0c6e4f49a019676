"""Writes to a key, some of them conditional, and detection of writes that succeeded although the response was lost."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import NO_ATTRIBUTES, WRITER_KEY, Capability
from flask_fs.errors import Changed, FileExists, FSError
from flask_fs.names import TEMPORARY_PREFIX

from .attributes import all_metadata
from .bucket import Bucket
from .errors import code_of, is_retried, status_of
from .removal import remove
from .responses import Superseded

#: The number of attempts if another writer writes the same key at the same time, as S3 recommends for its 409.
_CONFLICTS = 4
# RFC 9110 §8.8.3, without characters that headers cannot contain.
_ETAG = re.compile(r'[\x21\x23-\x7e]+')


class Write:
    """An unconditional write to a key."""

    #: Whether it is sent in one request, because completing a multipart upload can lose a race.
    at_once = False

    def __init__(self, bucket: Bucket, key: str, *, recognizable: bool = True) -> None:
        self.key = key
        #: The backend's own metadata of the new object; empty if repeating the write is harmless.
        self.metadata = {WRITER_KEY: secrets.token_hex(8)} if recognizable else {}
        self._bucket = bucket

    def check(self) -> None:
        """Raise the error of :meth:`run` early, before everything is sent, if it is already foreseeable."""

    def run(self, write: Callable[..., object]) -> None:
        """Call *write*, which stores an object with :attr:`metadata`."""
        self._attempt(write)

    def _attempt(self, write: Callable[..., object], **conditions: str) -> None:
        try:
            write(**conditions)
        except Superseded as error:
            # The object that replaced it must exist.
            if self._bucket.find(self.key) is None:
                raise
            if lost := self._lost():
                raise lost from error
        except ClientError as error:
            if not self._is_own(error):
                raise

    def _lost(self) -> FSError | None:
        """The error if another writer was faster or wrote at the same time; None if the order does not matter."""
        return None

    def _is_own(self, error: ClientError) -> bool:
        """Whether *error* only means that an earlier attempt succeeded, whose response was lost."""
        if not self.metadata or not is_retried(error):
            return False
        try:
            found = self._bucket.find(self.key)
        except ClientError:
            return False
        return found is not None and self.metadata.items() <= all_metadata(found).items()


class Creation(Write):
    """A write that requires that the key is free, with a condition, or with a check beforehand if necessary."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        super().__init__(bucket, key)
        self.at_once = bucket.conditional and not bucket.completes_conditionally

    def check(self) -> None:
        self._bucket.refuse_if_taken(self.key)

    def run(self, write: Callable[..., object]) -> None:
        """Call *write* with its condition.

        :raises FileExists: If an object with that key exists.
        """
        if self._bucket.conditional:
            try:
                self._attempt(write, IfNoneMatch='*')
            except ClientError as error:
                if status_of(error) == 412:
                    raise self._lost() from error
                if status_of(error) != 501:
                    raise
                self._bucket.drop_conditional()
            else:
                return
        self.check()
        self._attempt(write)

    def _lost(self) -> FSError:
        return self._bucket.error(FileExists, self.key)


class Swap(Write):
    """A write that requires that the existing object has a given ETag."""

    def __init__(self, bucket: Bucket, key: str, etag: str) -> None:
        super().__init__(bucket, key)
        self.at_once = not bucket.completes_conditionally
        self._etag = etag

    def check(self) -> None:
        if not _ETAG.fullmatch(self._etag) or self._has_changed():
            raise self._lost()

    def run(self, write: Callable[..., object]) -> None:
        """Call *write* with its condition.

        :raises Changed: If the object has another ETag or does not exist.
        """
        if not _ETAG.fullmatch(self._etag):
            raise self._lost()
        try:
            self._attempt(write, IfMatch=f'"{self._etag}"')
        except ClientError as error:
            status, code = status_of(error), code_of(error)
            if status == 501:
                raise drop_swaps(self._bucket, self.key, 'responds with 501 to If-Match') from error
            if status == 412 or code in ('NoSuchKey', 'NoSuchBucket', '404') or (status == 409 and self._has_changed()):
                raise self._lost() from error
            raise

    def _lost(self) -> FSError:
        return self._bucket.error(Changed, self.key)

    def _has_changed(self) -> bool:
        found = self._bucket.find(self.key)
        return found is None or found['ETag'].strip('"') != self._etag


def repeated(write: Callable[..., object]) -> Callable[..., None]:
    """*write*, repeated if another writer writes the same key at the same time."""

    def attempt(**conditions: Any) -> None:
        for number in range(1, _CONFLICTS + 1):  # pragma: no branch - the last attempt returns or raises
            try:
                write(**conditions)
            except ClientError as error:
                # After a lost response, the conflict can be with this object itself.
                if code_of(error) != 'ConditionalRequestConflict' or number == _CONFLICTS or is_retried(error):
                    raise
            else:
                return

    return attempt


def require_swaps(bucket: Bucket, key: str, prefix: str) -> None:
    """Check once whether the store supports ``If-Match`` for writes, with a harmless write whose condition cannot hold.

    Many stores ignore the header and replace the existing object.

    :param prefix: The prefix of all keys of the storage.
    :raises OperationNotSupported: If the store does not support it.
    """
    if bucket.swaps_are_known:
        return
    # Storages never list this name.
    probe = f'{prefix}{TEMPORARY_PREFIX}if-match-{secrets.token_hex(8)}'
    try:
        bucket.request('put_object', probe, Body=b'', IfMatch='"0"', **bucket.parameters(probe, NO_ATTRIBUTES, {}))
    except ClientError as error:
        status = status_of(error)
        if status == 501:
            raise drop_swaps(bucket, key, 'responds with 501 to If-Match') from error
        if code_of(error) == 'NoSuchBucket':
            return
        if status not in (404, 412):
            raise
        bucket.swaps_are_known = True
    else:
        remove(bucket, probe)
        raise drop_swaps(bucket, key, 'ignores If-Match')


def drop_swaps(bucket: Bucket, key: str, what: str) -> FSError:
    """Drop COMPARE_AND_SWAP, and return the error for the write that revealed it."""
    bucket.drop_capability(
        Capability.COMPARE_AND_SWAP,
        f'the store {what} in writes, so a version cannot be replaced without a race.',
    )
    return bucket.unsupported(key, f'the store {what} in writes')
