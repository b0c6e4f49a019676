from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from flask import Flask

import flask_fs as fs


class Log(list[Any]):
    def __init__(self) -> None:
        super().__init__()
        for signal in (fs.file_saved, fs.file_deleted, fs.file_moved):
            signal.connect(self.note)

    def note(self, sender: fs.Storage, info: fs.FileInfo, source: str | None = None) -> None:
        self.append((sender.name, info.name, info.size, source))

    def close(self) -> None:
        for signal in (fs.file_saved, fs.file_deleted, fs.file_moved):
            signal.disconnect(self.note)


@pytest.fixture
def log(app: Flask) -> Any:
    log = Log()
    yield log
    log.close()


def test_each_way_of_storing_a_file_is_told(log: Log, storage: fs.Storage) -> None:
    storage.save(io.BytesIO(b'1'), 'a')
    storage.write('b', '22')
    with storage.open('c', 'w') as file:
        file.write('333')
    storage.copy('c', 'd')
    storage.transfer('d', storage, 'e')
    assert [(name, size) for _, name, size, _ in log] == [('a', 1), ('b', 2), ('c', 3), ('d', 3), ('e', 3)]
    assert {sender for sender, *_ in log} == {'files'}


def test_what_failed_is_not_told(log: Log, storage: fs.Storage) -> None:
    storage.write('a', '')
    log.clear()
    with pytest.raises(fs.FileExists):
        storage.write('a', '')
    storage.delete('none')
    assert log == []


def test_every_deleted_file_is_told_as_it_was(log: Log, storage: fs.Storage) -> None:
    storage.write('a/b', '22')
    storage.write('a/c/d', '333')
    storage.write('ab', '')
    log.clear()
    storage.delete('a')
    storage.delete('ab')
    assert [(name, size) for _, name, size, _ in log] == [('a/b', 2), ('a/c/d', 3), ('ab', 0)]


def test_a_removed_file_is_told_as_it_was(log: Log, storage: fs.Storage) -> None:
    storage.write('a/b', '22')
    storage.write('c', '333')
    log.clear()
    for name in ('a', 'c', 'c', 'none'):
        storage.remove(name)
    assert [(name, size) for _, name, size, _ in log] == [('c', 3)]


def test_a_move_tells_both_names(log: Log, storage: fs.Storage) -> None:
    storage.write('a', '1')
    log.clear()
    storage.move('a', 'b')
    assert log == [('files', 'b', 1, 'a')]


def test_with_nobody_listening_nothing_is_asked(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.backend, '_stat', lambda *_: pytest.fail('asked'))
    monkeypatch.setattr(storage.backend, '_scan', lambda *_: iter(()))
    storage.write('a', '')
    storage.remove('a')
    storage.delete('a')


# --- Before a change.


class Refused(Exception):
    """What a receiver raises."""


class Order(list[tuple[str, str]]):
    """All that is sent, in order; a signal about a name in *refused* is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[tuple[str, str]] = set()

    def before(self, kind: str, filename: str) -> None:
        self.append((kind, filename))
        if (kind, filename) in self.refused:
            raise Refused(filename)

    def saving(self, sender: fs.Storage, filename: str) -> None:
        self.before('saving', filename)

    def deleting(self, sender: fs.Storage, filename: str) -> None:
        self.before('deleting', filename)

    def saved(self, sender: fs.Storage, info: fs.FileInfo) -> None:
        self.append(('saved', info.name))

    def deleted(self, sender: fs.Storage, info: fs.FileInfo) -> None:
        self.append(('deleted', info.name))

    def moved(self, sender: fs.Storage, info: fs.FileInfo, source: str) -> None:
        self.append(('moved', f'{source} {info.name}'))


@pytest.fixture
def order(app: Flask, storage: fs.Storage) -> Any:
    order = Order()
    with contextlib.ExitStack() as stack:
        for kind in ('saving', 'deleting', 'saved', 'deleted', 'moved'):
            stack.enter_context(getattr(fs, f'file_{kind}').connected_to(getattr(order, kind), storage))
        yield order


def content(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in storage.list_files()}


def test_each_change_is_announced_before_and_after(order: Order, storage: fs.Storage) -> None:
    storage.save(io.BytesIO(b'1'), 'a')
    storage.write('b', '')
    with storage.open('c', 'x') as file:
        assert order[-1] == ('saved', 'b')
        file.write('')
    storage.copy('a', 'd')
    storage.transfer('a', storage, 'e')
    storage.move('a', 'f')
    storage.remove('b')
    storage.delete_many(['c', 'd', 'c'])
    stored = [(kind, name) for name in 'abcde' for kind in ('saving', 'saved')]
    moved = [('deleting', 'a'), ('saving', 'f'), ('moved', 'a f')]
    removed = [('deleting', 'b'), ('deleted', 'b')]
    many = [('deleting', 'c'), ('deleting', 'd'), ('deleted', 'c'), ('deleted', 'd')]
    assert order == stored + moved + removed + many


def test_all_files_of_a_folder_are_announced_before_the_first_is_deleted(order: Order, storage: fs.Storage) -> None:
    for name in ('a/b', 'a/c/d', 'ab'):
        storage.write(name, '')
    order.clear()
    storage.delete('a')
    assert [kind for kind, _ in order] == ['deleting'] * 2 + ['deleted'] * 2
    assert sorted(name for _, name in order) == ['a/b', 'a/b', 'a/c/d', 'a/c/d']
    order.clear()
    storage.delete('none')
    assert order == []


def changes(storage: fs.Storage) -> dict[str, tuple[set[tuple[str, str]], Callable[[], Any]]]:
    """Each change, with the signals by which it can be refused."""

    def write_opened() -> None:
        with storage.open('new', 'w') as file:
            file.write('1')

    return {
        'save': ({('saving', 'new')}, lambda: storage.save(io.BytesIO(b'1'), 'new')),
        'replace': ({('saving', 'a')}, lambda: storage.save(io.BytesIO(b'1'), 'a', overwrite=True)),
        'write': ({('saving', 'new')}, lambda: storage.write('new', '1')),
        'open': ({('saving', 'new')}, write_opened),
        'copy': ({('saving', 'new')}, lambda: storage.copy('a', 'new')),
        'move': ({('saving', 'new'), ('deleting', 'a')}, lambda: storage.move('a', 'new')),
        'transfer': ({('saving', 'new')}, lambda: storage.transfer('a', storage, 'new')),
        'rename': ({('saving', 'a'), ('saving', 'a_1')}, lambda: storage.save(io.BytesIO(), 'a', conflict='rename')),
        'remove': ({('deleting', 'a')}, lambda: storage.remove('a')),
        'delete': ({('deleting', 'd/x'), ('deleting', 'd/y')}, lambda: storage.delete('d')),
        'delete_many': ({('deleting', 'a'), ('deleting', 'd/y')}, lambda: storage.delete_many(['a', 'd/x', 'd/y'])),
    }


@pytest.mark.parametrize(
    'change',
    ['save', 'replace', 'write', 'open', 'copy', 'move', 'transfer', 'rename', 'remove', 'delete', 'delete_many'],
)
def test_a_receiver_may_refuse_each_change(order: Order, storage: fs.Storage, change: str) -> None:
    for name in ('a', 'd/x', 'd/y'):
        storage.write(name, name)
    before = content(storage)
    refusable, act = changes(storage)[change]
    for refused in refusable:
        order.clear()
        order.refused = {refused}
        with pytest.raises(Refused):
            act()
        assert {kind for kind, _ in order} <= {'saving', 'deleting'}
        assert content(storage) == before
    order.refused = set()
    order.clear()
    act()
    assert refusable <= set(order)


def test_names_and_types_are_checked_before_and_content_after(make_app: Callable[..., Flask]) -> None:
    seen: list[str] = []
    storage = fs.Storage('files', fs.IMAGES, validators=[lambda file, name: seen.append(f'validated {name}')])

    def saving(sender: fs.Storage, filename: str) -> None:
        seen.append(f'saving {filename}')

    def saved(sender: fs.Storage, info: fs.FileInfo) -> None:
        seen.append(f'saved {info.name}')

    app = make_app(storage, FS_BACKEND='memory')
    with app.app_context(), fs.file_saving.connected_to(saving, storage), fs.file_saved.connected_to(saved, storage):
        for filename, error in (('a.exe', fs.UnauthorizedFileType), ('../a.png', fs.InvalidFilename)):
            with pytest.raises(error):
                storage.save(io.BytesIO(), filename)
        with pytest.raises(TypeError):
            storage.save(io.BytesIO(), 'a.png', color='red')  # type: ignore[call-arg]
        assert seen == []
        with pytest.raises(fs.InvalidContent):
            storage.save(io.BytesIO(b'<!doctype html><html>'), 'a.png')
        assert seen == ['saving a.png']
        storage.save(io.BytesIO(b''), 'a.png')
        assert seen[1:] == ['saving a.png', 'validated a.png', 'saved a.png']
        seen.clear()
        storage.save(io.BytesIO(b''), 'a.png', conflict='rename')
    # The content is checked once; the name that was used is the last one that was announced.
    assert seen == ['saving a.png', 'validated a.png', 'saving a_1.png', 'saved a_1.png']


def test_restoring_a_file_may_be_refused(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('files', fs.ALL)
    order = Order()
    order.refused = {('saving', 'a')}
    with make_app(storage, FS_BACKEND='memory', FILES_FS_RETENTION_DAYS=1).app_context():
        storage.write('a', '1')
        storage.remove('a')
        with fs.file_saving.connected_to(order.saving, storage), pytest.raises(Refused):
            storage.restore('a')
        assert content(storage) == {}
        storage.restore('a')
        assert content(storage) == {'a': b'1'}


def test_nothing_is_read_of_what_is_refused(order: Order, storage: fs.Storage) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError('it was read')

    order.refused = {('saving', 'a')}
    for act in (lambda: storage.save(Untouched(), 'a'), lambda: storage.write('a', Untouched())):
        with pytest.raises(Refused):
            act()


def test_a_transfer_is_announced_by_the_storage_that_gets_the_file(make_app: Callable[..., Flask]) -> None:
    one, two = fs.Storage('one', fs.ALL), fs.Storage('two', fs.ALL)
    sent: list[Any] = []

    def note(sender: fs.Storage, filename: str) -> None:
        sent.append((sender, filename))

    with make_app(one, two, FS_BACKEND='memory').app_context():
        one.write('a', '')
        with fs.file_saving.connected_to(note), fs.file_deleting.connected_to(note):
            one.transfer('a', two.scoped('t'), 'b')
            two.scoped('t').move('b', 'c')
    assert sent == [(two, 't/b'), (two, 't/b'), (two, 't/c')]


def test_after_a_failure_nothing_is_announced(order: Order, storage: fs.Storage) -> None:
    class Broken:
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError('lost')

    storage.write('a', '')
    order.clear()
    for error, act in (
        (ConnectionResetError, lambda: storage.save(Broken(), 'b')),
        (fs.FileExists, lambda: storage.save(io.BytesIO(), 'a')),
        (fs.FileExists, lambda: storage.write('a', '')),
        (fs.FileNotFound, lambda: storage.copy('none', 'b')),
        (fs.FileNotFound, lambda: storage.move('none', 'b')),
        (fs.FileNotFound, lambda: storage.transfer('none', storage, 'b')),
    ):
        with pytest.raises(error):
            act()
    with pytest.raises(Refused), storage.open('b', 'w'):
        raise Refused
    names = ['b', 'a', 'a', 'b', 'b', 'b']
    assert [name for kind, name in order if kind == 'saving'] == names
    assert {kind for kind, _ in order} == {'saving', 'deleting'}


def test_of_a_deletion_that_stops_half_way_those_that_are_gone_are_announced(
    order: Order, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By delete_many, which finds out which; delete() ends with the error, and announces none."""
    for name in ('d/x', 'd/y', 'd/z'):
        storage.write(name, '')
    remove, backend = storage.backend._remove, storage.backend

    def refuse(name: str) -> None:
        if name == 'd/y':
            raise backend.error(fs.PermissionDenied, name)
        remove(name)

    monkeypatch.setattr(backend, '_remove', refuse)
    monkeypatch.setattr(backend, '_remove_many', lambda names: fs.BaseBackend._remove_many(backend, names))
    monkeypatch.setattr(backend, '_delete', lambda name: fs.BaseBackend._delete(backend, name))
    order.clear()
    with pytest.raises(fs.PermissionDenied):
        storage.delete('d')
    assert [kind for kind, _ in order] == ['deleting'] * 3
    order.clear()
    storage.write('d/z', '', True)
    order.clear()
    with pytest.raises(fs.DeletionFailed) as caught:
        storage.delete_many(['d/x', 'd/y', 'd/z', 'none'])
    assert list(caught.value.failures) == ['d/y']
    assert isinstance(caught.value.__cause__, fs.PermissionDenied)
    assert [kind for kind, _ in order] == ['deleting'] * 4 + ['deleted'] * 2
    assert [name for kind, name in order if kind == 'deleted'] == ['d/x', 'd/z']


def test_a_custom_backend_that_opens_files_itself_may_be_refused_at_once(app: Flask, storage: fs.Storage) -> None:
    def refuse(sender: fs.Storage, filename: str) -> None:
        raise Refused

    storage.backend = double = MagicMock()
    with fs.file_saving.connected_to(refuse, storage):
        with pytest.raises(Refused):
            storage.open('a', 'w')
        storage.open('a', 'r')
    double.open.assert_called_once_with('a', 'r')


def test_receivers_before_a_change_cost_no_request(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But that deleting a folder lists it."""
    storage.write('c', '')
    monkeypatch.setattr(storage.backend, 'stat', lambda *_: pytest.fail('asked'))
    monkeypatch.setattr(storage.backend, 'scan', lambda *_: pytest.fail('listed'))

    def note(sender: fs.Storage, filename: str) -> None:
        pass

    with fs.file_saving.connected_to(note), fs.file_deleting.connected_to(note):
        storage.save(io.BytesIO(), 'a')
        storage.move('a', 'b')
        storage.remove('b')
        storage.delete_many(['c'])


def test_receivers_of_another_storage_cost_no_request(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(sender: fs.Storage, **_: Any) -> None:
        pytest.fail('sent')

    other = fs.Storage('other')
    with contextlib.ExitStack() as stack:
        for kind in ('saving', 'deleting', 'saved', 'deleted', 'moved'):
            stack.enter_context(getattr(fs, f'file_{kind}').connected_to(note, other))
        monkeypatch.setattr(storage.backend, 'stat', lambda *_: pytest.fail('asked'))
        monkeypatch.setattr(storage.backend, 'scan', lambda *_: iter(()))
        storage.write('a', '')
        storage.move('a', 'b')
        storage.remove('b')
        storage.delete('b')
