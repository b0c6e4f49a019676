"""Processes killed in the middle of a change: what was there is whole, and nothing half-made is listed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_fs import FileNotFound, InvalidFilename
from flask_fs.backends import Attributes
from flask_fs.backends.local import LocalBackend

# test_system_calls.py shows on every Python that the calls are the same.
pytestmark = pytest.mark.once

OLD = b'old content'
KEPT = Attributes(mime='text/x-own', content_language='de')
# Two writes.
NEW_BYTES = 1024 * 1024 + 1000
STALE_S = 2 * 24 * 60 * 60
RootsOf = Callable[[str], list[Path]]


def local(root: Path | str) -> LocalBackend:
    return LocalBackend('killed', {'root': str(root)})


def drafts_in(root: Path) -> list[Path]:
    return sorted(root.rglob('.fs-tmp-*'))


def state_of(root: Path) -> dict[str, bytes]:
    """Every listed file, read by its name."""
    backend = local(root)
    return {name: backend.read(name) for name in backend.list_files()}


# --- Killed while the source is being read. Works on every system.

# Saves a source that says when its second part is asked for, and then waits for an end that does not come.
STALLED = """
import sys
from flask_fs.backends.local import LocalBackend

root, name, drafts, create = sys.argv[1:]
backend = LocalBackend('killed', {'root': root})
backend._filesystem.unnamed = backend._filesystem.unnamed and drafts == 'unnamed'


class Source:
    parts = 0

    def read(self, size=-1):
        self.parts += 1
        if self.parts < 3:
            return b'n' * size
        print('stalled', flush=True)
        sys.stdin.read()
        sys.exit('nobody killed this process')


backend.save(Source(), name, overwrite=create != 'create')
"""


def kill_a_save(root: Path, name: str, drafts: str, how: str) -> None:
    """Kill a process after it has written two parts of the file *name*, while it waits for the third."""
    command = [sys.executable, '-c', STALLED, str(root), name, drafts, how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'stalled\n'
        process.kill()
    assert process.returncode != 0


@pytest.mark.parametrize('drafts', ['unnamed', 'named'])
def test_a_writer_killed_while_replacing_leaves_the_old_content(tmp_path: Path, drafts: str) -> None:
    local(tmp_path).write('a/b.txt', OLD)
    kill_a_save(tmp_path, 'a/b.txt', drafts, 'replace')
    assert state_of(tmp_path) == {'a/b.txt': OLD}


@pytest.mark.parametrize('drafts', ['unnamed', 'named'])
def test_a_writer_killed_while_creating_leaves_no_file(tmp_path: Path, drafts: str) -> None:
    kill_a_save(tmp_path, 'a/b.txt', drafts, 'create')
    assert state_of(tmp_path) == {}
    assert not local(tmp_path).exists('a/b.txt')


def test_a_name_whose_writer_was_killed_can_be_created(tmp_path: Path) -> None:
    kill_a_save(tmp_path, 'a/b.txt', 'named', 'create')
    local(tmp_path).write('a/b.txt', OLD, overwrite=False)
    assert state_of(tmp_path) == {'a/b.txt': OLD}


@pytest.mark.skipif(not hasattr(os, 'O_TMPFILE'), reason='files cannot be written without a name here')
def test_a_killed_writer_leaves_nothing_on_the_disk_where_files_need_no_name(tmp_path: Path) -> None:
    backend = local(tmp_path)
    backend.write('a/b.txt', OLD)
    if not backend._filesystem.unnamed:
        pytest.skip('this file system has no unnamed files')
    kill_a_save(tmp_path, 'a/b.txt', 'unnamed', 'replace')
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == [tmp_path / 'a/b.txt']


class TestLeftDraft:
    """What a killed writer leaves where files cannot be written without a name."""

    @pytest.fixture
    def draft(self, tmp_path: Path) -> Path:
        kill_a_save(tmp_path, 'a/b.txt', 'named', 'create')
        (draft,) = drafts_in(tmp_path)
        return draft

    def test_it_lies_beside_the_target(self, tmp_path: Path, draft: Path) -> None:
        assert draft.parent == tmp_path / 'a'
        assert draft.stat().st_size > 0

    def test_it_cannot_be_read_by_its_name(self, tmp_path: Path, draft: Path) -> None:
        with pytest.raises(InvalidFilename):
            local(tmp_path).read(f'a/{draft.name}')

    def test_it_is_neither_listed_nor_swept_while_fresh(self, tmp_path: Path, draft: Path) -> None:
        """Its writer may be alive."""
        backend = local(tmp_path)
        assert list(backend.list_files()) == []
        assert list(backend.scan('a/')) == []
        assert backend.sweep() == 0
        assert drafts_in(tmp_path) == [draft]

    def test_it_is_swept_when_stale(self, tmp_path: Path, draft: Path) -> None:
        os.utime(draft, (time.time() - STALE_S,) * 2)
        assert local(tmp_path).sweep() == 1
        assert drafts_in(tmp_path) == []

    def test_listing_removes_it_when_stale(self, tmp_path: Path, draft: Path) -> None:
        os.utime(draft, (time.time() - STALE_S,) * 2)
        assert list(local(tmp_path).list_files()) == []
        assert drafts_in(tmp_path) == []

    def test_deleting_the_folder_leaves_it_to_its_writer(self, tmp_path: Path, draft: Path) -> None:
        backend = local(tmp_path)
        backend.write('a/c.txt', OLD)
        backend.delete('a')
        assert list(backend.list_files()) == []
        assert drafts_in(tmp_path) == [draft]


# --- Killed before each system call in turn.

# For each change, and each number until it is through: a child of this process makes the change in a folder of its own, and
# kills itself before its system call of that number. It prints the folders of the killed ones.
KILLED_AT_EVERY_CALL = """
import io, itertools, json, os, signal, sys, tempfile
from flask_fs.backends import Attributes, symlinks
from flask_fs.backends.local import LocalBackend

root, size = sys.argv[1:]
CALLS = (
    'close copy_file_range fchmod fstat getxattr link lstat mkdir open removexattr rename replace rmdir scandir setxattr stat '
    'unlink write'
).split()
KEPT = Attributes(mime='text/x-own', content_language='de')
NEW = b'n' * int(size)


class OnlyRead:
    def __init__(self, content):
        self.read = io.BytesIO(content).read


def prepared(folder, drafts):
    backend = LocalBackend('killed', {'root': folder})
    backend._filesystem.unnamed = backend._filesystem.unnamed and drafts == 'unnamed'
    backend.write('a/old.txt', b'old content')
    backend.write('source.txt', NEW)
    # Whose tags are settled: a child does not wait for that.
    backend.stat('a/old.txt').etag
    return backend


CHANGES = {
    'create': lambda backend: backend.save(OnlyRead(NEW), 'a/b/new.txt', overwrite=False),
    'save': lambda backend: backend.save(OnlyRead(NEW), 'a/b/new.txt', overwrite=True),
    'replace': lambda backend: backend.save(OnlyRead(NEW), 'a/old.txt', overwrite=True),
    'replace by a real file': lambda backend: backend.save(real_file, 'a/old.txt', overwrite=True),
    'copy': lambda backend: backend.copy('source.txt', 'a/b/new.txt', overwrite=False),
    'copy over': lambda backend: backend.copy('source.txt', 'a/old.txt'),
    'move': lambda backend: backend.move('source.txt', 'a/b/new.txt', overwrite=False),
    'move over': lambda backend: backend.move('source.txt', 'a/old.txt'),
    'delete': lambda backend: backend.delete('a'),
    'create with attributes': lambda backend: backend.save(OnlyRead(NEW), 'a/b/new.txt', attributes=KEPT),
    'replace with attributes': lambda backend: backend.save(OnlyRead(NEW), 'a/old.txt', True, attributes=KEPT),
    'set attributes': lambda backend: backend.set_attributes('a/old.txt', KEPT.given()),
    'swap': lambda backend: backend.write('a/old.txt', NEW, if_match=backend.stat('a/old.txt').etag),
}


def dying(call, left):
    def wrapper(*args, **kwargs):
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapper


real_file = tempfile.TemporaryFile()
real_file.write(NEW)
real_file.flush()



def killed(drafts, change):
    for number in itertools.count():
        folder = f'{root}/{drafts}/{change}/{number}'
        backend = prepared(folder, drafts)
        real_file.seek(0)
        child = os.fork()
        if child == 0:
            left = itertools.count(number, -1)
            for name in CALLS:
                setattr(os, name, dying(getattr(os, name), left))
            if (openat2 := symlinks._openat2()) is not None:
                symlinks._openat2 = lambda: dying(openat2, left)
            CHANGES[change](backend)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield folder


print(json.dumps({drafts: {change: list(killed(drafts, change)) for change in CHANGES} for drafts in ('unnamed', 'named')}))
"""


@pytest.fixture(scope='module')
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """The roots of storages in which a process was killed, one for each system call of each change."""
    root = tmp_path_factory.mktemp('killed')
    command = [sys.executable, '-c', KILLED_AT_EVERY_CALL, str(root), str(NEW_BYTES)]
    # Coverage would begin anew in each of the hundreds of children, only to be killed with it.
    environ = {key: value for key, value in os.environ.items() if not key.startswith('COV')}
    done = subprocess.run(command, check=True, env=environ, stdout=subprocess.PIPE, text=True)
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.fixture
def roots_of(killed: dict[str, dict[str, list[str]]], drafts: str, tmp_path: Path) -> RootsOf:
    """The roots of one change, copied, so that each test may change them."""

    def roots_of(change: str) -> list[Path]:
        roots = killed[drafts][change]
        assert len(roots) > 1
        return [Path(shutil.copytree(root, tmp_path / Path(root).name)) for root in roots]

    return roots_of


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork()')
@pytest.mark.parametrize('drafts', ['unnamed', 'named'])
class TestKilledBeforeAnySystemCall:
    @pytest.mark.parametrize('change', ['create', 'save', 'copy'])
    def test_a_new_file_is_whole_or_absent(self, roots_of: RootsOf, change: str) -> None:
        new = b'n' * NEW_BYTES
        before = {'a/old.txt': OLD, 'source.txt': new}
        for root in roots_of(change):
            assert state_of(root) in (before, {**before, 'a/b/new.txt': new})

    @pytest.mark.parametrize('change', ['replace', 'replace by a real file', 'copy over', 'swap'])
    def test_a_replaced_file_is_the_old_or_the_new_one(self, roots_of: RootsOf, change: str) -> None:
        new = b'n' * NEW_BYTES
        for root in roots_of(change):
            assert state_of(root) in ({'a/old.txt': content, 'source.txt': new} for content in (OLD, new))

    @pytest.mark.parametrize(('change', 'target'), [('move', 'a/b/new.txt'), ('move over', 'a/old.txt')])
    def test_a_moved_file_is_at_one_name_or_both(self, roots_of: RootsOf, change: str, target: str) -> None:
        new = b'n' * NEW_BYTES
        before = {'a/old.txt': OLD, 'source.txt': new}
        both = {**before, target: new}
        after = {name: content for name, content in both.items() if name != 'source.txt'}
        for root in roots_of(change):
            assert state_of(root) in (before, both, after)

    def test_a_delete_spares_what_lies_elsewhere(self, roots_of: RootsOf) -> None:
        for root in roots_of('delete'):
            assert local(root).read('source.txt') == b'n' * NEW_BYTES
            try:
                assert local(root).read('a/old.txt') == OLD
            except FileNotFound:
                assert list(local(root).list_files()) == ['source.txt']

    @pytest.mark.parametrize(
        ('change', 'name'), [('create with attributes', 'a/b/new.txt'), ('replace with attributes', 'a/old.txt')]
    )
    def test_a_new_file_has_all_of_its_attributes(self, roots_of: RootsOf, change: str, name: str) -> None:
        for root in roots_of(change):
            state, backend = state_of(root), local(root)
            expected = KEPT if state.get(name) == b'n' * NEW_BYTES else Attributes()
            assert [info.attributes for info in backend.scan() if info.name == name] in ([expected], [])
            assert state.get(name) in (None, OLD, b'n' * NEW_BYTES)

    def test_of_changed_attributes_each_is_the_old_or_the_new_one(self, roots_of: RootsOf) -> None:
        seen = []
        for root in roots_of('set attributes'):
            assert local(root).read('a/old.txt') == OLD
            info = local(root).stat('a/old.txt')
            assert (info.mime, info.content_language) in itertools.product(
                ('text/plain', KEPT.mime), (None, KEPT.content_language)
            )
            seen.append(info.attributes)
        assert seen[0] == Attributes()

    def test_another_writer_can_swap_after_one_that_was_killed(self, roots_of: RootsOf) -> None:
        """The lock went with its process."""
        for root in roots_of('swap'):
            backend = local(root)
            backend.write('a/old.txt', b'newest', if_match=backend.stat('a/old.txt').etag)
            assert backend.read('a/old.txt') == b'newest'

    def test_another_writer_can_finish_the_change(self, roots_of: RootsOf) -> None:
        for root in roots_of('replace'):
            local(root).write('a/old.txt', b'newest')
            local(root).delete('source.txt')
            assert state_of(root) == {'a/old.txt': b'newest'}
