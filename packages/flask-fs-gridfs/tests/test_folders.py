"""One page of a folder, and many files removed: what is sent, and what other programs may have stored there."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

import pytest
from bson import DatetimeMS, ObjectId
from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend, folders
from flask_fs_gridfs.folders import _pipeline, _range

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]
NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone.utc)


def put(database: Database[Any], *names: Any, **fields: Any) -> None:
    documents = [{'filename': name, 'length': 4, 'chunkSize': 10, 'uploadDate': NOW, **fields} for name in names]
    database['docs.files'].insert_many(documents)


def pages(backend: GridFSBackend, prefix: str, limit: int) -> list[list[str]]:
    """The entries of all pages of a folder, by their whole names."""
    found, after = [], None
    while True:
        page = backend.folder(prefix, after=after, limit=limit)
        found.append(sorted([*(info.name for info in page.files), *(f'{name}/' for name in page.folders)]))
        assert len(found[-1]) <= limit
        if (after := page.next) is None:
            return found


def test_a_page_is_one_request_however_much_is_below(
    make: BackendFactory, commands: Any, database: Database[Any]
) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    put(database, *(f'a/{number % 7}/{number}' for number in range(2000)), 'a/file', 'a', 'b/x')
    commands.taken()
    page = backend.folder('a')
    assert page.folders == [f'a/{number}' for number in range(7)]
    assert [info.name for info in page.files] == ['a/file']
    assert len(commands.answers[-1].reply['cursor']['firstBatch']) == 8
    assert commands.taken() == ['aggregate files']


def test_a_page_is_found_by_the_index(backend: GridFSBackend, database: Database[Any]) -> None:
    backend.write('a/x', b'')
    pipeline = _pipeline('docs.files', 'a/', _range('a/', 'b/'), 100, 10)
    plan = str(database.command('explain', {'aggregate': 'docs.files', 'pipeline': pipeline, 'cursor': {}}))
    assert "'stage': 'IXSCAN'" in plan
    assert 'filename_1_uploadDate_1' in plan


@pytest.mark.parametrize('limit', [1, 2, 3, 1000])
def test_a_subfolder_with_more_names_than_are_scanned_is_jumped_over(
    make: BackendFactory, database: Database[Any], monkeypatch: pytest.MonkeyPatch, commands: Any, limit: int
) -> None:
    """Then pages are shorter, and still no entry is missing or given twice."""
    monkeypatch.setattr(folders, 'NAMES_PER_ENTRY', 2)
    backend = make(mongo_options={'event_listeners': [commands]})
    names = [*(f'a/large/{number}' for number in range(50)), 'a/large-file', 'a/large0', 'a/z/1', 'a/é/1', 'a/🦊']
    # Revisions of one file count too.
    put(database, *names, *['a/many'] * 20, 'a/b/1', 'a0', 'a')
    found = pages(backend, 'a', limit)
    assert [name for page in found for name in page] == sorted(
        ['a/b/', 'a/large-file', 'a/large/', 'a/large0', 'a/many', 'a/z/', 'a/é/', 'a/🦊']
    )
    assert commands.taken() == ['aggregate files'] * len(found)


def test_names_are_never_taken_for_expressions(backend: GridFSBackend) -> None:
    for name in ('$a/$b', '$a/$$ROOT/x', '.*/x', 'a.b/c.d', '\'/"', '$a/🦊/x', '$a/é'):
        backend.write(name, b'')
    assert pages(backend, '', 1000) == [['$a/', "'/", '.*/', 'a.b/']]
    assert pages(backend, '$a', 1) == [['$a/$$ROOT/'], ['$a/$b'], ['$a/é'], ['$a/🦊/']]
    assert pages(backend, '.*', 1) == [['.*/x']]
    assert pages(backend, '$a/🦊', 1) == [['$a/🦊/x']]


@pytest.mark.parametrize('limit', [1, 1000])
def test_documents_that_are_no_files_hide_nothing(backend: GridFSBackend, database: Database[Any], limit: int) -> None:
    lists = [['a/x', 'a/good'], ['a/list'], [['a/x']], ['a/x', 7], []]
    put(database, *lists, None, 7, {}, 'a/', 'a//x', 'a/good', 'a/sub//', 'a/sub/x', '', '/', '.fs-tmp-swap-1')
    database['docs.files'].insert_one({'length': 4, 'chunkSize': 10})
    found = [name for page in pages(backend, 'a', limit) for name in page]
    assert found == ['a/good', 'a/sub/']
    assert [name for page in pages(backend, '', limit) for name in page] == ['a/']


def test_the_newest_revision_is_listed(backend: GridFSBackend, database: Database[Any]) -> None:
    old, new = sorted(ObjectId() for _ in range(2))
    files, refused = database['docs.files'], 0
    for dates in (
        [(new, NOW), (old, NOW)],
        [(old, NOW), (new, NOW - datetime.timedelta(1))],
        [(old, None), (new, NOW)],
        [(old, DatetimeMS(2**50)), (new, NOW)],
        [(new, DatetimeMS(-(2**50))), (old, NOW)],
        [(new, 'text'), (old, NOW)],
    ):
        for given in (dates, dates[::-1]):
            files.delete_many({})
            try:
                for made, date in given:
                    put(database, 'a/x', _id=made, uploadDate=date)
            except OperationFailure:
                # Not each server takes a date that Python does not have.
                refused += 1
                continue
            [info] = backend.folder('a').files
            assert info == backend.stat('a/x') == next(backend.scan('a/')), dates
    assert refused <= 4


def test_a_damaged_file_is_left_out_of_its_folder(
    backend: GridFSBackend, database: Database[Any], caplog: pytest.LogCaptureFixture
) -> None:
    put(database, 'a/good', 'a/also')
    put(database, 'a/bad', length='x')
    with caplog.at_level(logging.WARNING):
        assert [info.name for info in backend.folder('a').files] == ['a/also', 'a/good']
    assert "'a/bad'" in caplog.text


def test_storages_in_one_collection_have_folders_of_their_own(make: BackendFactory) -> None:
    """Two applications with key prefixes, of which one begins like the other."""
    one, two = make(prefix='app'), make(prefix='app2')
    for backend in (one, two):
        for name in ('x', 'a/y', 'a/b/z'):
            backend.write(name, b'')
    one.write('only', b'')
    assert pages(one, '', 1) == [['a/'], ['only'], ['x']]
    assert pages(two, '', 1) == [['a/'], ['x']]
    assert pages(two, 'a', 1000) == [['a/b/', 'a/y']]
    two.set_attributes('x', {'cache_control': 'no-store'})
    assert (one.stat('x').cache_control, two.folder().files[0].cache_control) == (None, 'no-store')
    assert one.remove_many(['x', 'a/y', 'missing']) == {}
    assert sorted(one.list_files()) == ['a/b/z', 'only']
    assert sorted(two.list_files()) == ['a/b/z', 'a/y', 'x']


# --- Many files.


def test_many_files_are_removed_by_three_commands(make: BackendFactory, commands: Any, database: Database[Any]) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    backend.page_size = 20
    names = [f'a/{number}' for number in range(30)]
    for name in (*names, 'a', 'a/1/below', 'a/30'):
        backend.write(name, b'content')
    # All revisions go, also those of other programs.
    put(database, *names[:5])
    commands.taken()
    assert backend.remove_many([*names, 'missing']) == {}
    removal = ['find files', 'delete files', 'delete chunks']
    sent = commands.taken()
    assert sent[-3:] == removal
    assert len(sent) < 12
    assert sorted(backend.list_files()) == ['a', 'a/1/below', 'a/30']
    assert database['docs.files'].count_documents({}) == database['docs.chunks'].count_documents({}) == 3


def test_of_many_files_those_that_stay_are_named(backend: GridFSBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f'a/{number}' for number in range(4)]
    for name in names:
        backend.write(name, b'')
    real = backend._remove_where

    def refuse(where: Any) -> None:
        if where != {'filename': 'a/1'}:
            if isinstance(where['filename'], str):
                real(where)
                return
            raise OperationFailure('too much', 8000)
        raise OperationFailure('not authorized', 13)

    monkeypatch.setattr(backend, '_remove_where', refuse)
    failures = backend.remove_many(names)
    assert {name: type(error) for name, error in failures.items()} == {'a/1': fs.PermissionDenied}
    assert list(backend.list_files()) == ['a/1']


def test_a_server_that_is_down_is_not_waited_for_by_each_of_many_files(
    backend: GridFSBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fail(where: Any) -> None:
        calls.append(where)
        raise AutoReconnect('down')

    backend.page_size = 2
    monkeypatch.setattr(backend, '_remove_where', fail)
    failures = backend.remove_many(['a', 'b', 'c', 'd', 'e'])
    assert {name: type(error) for name, error in failures.items()} == dict.fromkeys('abcde', fs.Unavailable)
    assert len(calls) == 2
