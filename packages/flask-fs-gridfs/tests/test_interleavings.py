"""One operation between any two commands of another: the outcome is that of one after the other, in some order.

And what is left when a process dies before any command of an operation: the old file or the new one, whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from gridfs import GridFS
from pymongo import monitoring
from pymongo.database import Database

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

#: Two chunks.
CHUNK_BYTES = 10
#: More than any operation sends.
MOST_COMMANDS = 30

Files = dict[str, bytes]


class Killed(BaseException):
    """The process dies here."""


class Gate(monitoring.CommandListener):
    """Calls ``before(number)`` before each command of one client is sent."""

    def __init__(self) -> None:
        self.before: Callable[[int], None] | None = None
        self.passed = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.before is not None and event.command_name in ('find', 'insert', 'update', 'delete'):
            self.passed += 1
            self.before(self.passed)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


class Operation(NamedTuple):
    """One verb, and what a plain dictionary of files does instead."""

    act: Callable[[Any, bytes], object]
    model: Callable[[Files, bytes], object]


def _create(files: Files, content: bytes) -> None:
    if 'x' in files:
        raise fs.FileExists
    _replace(files, content)


def _replace(files: Files, content: bytes) -> None:
    files['x'] = content


def _swap(files: Files, content: bytes) -> None:
    if files.get('x') != content_of('x'):
        raise fs.Changed
    _replace(files, content)


def _delete(files: Files, _: bytes) -> None:
    files.pop('x', None)


def _move(name: str, target: str, *, create: bool) -> Callable[[Files, bytes], None]:
    def move(files: Files, _: bytes) -> None:
        if name not in files:
            raise fs.FileNotFound
        if create and target in files:
            raise fs.FileExists
        files[target] = files.pop(name)

    return move


def _read(files: Files, _: bytes) -> bytes:
    if 'x' not in files:
        raise fs.FileNotFound
    return files['x']


OPERATIONS: Mapping[str, Operation] = {
    'create': Operation(lambda backend, content: backend.write('x', content, overwrite=False), _create),
    'replace': Operation(lambda backend, content: backend.write('x', content), _replace),
    'swap': Operation(lambda backend, content: backend.write('x', content, if_match=Scene.version), _swap),
    'delete': Operation(lambda backend, _: backend.delete('x'), _delete),
    'move away': Operation(lambda backend, _: backend.move('x', 'y'), _move('x', 'y', create=False)),
    'move here': Operation(lambda backend, _: backend.move('y', 'x'), _move('y', 'x', create=False)),
    'move here if free': Operation(
        lambda backend, _: backend.move('y', 'x', overwrite=False), _move('y', 'x', create=True)
    ),
    'read': Operation(lambda backend, _: backend.read('x'), _read),
}
TWO_REVISIONS = 'two revisions of another program'
STATES = ('absent', 'created', 'replaced', TWO_REVISIONS)
CHANGES = tuple(name for name in OPERATIONS if name != 'read')


def content_of(writer: str) -> bytes:
    return (writer * 20)[:15].encode()


def outcome_of(act: Callable[[], object]) -> object:
    """The content that *act* reads, the kind of error that it raises, or None."""
    try:
        result = act()
        return result if isinstance(result, bytes) else None
    except (fs.Changed, fs.FileExists, fs.FileNotFound) as error:
        return type(error)


class Scene:
    """The collections, emptied for one try after the other; two backends on them, one of which waits at the gate."""

    #: The version of ``x`` at the beginning.
    version = 'none'

    def __init__(self, make: Callable[..., GridFSBackend], database: Database[Any]) -> None:
        self._database = database
        self.gate = Gate()
        self.slow = make(chunk_bytes=CHUNK_BYTES, mongo_options={'event_listeners': [self.gate]})
        self.quick = make(chunk_bytes=CHUNK_BYTES)
        self._collections = [database['docs.files'], database['docs.chunks']]
        self._begun: dict[tuple[str, bool], tuple[Files, list[list[Any]]]] = {}
        for backend in (self.slow, self.quick):
            backend.write('first', b'')

    def begin(self, state: str, *, moves: bool = True) -> Files:
        """The files that are there at the beginning; the one to be moved only where something *moves*.

        What was made once is put there again as it was.
        """
        files = self._begin(state, moves=moves)
        Scene.version = self.quick.stat('x').etag or '' if 'x' in files else 'none'
        return files

    def _begin(self, state: str, *, moves: bool) -> Files:
        for collection in self._collections:
            collection.delete_many({})
        if (begun := self._begun.get((state, moves))) is None:
            files = self._make(state, moves=moves)
            self._begun[state, moves] = files, [list(collection.find()) for collection in self._collections]
            return files
        files, contents = begun
        for collection, documents in zip(self._collections, contents, strict=True):
            if documents:
                collection.insert_many(documents)
        return dict(files)

    def _make(self, state: str, *, moves: bool) -> Files:
        files = {'y': content_of('y')} if moves else {}
        for name, content in files.items():
            self.quick.write(name, content)
        if state == 'absent':
            return files
        for _ in range(2):
            if state == TWO_REVISIONS:
                GridFS(self._database, 'docs').put(content_of('x'), filename='x', chunk_size=CHUNK_BYTES)
            else:
                self.quick.write('x', content_of('x'))
            if state == 'created':
                break
        return {'x': content_of('x'), **files}

    def files(self) -> Files:
        return {name: self.quick.read(name) for name in self.quick.list_files()}

    def documents(self) -> list[str]:
        """The name of every revision, and what is left of others."""
        found = list(self._database['docs.files'].find())
        lost = set(self._database['docs.chunks'].distinct('files_id')) - {document['_id'] for document in found}
        return sorted([document['filename'] for document in found] + [f'chunks of {each}' for each in lost])


@pytest.fixture
def scene(make: Callable[..., GridFSBackend], database: Database[Any]) -> Scene:
    return Scene(make, database)


def one_after_the_other(order: Sequence[str], files: Files) -> tuple[dict[str, object], Files]:
    """What each operation gives, by its writer's letter, and the files afterwards."""
    files, results = dict(files), {}
    for step in order:
        writer, operation = step[0], OPERATIONS[step[2:]]
        results[writer] = outcome_of(lambda: operation.model(files, content_of(writer)))  # noqa: B023  # called at once
    return results, files


def run(scene: Scene, state: str, outer: str, inner: Sequence[str], places: Sequence[int]) -> bool:
    """Do *outer*, and each of *inner* before that command of it; false if it has fewer commands."""
    files = scene.begin(state, moves=any('move' in name for name in (outer, *inner)))
    results: dict[str, object] = {}
    steps = [f'{letter}:{name}' for letter, name in zip('BCD', inner, strict=False)]

    def before(number: int) -> None:
        for step, place in zip(steps, places, strict=True):
            if place == number:
                results[step[0]] = outcome_of(lambda: OPERATIONS[step[2:]].act(scene.quick, content_of(step[0])))  # noqa: B023  # called at once

    scene.gate.passed, scene.gate.before = 0, before
    results['A'] = outcome_of(lambda: OPERATIONS[outer].act(scene.slow, content_of('A')))
    scene.gate.before = None
    if len(results) <= len(inner):
        return False
    orders = [[*steps[:at], f'A:{outer}', *steps[at:]] for at in range(len(steps) + 1)]
    allowed = [one_after_the_other(order, files) for order in orders]
    seen = results, scene.files()
    assert seen in allowed, f'{state}: {outer} with {inner} before its commands {places}'
    expected, left = sorted(seen[1]), scene.documents()
    # What nobody has replaced keeps its older revision.
    untouched = state == TWO_REVISIONS and seen[1].get('x') == content_of('x') and left == ['x', *expected]
    assert untouched or left == expected, f'{state}: {outer} with {inner} before its commands {places}'
    return True


@pytest.mark.parametrize('outer', OPERATIONS)
def test_one_operation_between_two_commands_of_another(scene: Scene, outer: str) -> None:
    states, changes = (
        ('absent', 'created', TWO_REVISIONS),
        ('create', 'replace', 'swap', 'delete', 'move away', 'move here'),
    )
    done = 0
    # In that state, a writer changes nothing before it publishes its own.
    for state, inner in (*itertools.product(states, changes), ('replaced', 'swap')):
        for place in range(1, MOST_COMMANDS):
            if not run(scene, state, outer, [inner], [place]):
                break
            done += 1
    assert done >= len(states) * len(changes)


@pytest.mark.parametrize('state', ['absent', 'replaced'])
@pytest.mark.parametrize('outer', ['create', 'replace', 'swap'])
def test_two_operations_between_commands_of_another(scene: Scene, outer: str, state: str) -> None:
    """Two are enough to bring everything back to how it looked before."""
    changes = list(itertools.product(('create', 'replace', 'delete', *(['swap'] if outer == 'swap' else [])), repeat=2))
    done = 0
    for inner in changes:
        for place in range(1, MOST_COMMANDS):
            if not run(scene, state, outer, inner, [place, place]):
                break
            done += 1
            for later in range(place + 1, MOST_COMMANDS):
                if not run(scene, state, outer, inner, [place, later]):
                    break
                done += 1
    assert done >= len(changes)


@pytest.mark.parametrize('outer', CHANGES)
def test_what_is_seen_between_its_commands_is_the_old_state_and_then_the_new(scene: Scene, outer: str) -> None:
    for state in STATES:
        files = scene.begin(state)
        seen: list[object] = []

        def before(_: int, seen: list[object] = seen) -> None:
            seen.append(outcome_of(lambda: scene.quick.read('x')))

        scene.gate.passed, scene.gate.before = 0, before
        outcome_of(lambda: OPERATIONS[outer].act(scene.slow, content_of('A')))
        scene.gate.before = None
        _, after = one_after_the_other([f'A:{outer}'], files)
        old, new = (found.get('x', fs.FileNotFound) for found in (files, after))
        assert [key for key, _ in itertools.groupby(seen)] == [old, *([new] if new != old and new in seen else [])]
        assert outcome_of(lambda: scene.quick.read('x')) == new


@pytest.mark.parametrize('outer', CHANGES)
def test_a_process_that_dies_leaves_the_old_file_or_the_new_one(scene: Scene, outer: str) -> None:
    """Whatever the last command was, names hold whole files; the next writer and sweep() find nothing in their way."""
    died = 0
    for state in STATES:
        for place in range(1, MOST_COMMANDS):
            files = scene.begin(state)

            def before(number: int, place: int = place) -> None:
                # No command after this one is sent either, as no clean-up is done by the dead.
                if number >= place:
                    raise Killed

            scene.gate.passed, scene.gate.before = 0, before
            try:
                outcome_of(lambda: OPERATIONS[outer].act(scene.slow, content_of('A')))  # called at once
            except Killed:
                died += 1
            else:
                break
            finally:
                scene.gate.before = None
            _, after = one_after_the_other([f'A:{outer}'], files)
            assert scene.files() in (files, after)
            if 'x' in scene.files():
                with pytest.raises(fs.FileExists):
                    scene.quick.write('x', b'', overwrite=False)
            for name in ('x', 'y'):
                # What the dead has replaced and not removed goes with the next replacement.
                scene.quick.write(name, content_of('x'))
            assert scene.quick.read('x') == content_of('x')
            assert scene.documents().count('x') == 1
            scene.quick.delete('x')
            scene.quick.write('x', b'', overwrite=False)
            assert scene.quick.sweep() == 0
            scene.quick.sweep(older_than_s=-10)
            assert sorted(scene.files()) == scene.documents()
    assert died > len(STATES)
