"""Comparing files with the rows that refer to them."""

from __future__ import annotations

import datetime
import hashlib
import tracemalloc
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import add_source
from flask_fs_images.stored import StoredImage
from flask_fs_testing.doubles import FaultyBackend, wrap

HOUR_S = 3600
Age = Callable[..., None]


def sha256(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


def brief(found: Any) -> list[tuple[str, str | None, str]]:
    return [(finding.kind, finding.filename, finding.where) for finding in found]


def test_without_a_database_it_says_what_to_call(app: Flask) -> None:
    with pytest.raises(fs.ConfigurationError, match=r'flask_fs_mongo\.init_app.*pip install flask-fs-mongo'):
        check(app)


def test_what_agrees_is_not_reported(app: Flask, storage: fs.Storage, rows: Any, age: Age) -> None:
    for name in ('a.txt', 'folder/b.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {1: 'a.txt', 2: {'filename': 'folder/b.txt', 'checksum': sha256(b'x')}, 3: None}
    assert list(check(app)) == list(check(app, content=True)) == []


def test_each_kind_of_disagreement_is_reported(app: Flask, storage: fs.Storage, rows: Any, age: Age) -> None:
    for name in ('orphan.txt', 'altered.txt', 'fine.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {
        1: 'fine.txt',
        2: 'missing.txt',
        3: {'filename': 'altered.txt', 'checksum': sha256(b'y')},
        4: {'filename': '../../etc/passwd'},
    }
    found = list(check(app, [storage], content=True))
    assert brief(found) == [
        ('missing', 'missing.txt', 'row 2'),
        ('altered', 'altered.txt', 'row 3'),
        ('malformed', None, 'row 4'),
        ('orphan', 'orphan.txt', ''),
    ]
    assert found[1].detail == f'{sha256(b"y")} was recorded, it is {sha256(b"x")}'
    assert found[3].detail == '1 bytes'
    assert {finding.storage for finding in found} == {'files'}


def test_without_content_a_checksum_is_compared_with_that_of_the_store(make_app: Any, make_rows: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='memory', FS_CHECKSUM='sha256')
    rows = make_rows(storage)
    add_source(app, rows)
    with app.app_context():
        for name in ('a.txt', 'b.txt', 'c.txt'):
            storage.write(name, b'x')
        rows.rows = {
            'a': {'filename': 'a.txt', 'checksum': sha256(b'y')},
            'b': {'filename': 'b.txt', 'checksum': sha256(b'x')},
            # Only reading it tells.
            'c': {'filename': 'c.txt', 'checksum': 'md5:' + '0' * 32},
        }
        assert brief(check(app)) == [('altered', 'a.txt', 'row a')]
        assert brief(check(app, content=True)) == [('altered', 'a.txt', 'row a'), ('altered', 'c.txt', 'row c')]


def test_with_content_the_checksum_of_the_store_is_compared_too(make_app: Any, make_rows: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='memory')
    rows = make_rows(storage)
    add_source(app, rows)
    with app.app_context():
        for name in ('a.txt', 'b.txt', 'without a row.txt'):
            storage.write(name, b'x')
        files = storage.backend._files
        for name in ('a.txt', 'without a row.txt'):
            files[name] = (files[name][0], b'rotten')
        rows.rows = {1: 'a.txt', 2: 'b.txt'}
        assert list(check(app)) == []
        found = list(check(app, content=True))
        assert brief(found) == [('altered', 'a.txt', ''), ('altered', 'without a row.txt', '')]
        assert 'is what the store has, it is' in found[0].detail


@pytest.mark.parametrize('checksum', ['shake_128:0123456789', 'nonsense:0123456789', 'md5-sha1:0123456789abcdef'])
def test_a_checksum_that_cannot_be_computed_is_not_compared(
    app: Flask, storage: fs.Storage, rows: Any, checksum: str
) -> None:
    storage.write('a.txt', b'x')
    rows.rows = {1: {'filename': 'a.txt', 'checksum': checksum}}
    assert list(check(app, content=True)) == []


# --- Hostile values, hidden files, pictures.


HOSTILE = [
    5,
    True,
    [],
    ['a.txt'],
    {'filename': 5},
    {'filename': '/etc/passwd'},
    'a\0',
    '\ud800',
    {'filename': ['x'] * 9},
    b'a',
]


@pytest.mark.parametrize('value', HOSTILE)
def test_a_hostile_value_is_reported_and_nothing_else_is_harmed(
    app: Flask, storage: fs.Storage, rows: Any, value: Any, age: Age
) -> None:
    storage.write('fine.txt', b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {1: value, 2: 'fine.txt'}
    found = list(check(app, content=True))
    assert [(finding.kind, finding.where) for finding in found] == [('malformed', 'row 1')]
    assert [outcome.action for outcome in repair(app, found)] == ['kept']
    assert rows.rows == {1: value, 2: 'fine.txt'}


def test_a_file_that_a_malformed_value_mentions_is_no_orphan(
    app: Flask, storage: fs.Storage, make_rows: Any, age: Age
) -> None:
    rows = make_rows(storage, stored_type=StoredImage)
    add_source(app, rows)
    for name in ('a.png', 'a-100.png', 'b.png'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    nested: Any = ['b.png']
    for _ in range(2000):
        nested = [nested]
    rows.rows = {1: {'filename': 5, 'original': 'a.png', 'thumbnails': [{'size': 100, 'file': 'a-100.png'}]}}
    assert brief(check(app)) == [('malformed', None, 'row 1'), ('orphan', 'b.png', '')]
    rows.rows[2] = nested
    assert brief(check(app))[-1] == ('orphan', 'b.png', '')


def test_all_files_of_a_picture_count(app: Flask, storage: fs.Storage, make_rows: Any, age: Age) -> None:
    rows = make_rows(storage, stored_type=StoredImage)
    add_source(app, rows)
    for name in ('a.png', 'a-original.png', 'a-100.png'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {
        1: {'filename': 'a.png', 'original': 'a-original.png', 'thumbnails': {'100': 'a-100.png', '32': 'a-32.png'}}
    }
    found = list(check(app))
    assert brief(found) == [('missing', 'a-32.png', 'row 1')]
    # The row still has what is there.
    assert [outcome.action for outcome in repair(app, found)] == ['kept']
    storage.remove('a.png')
    assert [outcome.action for outcome in repair(app, list(check(app)))] == ['kept', 'kept']
    assert sorted(storage.list_files()) == ['a-100.png', 'a-original.png']
    assert len(rows.rows) == 1


def test_hidden_files_are_no_orphans(make_app: Any, make_rows: Any, tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_ROOT=str(tmp_path), FS_RETENTION_DAYS=7)
    add_source(app, make_rows(storage))
    with app.app_context():
        storage.write('deleted.txt', 'x')
        storage.remove('deleted.txt')
        for hidden in ('.fs-tmp-0123', '.fs-incoming/upload/0', 'folder/.fs-tmp-9'):
            path = tmp_path / 'files' / hidden
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('x')
        assert list(check(app, older_than_s=0, content=True)) == []
        assert list(collect(app, older_than_s=0, scan=['files'])) == []
        assert len(list(storage.deleted())) == 1


# --- Storages that share something.


def test_a_file_that_any_of_two_databases_refers_to_is_no_orphan(
    app: Flask, storage: fs.Storage, rows: Any, make_rows: Any, age: Age
) -> None:
    other = make_rows(storage)
    add_source(app, other)
    for name in ('one.txt', 'two.txt', 'none.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows, other.rows = {1: 'one.txt'}, {1: 'two.txt'}
    found = list(check(app))
    assert brief(found) == [('orphan', 'none.txt', '')]
    other.rows[2] = 'none.txt'
    assert [outcome.action for outcome in repair(app, found)] == ['kept']


def test_references_to_a_view_are_to_files_of_its_storage(
    app: Flask, storage: fs.Storage, make_rows: Any, age: Age
) -> None:
    rows = make_rows(storage.scoped('tenants/7'))
    add_source(app, rows)
    for name in ('tenants/7/a.txt', 'tenants/7/b.txt', 'a.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {1: 'a.txt', 2: 'c.txt'}
    found = list(check(app))
    assert brief(found) == [
        ('missing', 'tenants/7/c.txt', 'row 2'),
        ('orphan', 'a.txt', ''),
        ('orphan', 'tenants/7/b.txt', ''),
    ]
    assert [outcome.action for outcome in repair(app, found)] == ['removed', 'removed', 'cleared']
    assert list(storage.list_files()) == ['tenants/7/a.txt']


def test_a_storage_inside_of_another_one_keeps_its_files(
    make_app: Any, make_rows: Any, age: Age, tmp_path: Path
) -> None:
    outer, inner = fs.Storage('outer', fs.ALL), fs.Storage('inner', fs.ALL)
    app = make_app(outer, inner, OUTER_FS_ROOT=str(tmp_path / 'top'), INNER_FS_ROOT=str(tmp_path / 'top' / 'inner'))
    rows, around = make_rows(inner), make_rows(outer)
    add_source(app, rows)
    add_source(app, around)
    with app.app_context():
        for name in ('a.txt', 'b.txt', 'c.txt'):
            inner.write(name, b'x')
        outer.write('a.txt', b'x')
        age(outer, 2 * HOUR_S)
        rows.rows, around.rows = {1: 'a.txt'}, {1: 'inner/b.txt'}
        assert sorted((finding.storage, finding.filename) for finding in check(app)) == [
            ('inner', 'c.txt'),
            ('outer', 'a.txt'),
        ]


# --- While both change.


def test_a_file_that_is_stored_and_a_row_that_is_committed_meanwhile_agree(
    app: Flask, storage: fs.Storage, rows: Any
) -> None:
    rows.rows = {1: None, 2: None}

    def save(key: Any) -> None:
        if key == 1:
            storage.write('new.txt', b'x')
            rows.rows[2] = 'new.txt'

    rows.on_read = save
    assert list(check(app, older_than_s=0)) == []
    assert storage.exists('new.txt')


def test_a_row_that_is_replaced_meanwhile_is_not_reported(app: Flask, storage: fs.Storage, rows: Any, age: Age) -> None:
    storage.write('old.txt', b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {1: 'gone.txt', 2: 'old.txt', 3: {'filename': 5}, 4: {'filename': 'old.txt', 'checksum': sha256(b'y')}}

    def replace(key: Any) -> None:
        rows.rows[key] = 'old.txt'

    rows.on_read = replace
    assert list(check(app, content=True)) == []


def test_an_orphan_that_a_row_refers_to_meanwhile_is_not_reported(
    app: Flask, storage: fs.Storage, rows: Any, age: Age
) -> None:
    for name in ('a.txt', 'b.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)

    def commit(names: Collection[str]) -> None:
        rows.rows[1] = 'a.txt'

    rows.on_look = commit
    assert brief(check(app)) == [('orphan', 'b.txt', '')]


def test_a_young_file_may_have_a_row_soon(app: Flask, storage: fs.Storage, rows: Any) -> None:
    storage.write('a.txt', b'x')
    assert list(check(app)) == []
    assert brief(check(app, older_than_s=0)) == [('orphan', 'a.txt', '')]


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    app: Flask, storage: fs.Storage, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write('a.txt', b'old')
    rows.rows = {1: {'filename': 'a.txt', 'checksum': sha256(b'the new one')}}
    read_chunks, reads = type(storage).read_chunks, []

    def replacing(self: Any, filename: str, *args: Any, **kwargs: Any) -> Any:
        chunks = list(read_chunks(self, filename, *args, **kwargs))
        reads.append(chunks)
        if len(reads) == 1:
            storage.write('a.txt', b'the new one', overwrite=True)
        return chunks

    monkeypatch.setattr(type(storage), 'read_chunks', replacing)
    assert list(check(app, content=True)) == []
    assert reads[:2] == [[b'old'], [b'the new one']]


def test_mending_looks_again(app: Flask, storage: fs.Storage, rows: Any, age: Age) -> None:
    for name in ('replaced.txt', 'used.txt', 'gone.txt', 'orphan.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    rows.rows = {1: 'came back.txt', 2: 'changed.txt', 3: 'missing.txt'}
    found = list(check(app))
    assert len(found) == 7
    storage.write('replaced.txt', b'another', overwrite=True)
    storage.remove('gone.txt')
    storage.write('came back.txt', b'x')
    rows.rows.update({2: 'used.txt'})
    outcomes = {outcome.filename: outcome.action for outcome in repair(app, found)}
    assert outcomes == {
        'replaced.txt': 'unsure',
        'used.txt': 'kept',
        'gone.txt': 'kept',
        'orphan.txt': 'removed',
        'came back.txt': 'kept',
        'changed.txt': 'kept',
        'missing.txt': 'cleared',
    }
    assert rows.rows == {1: 'came back.txt', 2: 'used.txt'}
    assert sorted(storage.list_files()) == ['came back.txt', 'replaced.txt', 'used.txt']


def test_a_reference_that_cannot_be_cleared_does_not_stop_the_others(
    app: Flask, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.rows = {1: 'a.txt', 2: 'b.txt'}
    clear = rows.clear

    def refuse(reference: Any) -> Any:
        if reference.key == 1:
            raise fs.ConfigurationError(reason='The column is not nullable.')
        return clear(reference)

    monkeypatch.setattr(rows, 'clear', refuse)
    found = list(repair(app, list(check(app))))
    assert [(outcome.action, outcome.reason) for outcome in found] == [
        ('failed', 'The column is not nullable.'),
        ('cleared', 'row 2 is empty now'),
    ]


# --- When a store or a database is down.


@pytest.mark.parametrize('hook', ['scan', 'stat'])
def test_a_store_that_is_down_half_way_is_said_and_no_orphan_is_reported(
    app: Flask, storage: fs.Storage, rows: Any, age: Age, hook: str
) -> None:
    for name in ('a.txt', 'b.txt'):
        storage.write(name, b'x')
    age(storage, 2 * HOUR_S)
    found: list[Any] = []
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next(hook, times=None)
        with pytest.raises(fs.Unavailable):
            found.extend(check(app))
    assert found == []


def test_a_database_that_is_down_half_way_is_said_and_no_orphan_is_reported(
    app: Flask, storage: fs.Storage, rows: Any, make_rows: Any, age: Age
) -> None:
    """The rows that were not read may refer to any file."""
    other = make_rows(storage)
    add_source(app, other)
    storage.write('a.txt', b'x')
    age(storage, 2 * HOUR_S)
    rows.rows, other.rows = {1: 'missing.txt'}, {1: 'a.txt', 2: 'a.txt'}

    def fail(key: Any) -> None:
        if key == 2:
            raise ConnectionError('the database is gone')

    other.on_read = fail
    found: list[Any] = []
    with pytest.raises(ConnectionError):
        found.extend(check(app))
    assert brief(found) == [('missing', 'missing.txt', 'row 1')]


def test_memory_does_not_grow_with_the_number_of_files(make_app: Any, make_rows: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=Many)
    rows = make_rows(storage)
    add_source(app, rows)

    def peak(count: int) -> int:
        Many.count = count
        tracemalloc.start()
        try:
            assert sum(1 for _ in check(app, older_than_s=0)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with app.app_context():
        peak(100)
        assert peak(30_000) < peak(3_000) + 500_000


class Many(fs.BaseBackend):
    """Has a number of files, none of which takes memory."""

    kind = 'many'
    modified = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    capabilities = fs.Capability.NESTED_NAMES
    count = 0

    def _info(self, name: str) -> fs.FileInfo:
        return fs.FileInfo(name, 1, self.modified)

    def _scan(self, prefix: str = '') -> Any:
        return (self._info(f'folder/of/files/{number:09}.txt') for number in range(self.count))

    def _stat(self, name: str) -> fs.FileInfo:
        return self._info(name)

    def _open(self, *args: Any, **kwargs: Any) -> Any: ...
    def _put(self, *args: Any, **kwargs: Any) -> Any: ...
    def _remove(self, name: str) -> None: ...
