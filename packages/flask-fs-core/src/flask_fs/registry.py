"""Which backends there are: those of core, and those that installed distributions announce."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from .backends.base import BaseBackend
from .backends.contract import Capability
from .backends.legacy import LegacyDriver
from .errors import UnknownBackend
from .settings import storage_prefix

#: Distributions announce their backends in these groups; the second is that of flask-storage.
ENTRY_POINT_GROUPS = ('fs.backend', 'storage.backend')

#: What a storage calls: a backend itself, or the adapter for one with the documented verbs alone.
Driver = BaseBackend | LegacyDriver

_BUILT_IN = {'local': 'LocalBackend', 'memory': 'MemoryBackend', 'mock': 'MockBackend'}
_SIBLINGS = ('azure', 'gcs', 'gridfs', 's3', 'swift')


def backend_class_of(kind: str, storage: str) -> Any:
    """The class of the backend *kind*, for *storage*.

    :raises UnknownBackend: If no installed distribution offers it.
    """
    # Looked up each time: tests of applications patch the classes.
    if kind in _BUILT_IN:
        return getattr(importlib.import_module(f'flask_fs.backends.{kind}'), _BUILT_IN[kind])
    announced = _announced()
    if kind in announced:
        return announced[kind].load()
    found = ', '.join(sorted({*announced, *_BUILT_IN} - {'mock'}))
    install = f'Install it with pip install flask-fs-{kind}, or change' if kind in _SIBLINGS else 'Change'
    setting = f'{storage_prefix(storage)}BACKEND'
    reason = f'Storage {storage!r}: no backend named {kind!r} (found: {found}). {install} {setting} or FS_BACKEND.'
    raise UnknownBackend(reason=reason)


@functools.cache
def _announced() -> dict[str, Any]:
    """The entry point of each backend that an installed distribution announces, read once in a process."""
    # Reading the metadata of all distributions takes longer than all of `import flask_fs`.
    from importlib.metadata import entry_points

    return {point.name: point for group in reversed(ENTRY_POINT_GROUPS) for point in entry_points(group=group)}


def driver_of(backend: Any, storage: str) -> Driver:
    """What *storage* calls: *backend* itself, or an adapter for one that only has the documented verbs."""
    capabilities = getattr(backend, 'capabilities', None)
    # Not isinstance(), which is also true of what create_autospec() makes of them.
    declared = issubclass(type(capabilities), Capability) and capabilities
    driver: Driver = backend if declared else LegacyDriver(backend, storage)
    return driver
