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
    """The base of every error of Flask-FS.

    All fields are optional, so application code and tests may raise any of these errors without arguments.

    :param filename: The file's name in its storage.
    :param storage: The storage's name.
    :param backend: The kind of backend, such as ``local``.
    :param reason: What went wrong, in a few words and without any secret.
    """

    #: The message's first sentence, in which ``{file}`` and ``{place}`` are replaced.
    template = '{file} failed in {place}'
    #: How to fix it, if that is always the same.
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
        # A safety net: a driver's reason may quote an SDK that quotes the URL of the store.
        self.reason = reason and without_userinfo(reason)

    def __str__(self) -> str:
        if self.filename is None and self.storage is None and self.backend is None:
            return self.reason or ''
        file = 'A file' if self.filename is None else repr(self.filename)
        message = self.template.format(file=file, place=self._place())
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

    def _place(self) -> str:
        if self.storage is None:
            return 'the storage' if self.backend is None else f'the {self.backend} storage'
        kind = '' if self.backend is None else f' ({self.backend})'
        return f'storage {self.storage!r}{kind}'


def _restore(kind: type[FSError], fields: dict[str, Any]) -> FSError:
    return kind(**fields)


class FileNotFound(FSError, FileNotFoundError):
    """There is no file of that name in the storage."""

    template = '{file} is not in {place}'


class FileExists(FSError, FileExistsError):
    """There is a file of that name already, and ``overwrite`` is false."""

    template = '{file} is already in {place}'
    advice = 'Pass overwrite=True to replace it.'

    def __str__(self) -> str:
        # If there is a reason, overwriting would not help: see LocalBackend on folders.
        return super().__str__().removesuffix(f' {self.advice}') if self.reason else super().__str__()


class Changed(FSError):
    """The file is no longer the version that ``if_match`` names: it was replaced or removed. Nothing was stored."""

    template = '{file} has changed in {place}'
    advice = 'Read it again, and pass the etag that it has now.'


class DeletionFailed(FSError):
    """Some of many files could not be deleted; the others are.

    :ivar failures: The error of each file that is still there, by its name.
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
    """The content is broken, or not what its name claims."""

    template = '{file} has content that is not allowed in {place}'


class InvalidToken(UploadNotAllowed):
    """The token of an upload was altered, has expired, or is for another storage or user."""

    template = '{file} cannot be accepted in {place}'


class NoFile(UploadNotAllowed, ValueError):
    """A form was sent without a file: none was chosen, or the field was left out. Or nothing has arrived of an upload."""

    template = 'No file was sent to {place}'


class OperationNotSupported(FSError):
    """The backend cannot do this; its capabilities say so."""

    template = '{file}: not supported by {place}'


class RangeNotSatisfiable(FSError, ValueError):
    """The file ends before the range that was requested begins (RFC 9110 §15.5.17)."""

    template = '{file} ends before this range in {place}'


class InvalidFilename(FSError, ValueError):
    """Not every backend could store a file of that name, or it would lead out of the storage."""

    template = '{file} cannot be a filename'


class UnknownBackend(FSError, ValueError):
    """No installed distribution offers a backend of that name."""


class ConfigurationError(FSError, ValueError):
    """A setting is missing, invalid, or contradicts another one."""


class UnknownStorage(ConfigurationError, KeyError):
    """The application has no storage of that name."""


class BackendError(FSError):
    """The store behind the backend failed; the cause is chained."""


class PermissionDenied(BackendError, PermissionError):
    """The store denied the operation to these credentials or this user."""

    template = '{file} was refused by {place}'


class Unavailable(BackendError):
    """The store did not respond, or not in time: retrying later may work."""

    template = '{file} could not be reached in {place}'


class Replaced(Unavailable):
    """The file is no longer the version that was requested: it was replaced or removed meanwhile."""

    template = '{file} was replaced in {place} while it was read'
    advice = 'Open it again.'


class ChecksumMismatch(BackendError):
    """The content that arrived is not the content that was sent."""

    template = '{file} does not match its checksum in {place}'


class ConfigurationWarning(UserWarning):
    """A setting looks misspelled and has no effect, or does not do what it seems to."""
