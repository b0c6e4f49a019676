"""The available backends: the built-in ones, and those that installed distributions provide."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from .backends.base import BaseBackend
from .backends.contract import Capability
from .backends.legacy import LegacyDriver
from .errors import UnknownBackend
from .settings import storage_prefix

#: The entry point groups of backends. flask-storage uses the second one.
ENTRY_POINT_GROUPS = ('fs.backend', 'storage.backend')

#: What a storage calls: the backend itself, or an adapter for a backend that only has the documented methods.
Driver = BaseBackend | LegacyDriver

_BUILT_IN = {'local': 'LocalBackend', 'memory': 'MemoryBackend', 'mock': 'MockBackend'}
_SIBLINGS = ('azure', 'gcs', 'gridfs', 's3', 'swift')
#: What else people call the backends.
_NICKNAMES = {
    'aws': 's3', 'boto3': 's3', 'minio': 's3', 'google': 'gcs', 'mongo': 'gridfs', 'mongodb': 'gridfs',
    'openstack': 'swift', 'disk': 'local', 'filesystem': 'local',
}  # fmt: skip


def backend_class_of(kind: str, storage: str) -> Any:
    """The class of the backend *kind*, for *storage*.

    :raises UnknownBackend: If no installed distribution provides it.
    """
    # Looked up on each call, because the tests of applications patch these classes.
    if kind in _BUILT_IN:
        return getattr(importlib.import_module(f'flask_fs.backends.{kind}'), _BUILT_IN[kind])
    announced = _announced()
    if kind in announced:
        return announced[kind].load()
    found = sorted({*announced, *_BUILT_IN} - {'mock'})
    install = f'Install it with pip install flask-fs-{kind}, or change' if kind in _SIBLINGS else 'Change'
    # Imported here because only misspelled names need it.
    import difflib

    similar = difflib.get_close_matches(kind.lower(), {*found, *_SIBLINGS, *_NICKNAMES}, n=1)
    meant = [_NICKNAMES.get(name, name) for name in similar]
    hint = '' if kind in _SIBLINGS or not meant else f'Did you mean {meant[0]!r}? '
    setting = f'{storage_prefix(storage)}BACKEND or FS_BACKEND'
    reason = f'Storage {storage!r}: no backend named {kind!r} (found: {", ".join(found)}). {hint}{install} {setting}.'
    raise UnknownBackend(reason=reason)


@functools.cache
def _announced() -> dict[str, Any]:
    """The entry point of each backend that an installed distribution provides, read once per process."""
    # Reading the metadata of all distributions takes longer than `import flask_fs`.
    from importlib.metadata import entry_points

    return {point.name: point for group in reversed(ENTRY_POINT_GROUPS) for point in entry_points(group=group)}


def driver_of(backend: Any, storage: str) -> Driver:
    """What *storage* calls: *backend* itself, or an adapter if it only has the documented methods."""
    capabilities = getattr(backend, 'capabilities', None)
    # Not isinstance(), which is also true of the mock that create_autospec() makes.
    declared = issubclass(type(capabilities), Capability) and capabilities
    driver: Driver = backend if declared else LegacyDriver(backend, storage)
    return driver
