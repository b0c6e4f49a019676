"""Flask-FS: named file storages for Flask applications, on the backend that configuration chooses."""

from __future__ import annotations

from . import errors
from .backends.base import BaseBackend
from .backends.contract import Capability, FileInfo
from .errors import *  # noqa: F403  # its __all__ says which: every error
from .extension import by_name, init_app
from .files import (
    ALL,
    ARCHIVES,
    AUDIO,
    DATA,
    DEFAULTS,
    DOCUMENTS,
    EXECUTABLES,
    IMAGES,
    NONE,
    SCRIPTS,
    TEXT,
    All,
    AllExcept,
    DisallowAll,
    FileTypes,
)
from .signals import file_deleted, file_moved, file_saved
from .storage import Storage

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
    'BaseBackend',
    'Capability',
    'DisallowAll',
    'FileInfo',
    'FileTypes',
    'Storage',
    'by_name',
    'file_deleted',
    'file_moved',
    'file_saved',
    'init_app',
]
__all__ += errors.__all__
