"""Every verb as an operation on a small store, with the files before and after, and the judgment after a failure."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from flask_fs.backends import CHUNK_BYTES, BaseBackend, Capability
from flask_fs.backends.incoming import Incoming, new_id
from flask_fs.backends.incoming import sweep as sweep_uploads

from ..arriving import arrived
from ..guarantees import broken, declares
from ..harness import Harness
from ..measurements import record
from ..sources import OnlyRead
from .content import content_of

Files = Mapping[str, bytes]

OLD = b'old content'
#: How long a store can take to drop what sweeping removes, and a server to notice that a client is gone.
SETTLING_S = 5


@dataclass(frozen=True)
class Operation:
    """One call of a verb.

    :param before: The files that have to exist before.
    :param after: The files that exist after success.
    """

    name: str
    before: Files
    run: Callable[[BaseBackend], object]
    after: Files

    def judge(self, now: Files, when: str, *, succeeded: bool) -> None:
        """Fail unless each file is complete, old or new; and new if the operation *succeeded*."""
        for name in {*self.before, *self.after, *now}:
            seen, allowed = now.get(name), {self.before.get(name), self.after.get(name)}
            if seen not in allowed:
                expected = ' or '.join(sorted(map(_shown, allowed)))
                broken(f'Expected {name!r} to be {expected} after {self.name}, when {when}; saw {_shown(seen)}.')
        if lost := {*self.before.values()} & {*self.after.values()} - {*now.values()}:
            broken(
                f'Expected no file to be lost by {self.name}, when {when}; saw {len(lost)} lost: only {[*now]} is left.'
            )
        if succeeded and now != self.after:
            expected = f'{sorted(self.after)}, because no error was raised'
            broken(f'Expected the outcome of {self.name}, when {when}, to be {expected}; saw the old files.')


def small_sizes(harness: Harness) -> dict[str, int]:
    """The smallest size of each class, in bytes, for checks that use many files; recorded for the report."""
    border = min(harness.part_sizes, default=CHUNK_BYTES)
    sizes = {'small': 10, 'border': border, 'parts': border + 5}
    record(harness, 'sizes', **sizes)
    return sizes


def writing_operations(harness: Harness) -> list[Operation]:
    """Every verb that changes files, for small files, files as large as a part, and files in several parts."""
    found, old = [], {'x': OLD}
    contents = {size_class: content_of(size) for size_class, size in small_sizes(harness).items()}
    for size_class, content in contents.items():
        what = f'a file of {len(content)} bytes'
        found += [
            Operation(f'replacing {what}', old, partial(_replace, content=content), {'x': content}),
            Operation(f'creating {what}', old, partial(_create, content=content), {**old, 'new': content}),
        ]
        if size_class != 'small':
            found.append(
                Operation(
                    f'accepting an upload of {len(content)} bytes',
                    old,
                    partial(_accept, harness=harness, content=content),
                    {**old, 'new': content},
                )
            )
        if size_class != 'border':
            found += [
                Operation(f'copying {what}', {'x': content}, _copy, {'x': content, 'new': content}),
                Operation(f'moving {what}', {'x': content}, _move, {'new': content}),
                Operation(f'moving {what} over another', {**old, 'new': content}, _move_back, {'x': content}),
                Operation(f'removing {what}', {'x': content}, _remove, {}),
            ]
    parts, folder = contents['parts'], {'d/1': OLD, 'd/2': contents['parts'], 'kept': OLD}
    backend = harness.make()
    if declares(backend, Capability.COMPARE_AND_SWAP):
        found += [
            Operation(f'swapping a file for {len(content)} bytes', old, partial(_swap, content=content), {'x': content})
            for content in (contents['small'], parts)
        ]
    if declares(backend, Capability.ATTRIBUTES):
        found.append(
            Operation(f'changing attributes of a file of {len(parts)} bytes', {'x': parts}, _change, {'x': parts})
        )
    return [
        *found,
        Operation('removing many files', folder, _remove_many, {'kept': OLD}),
        Operation(f'replacing a file of {len(parts)} bytes with a small one', {'x': parts}, _shrink, old),
        Operation('deleting a folder', folder, _delete_folder, {'kept': OLD}),
        Operation('writing through open()', old, _write_file, {'x': b'new content'}),
    ]


def reading_operations(harness: Harness) -> list[Operation]:
    """Every verb that only reads, on a file in several parts."""
    files = {'x': content_of(small_sizes(harness)['parts'])}
    verbs: dict[str, Callable[[BaseBackend], object]] = {
        'read': lambda backend: backend.read('x'),
        'read_range': lambda backend: backend.read_range('x', 10, 100),
        'read_chunks': lambda backend: list(backend.read_chunks('x', 100_000)),
        'open': _read_file,
        'exists': lambda backend: backend.exists('x'),
        'stat': lambda backend: backend.stat('x'),
        'metadata': lambda backend: backend.metadata('x')['checksum'],
        'list_files': lambda backend: list(backend.list_files()),
        'scan': lambda backend: list(backend.scan()),
        'folder': lambda backend: backend.folder(''),
        'local_file': _local_file,
    }
    return [Operation(name, files, verb, files) for name, verb in verbs.items()]


class Stage:
    """The store of *harness*, set up for one operation after another, with a backend that has no faults."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._backend = harness.make()
        self._now: Files = {}

    def set_up(self, files: Files) -> None:
        """Make *files* the only files in the store; before, it contains what :meth:`files` has just returned."""
        for name in self._now.keys() - files.keys():
            self._backend.remove(name)
        for name, content in files.items():
            if self._now.get(name) != content:
                self._backend.write(name, content)
        self._now = files

    def files(self) -> Files:
        """All visible files."""
        self._now = {name: self._harness.get_raw(name) for name in self._backend.list_files()}
        return self._now

    def clear(self, operation: Operation, when: str, *, sweep: bool) -> None:
        """Remove all files; fail if anything is left then, in the store or in its listing.

        :param sweep: Whether hidden files can be left that sweeping removes, as after a cut connection.
        """
        self.set_up({})
        # Uploaded pieces wait for another attempt to accept them, by any process.
        sweep_uploads(self._backend, -SETTLING_S)
        left = left_behind(self._harness, self._backend, sweep=sweep)
        if left and sweep:
            # A request in transit might have been carried out since.
            self.set_up({})
            left = left_behind(self._harness, self._backend)
        if left:
            removed = ', and sweep() was called' if sweep else ''
            broken(
                f'Expected nothing to be left of {operation.name}, when {when}, after its files were removed{removed}; '
                f'saw {left[:5]}.'
            )


def left_behind(harness: Harness, backend: BaseBackend, *files: str, sweep: bool = True) -> list[str]:
    """Everything in the store except *files*, after sweeping; a server can need a moment for it."""
    deadline = time.monotonic() + SETTLING_S
    while (left := harness.names_raw()) != [*files] and sweep and time.monotonic() < deadline:
        if not backend.sweep(older_than_s=0):
            time.sleep(0.1)
    return [] if left == [*files] else left


def _shown(content: bytes | None) -> str:
    if content is None:
        return 'absent'
    return f'{len(content)} bytes beginning with {content[:12]!r}'


def _replace(backend: BaseBackend, content: bytes) -> None:
    backend.save(io.BytesIO(content), 'x', overwrite=True)


def _create(backend: BaseBackend, content: bytes) -> None:
    backend.save(OnlyRead(content, step=65_537), 'new', overwrite=False)


def _accept(backend: BaseBackend, harness: Harness, content: bytes) -> None:
    # The upload itself has no faults.
    middle = len(content) // 2
    incoming = arrived(harness.make(), content[:middle], content[middle:])
    try:
        Incoming(backend, new_id()).create(incoming.pieces(), 'new', create=True)
    finally:
        incoming.discard()


def _copy(backend: BaseBackend) -> None:
    backend.copy('x', 'new')


def _move(backend: BaseBackend) -> None:
    backend.move('x', 'new', overwrite=False)


def _move_back(backend: BaseBackend) -> None:
    backend.move('new', 'x')


def _shrink(backend: BaseBackend) -> None:
    backend.write('x', OLD)


def _remove(backend: BaseBackend) -> None:
    backend.remove('x')


def _remove_many(backend: BaseBackend) -> None:
    for error in backend.remove_many(['d/1', 'd/2', 'd/absent']).values():
        raise error


def _swap(backend: BaseBackend, content: bytes) -> None:
    backend.save(OnlyRead(content, step=65_537), 'x', if_match=str(backend.stat('x').etag))


def _change(backend: BaseBackend) -> None:
    backend.set_attributes('x', {'cache_control': 'no-store', 'metadata': {'changed': '1'}})


def _delete_folder(backend: BaseBackend) -> None:
    backend.delete('d')


def _write_file(backend: BaseBackend) -> None:
    with backend.open('x', 'wb') as file:
        file.write(b'new content')


def _read_file(backend: BaseBackend) -> list[bytes]:
    with backend.open('x', 'rb') as file:
        file.seek(100)
        return list(iter(lambda: file.read(100_000), b''))


def _local_file(backend: BaseBackend) -> bytes:
    with backend.local_file('x') as path, open(path, 'rb') as file:
        return file.read()
