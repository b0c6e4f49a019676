"""The methods that a failing store must not mislead, and how each ends."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend, Capability

from ..guarantees import broken, declares
from ..harness import NetworkHarness

#: More than the network buffers, so that a response that is cut has not been read yet.
LARGE = 2 * CHUNK_BYTES + 5

Verb = Callable[[BaseBackend], object]


def _opened(backend: BaseBackend) -> bytes:
    with backend.open('x', 'rb') as file:
        return b''.join(iter(lambda: file.read(100_000), b''))


def _opened_at_once(backend: BaseBackend) -> object:
    with backend.open('x', 'rb') as file:
        return file.read()


def _local(backend: BaseBackend) -> bytes:
    with backend.local_file('x') as path, open(path, 'rb') as file:
        return file.read()


def _raise_first(failures: Mapping[str, fs.FSError]) -> None:
    for error in failures.values():
        raise error


#: All verbs that return the content of the file ``x``.
DOWNLOADS: Mapping[str, Verb] = {
    'read': lambda backend: backend.read('x'),
    'read_chunks': lambda backend: b''.join(backend.read_chunks('x', 10_000)),
    'open, read in pieces': _opened,
    'open, read at once': _opened_at_once,
    'local_file': _local,
}
READS: Mapping[str, Verb] = {
    **DOWNLOADS,
    'exists': lambda backend: backend.exists('x'),
    'stat': lambda backend: backend.stat('x'),
    'metadata': lambda backend: backend.metadata('x'),
    'list_files': lambda backend: list(backend.list_files()),
    'scan': lambda backend: list(backend.scan()),
    'folder': lambda backend: backend.folder(''),
    'deleted': lambda backend: list(backend.deleted()),
}
WRITES: Mapping[str, Verb] = {
    'write': lambda backend: backend.write('x', b'other'),
    'write with create': lambda backend: backend.write('new', b'other', overwrite=False),
    'save': lambda backend: backend.save(io.BytesIO(bytes(LARGE)), 'x', overwrite=True),
    'copy': lambda backend: backend.copy('x', 'copied'),
    'move': lambda backend: backend.move('x', 'moved'),
    'remove': lambda backend: backend.remove('x'),
    'delete': lambda backend: backend.delete('x'),
}
ALL: Mapping[str, Verb] = {**READS, **WRITES}
#: It returns its errors.
MANY: Mapping[str, Verb] = {'remove_many': lambda backend: _raise_first(backend.remove_many(['x', 'y']))}
#: One verb of each kind, for faults with which each call can take a timeout or several attempts.
SOME: Mapping[str, Verb] = {
    name: ALL[name] for name in ('read', 'read_chunks', 'exists', 'stat', 'list_files', 'write', 'delete')
}
FEW: Mapping[str, Verb] = {name: ALL[name] for name in ('read', 'exists', 'write')}


def outcome(backend: BaseBackend, verb: Verb) -> tuple[Exception | None, object]:
    """The error that *verb* raises, or what it returns."""
    try:
        return None, verb(backend)
    except Exception as error:  # noqa: BLE001  # judged by the caller
        return error, None


def all_raise(kind: type[fs.FSError], backend: BaseBackend, verbs: Mapping[str, Verb], when: str) -> None:
    """Fail if one of *verbs* raises no error of this kind."""
    for name, verb in verbs.items():
        error, result = outcome(backend, verb)
        if not isinstance(error, kind):
            seen = repr(error) if error is not None else f'no error, and the result {str(result)[:80]!r}'
            broken(f'Expected {kind.__name__} from {name} while {when}; saw {seen}.')


def all_of(harness: NetworkHarness) -> Mapping[str, Verb]:
    """All verbs, including those that need a capability, for the current version of the file ``x``."""
    backend, found = harness.make(), dict(ALL)
    if declares(backend, Capability.ATTRIBUTES):
        found['set_attributes'] = lambda backend: backend.set_attributes('x', {'cache_control': 'no-store'})
    if declares(backend, Capability.COMPARE_AND_SWAP):
        etag = str(backend.stat('x').etag)
        found['write with if_match'] = lambda backend: backend.write('x', b'other', if_match=etag)
    return found
