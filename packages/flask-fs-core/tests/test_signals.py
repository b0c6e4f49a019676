from __future__ import annotations

import io
from typing import Any

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
