"""Flask-FS: named file storages for Flask applications, on the backend that configuration chooses.

The names are those of :mod:`flask_fs.public`, loaded when the first of them is asked for: ``import flask_fs`` by itself
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .public import *  # the same names, for type checkers

__all__ = [
    'ALL',
    'ARCHIVES',
    'AUDIO',
    'DATA',
    'DEFAULTS',
    'DOCUMENTS',
    'EXECUTABLES',
    'IMAGES',
    'NONE',
    'SCRIPTS',
    'TEXT',
    'All',
    'AllExcept',
    'BackendError',
    'BaseBackend',
    'Capability',
    'ChecksumMismatch',
    'ConfigurationError',
    'ConfigurationWarning',
    'DisallowAll',
    'FSError',
    'FileExists',
    'FileInfo',
    'FileNotFound',
    'FileTooLarge',
    'FileTypes',
    'InvalidContent',
    'InvalidFilename',
    'NoFile',
    'OperationNotSupported',
    'PermissionDenied',
    'Replaced',
    'Storage',
    'UnauthorizedFileType',
    'Unavailable',
    'UnknownBackend',
    'UnknownStorage',
    'UploadNotAllowed',
    'by_name',
    'file_deleted',
    'file_moved',
    'file_saved',
    'init_app',
]


def __getattr__(name: str) -> Any:
    # Only these: the import system asks for submodules here too, and finds them itself when told no.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}', name=name)
    value = globals()[name] = getattr(import_module(f'{__name__}.public'), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
