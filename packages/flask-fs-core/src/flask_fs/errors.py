"""Every error that Flask-FS raises, in one tree.

.. code-block:: text

    FSError
    ├── FileNotFound            also a FileNotFoundError
    ├── FileExists              also a FileExistsError
    ├── Changed
    ├── DeletionFailed
    ├── UploadNotAllowed
    │   ├── UnauthorizedFileType
    │   ├── FileTooLarge
    │   ├── InvalidContent
    │   ├── InvalidToken
    │   └── NoFile              also a ValueError
    ├── OperationNotSupported
    ├── RangeNotSatisfiable     also a ValueError
    ├── InvalidFilename         also a ValueError
    ├── UnknownBackend          also a ValueError
    ├── ConfigurationError      also a ValueError
    │   └── UnknownStorage      also a KeyError
    └── BackendError
        ├── PermissionDenied    also a PermissionError
        ├── Unavailable
        │   └── Replaced
        └── ChecksumMismatch
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .credentials import without_userinfo

__all__ = [
    'BackendError',
    'Changed',
    'ChecksumMismatch',
    'ConfigurationError',
    'ConfigurationWarning',
    'DeletionFailed',
    'FSError',
    'FileExists',
    'FileNotFound',
    'FileTooLarge',
    'InvalidContent',
    'InvalidFilename',
    'InvalidToken',
    'NoFile',
    'OperationNotSupported',
    'PermissionDenied',
    'RangeNotSatisfiable',
    'Replaced',
    'UnauthorizedFileType',
    'Unavailable',
    'UnknownBackend',
    'UnknownStorage',
    'UploadNotAllowed',
]


class FSError(Exception):
    """The base class of all Flask-FS errors.

    All fields are optional, so applications and tests can raise any of these errors without arguments.

    :param filename: The file's name in its storage.
    :param storage: The storage's name.
    :param backend: The kind of backend, such as ``local``.
    :param reason: What went wrong, in a few words, without secrets.
    """

    #: The first sentence of the message. ``{file}`` and ``{place}`` are replaced.
    template = '{file} failed in {place}'
    #: How to fix the error, if that is always the same.
    advice = ''

    def __init__(
        self,
        filename: str | None = None,
        *,
        storage: str | None = None,
        backend: str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(filename)
        self.filename = filename
        self.storage = storage
        self.backend = backend
        # A safety net: a driver's reason might quote an SDK message that contains the URL of the store.
        self.reason = reason and without_userinfo(reason)

    def __str__(self) -> str:
        if self.filename is None and self.storage is None and self.backend is None:
            return self.reason or ''
        file = 'A file' if self.filename is None else repr(self.filename)
        message = self.template.format(file=file, place=self._location())
        if self.reason:
            message += f': {self.reason}'
        message = message.rstrip('.') + '.'
        return f'{message} {self.advice}' if self.advice else message

    def __repr__(self) -> str:
        fields = self._fields()
        name = fields.pop('filename')
        given = [] if name is None else [repr(name)]
        given += [f'{key}={value!r}' for key, value in fields.items() if value is not None]
        return f'{type(self).__name__}({", ".join(given)})'

    def __reduce__(self) -> tuple[Callable[..., FSError], tuple[Any, ...]]:
        return _restore, (type(self), self._fields())

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ('filename', 'storage', 'backend', 'reason')}

    def _location(self) -> str:
        if self.storage is None:
            return 'the storage' if self.backend is None else f'the {self.backend} storage'
        kind = '' if self.backend is None else f' ({self.backend})'
        return f'storage {self.storage!r}{kind}'


def _restore(kind: type[FSError], fields: dict[str, Any]) -> FSError:
    return kind(**fields)


class FileNotFound(FSError, FileNotFoundError):
    """No file with that name exists in the storage."""

    template = '{file} is not in {place}'


class FileExists(FSError, FileExistsError):
    """A file with that name already exists, and ``overwrite`` is false."""

    template = '{file} is already in {place}'
    advice = 'Pass overwrite=True to replace it.'

    def __str__(self) -> str:
        # If there is a reason, overwriting wouldn't help: see how LocalBackend handles folders.
        return super().__str__().removesuffix(f' {self.advice}') if self.reason else super().__str__()


class Changed(FSError):
    """The file is no longer the version in ``if_match``: it was replaced or removed. Nothing was stored."""

    template = '{file} has changed in {place}'
    advice = 'Read it again, and pass its current etag.'


class DeletionFailed(FSError):
    """Some of several files could not be deleted. The others were deleted.

    :ivar failures: The error for each file that still exists, by filename.
    """

    template = '{file} could not be deleted from {place}'

    failures: Mapping[str, FSError] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {'failures': self.failures})


class UploadNotAllowed(FSError):
    """The storage does not accept this upload."""

    template = '{file} is not allowed in {place}'


class UnauthorizedFileType(UploadNotAllowed):
    """The storage does not allow files with this extension."""

    template = '{file} has a type that is not allowed in {place}'


class FileTooLarge(UploadNotAllowed):
    """The content is larger than the storage's ``MAX_BYTES``."""

    template = '{file} is too large for {place}'


class InvalidContent(UploadNotAllowed):
    """The content is broken, or doesn't match its filename."""

    template = '{file} has content that is not allowed in {place}'


class InvalidToken(UploadNotAllowed):
    """The token of an upload was altered, has expired, or is for another storage or user."""

    template = '{file} cannot be accepted in {place}'


class NoFile(UploadNotAllowed, ValueError):
    """A form was sent without a file, because none was chosen or the field is missing. Or no content of an upload arrived."""

    template = 'No file was sent to {place}'


class OperationNotSupported(FSError):
    """The backend doesn't support this operation. Check its capabilities first."""

    template = '{file}: not supported by {place}'


class RangeNotSatisfiable(FSError, ValueError):
    """The requested range begins after the end of the file (RFC 9110 §15.5.17)."""

    template = '{file} ends before the requested range in {place}'


class InvalidFilename(FSError, ValueError):
    """Not every backend can store a file with that name, or the name would lead out of the storage."""

    template = '{file} is not a valid filename'


class UnknownBackend(FSError, ValueError):
    """No installed distribution provides a backend with that name."""


class ConfigurationError(FSError, ValueError):
    """A setting is missing, invalid, or contradicts another one."""


class UnknownStorage(ConfigurationError, KeyError):
    """The application has no storage with that name."""


class BackendError(FSError):
    """The store behind the backend failed. ``__cause__`` is the original error."""


class PermissionDenied(BackendError, PermissionError):
    """The store denied permission to these credentials or this user."""

    template = '{file}: permission denied by {place}'


class Unavailable(BackendError):
    """The store did not respond, or timed out. Retrying later might work."""

    template = '{file} is unavailable in {place}'


class Replaced(Unavailable):
    """The file is no longer the requested version: it was replaced or removed in the meantime."""

    template = '{file} was replaced in {place} while it was being read'
    advice = 'Open it again.'


class ChecksumMismatch(BackendError):
    """The received content is not the content that was sent."""

    template = '{file} does not match its checksum in {place}'


class ConfigurationWarning(UserWarning):
    """A setting looks misspelled and has no effect, or doesn't do what it seems to."""
