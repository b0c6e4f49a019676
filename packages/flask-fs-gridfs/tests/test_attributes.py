"""Attributes in the metadata of documents, among whatever other programs store there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, ObjectId, Regex
from pymongo.database import Database

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes
from flask_fs_gridfs import GridFSBackend

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]

ALL = Attributes('text/x-a', 'no-store', 'gzip', 'de, en-US', 'Übersicht.txt', {'owner': 'Zoë', 'empty': ''})
#: What other programs may have stored where a text should be.
WRONG: tuple[Any, ...] = (
    7, -1.5, float('nan'), True, [], ['x'], {}, {'a': 5}, {'$gt': ''}, b'x', ObjectId(), Decimal128('4'), Regex('4'),
    Binary(b'4', 5), Code('\n'), '', 'a\r\nSet-Cookie: b=c', 'a/b', '\u20ac\x00', 'x' * 100_000, [['a', 'b']],
)  # fmt: skip
KEYS = ('cacheControl', 'contentEncoding', 'contentLanguage', 'downloadName', 'custom')


def put(database: Database[Any], metadata: Any) -> None:
    """Store a file of four bytes, as another program does; ``...`` is no metadata."""
    document = {'_id': ObjectId(), 'filename': 'bad.txt', 'length': 4, 'chunkSize': 10}
    database['docs.files'].insert_one({**document, **({} if metadata is ... else {'metadata': metadata})})
    database['docs.chunks'].insert_one({'files_id': document['_id'], 'n': 0, 'data': b'abcd'})


def stored(database: Database[Any], name: str = 'x') -> Any:
    document = database['docs.files'].find_one({'filename': name}) or {}
    return {key: value for key, value in document['metadata'].items() if key not in ('checksum', 'slots')}


def test_attributes_have_keys_of_their_own(backend: GridFSBackend, database: Database[Any]) -> None:
    backend.write('x', b'', attributes=ALL)
    assert stored(database) == {
        'contentType': 'text/x-a',
        'cacheControl': 'no-store',
        'contentEncoding': 'gzip',
        'contentLanguage': 'de, en-US',
        'downloadName': 'Übersicht.txt',
        'custom': {'owner': 'Zoë', 'empty': ''},
    }
    assert backend.stat('x').attributes == next(backend.scan()).attributes == ALL
    backend.write('x', b'')
    assert stored(database) == {'contentType': 'application/octet-stream'}


def test_a_change_of_attributes_leaves_what_other_programs_store(
    backend: GridFSBackend, database: Database[Any]
) -> None:
    backend.write('x', b'content', attributes=ALL)
    etag = backend.stat('x').etag
    database['docs.files'].update_one({}, {'$set': {'metadata.theirs': [1, {'a': 2}], 'aliases': ['y']}})
    backend.set_attributes('x', {'cache_control': 'no-cache', 'download_name': None, 'mime': None})
    assert stored(database) == {
        'contentType': 'application/octet-stream',
        'cacheControl': 'no-cache',
        'contentEncoding': 'gzip',
        'contentLanguage': 'de, en-US',
        'custom': {'owner': 'Zoë', 'empty': ''},
        'theirs': [1, {'a': 2}],
    }
    assert backend.read('x') == b'content'
    assert backend.stat('x').etag == etag
    backend.move('x', 'y.txt')
    assert stored(database, 'y.txt')['theirs'] == [1, {'a': 2}]
    assert backend.stat('y.txt').cache_control == 'no-cache'
    assert (database['docs.files'].find_one() or {})['aliases'] == ['y']


@pytest.mark.parametrize('key', KEYS)
def test_malformed_attributes_are_ignored(make: BackendFactory, database: Database[Any], key: str) -> None:
    backend = make()
    for value in WRONG:
        database['docs.files'].delete_many({})
        put(database, {key: value})
        for info in (backend.stat('bad.txt'), *backend.scan(), *backend.folder().files):
            for attribute, text in info.attributes.given().items():
                assert attribute == 'metadata' or type(text) is str, (value, attribute)
                assert str(text).isprintable(), (value, attribute)
        backend.copy('bad.txt', 'copy.txt')
        backend.remove('copy.txt')
        backend.set_attributes('bad.txt', {'metadata': {'a': 'b'}, 'cache_control': 'no-store'})
        info = backend.stat('bad.txt')
        assert (info.metadata, info.cache_control) == ({'a': 'b'}, 'no-store')


def test_of_malformed_metadata_what_is_well_formed_is_kept(make: BackendFactory, database: Database[Any]) -> None:
    custom = {
        'a': 'b',
        'Upper': 'x',
        'number': 7,
        'none': None,
        'list': ['x'],
        '': 'x',
        'fs-own': 'x',
        'code': Code('c'),
    }
    put(database, {'custom': custom})
    metadata = make().stat('bad.txt').metadata
    assert metadata == {'a': 'b', 'code': 'c'}
    assert {type(value) for value in metadata.values()} == {str}


@pytest.mark.parametrize('metadata', [None, 'text', [], 7, {}, ...], ids=repr)
def test_attributes_are_changed_where_there_is_no_metadata(
    make: BackendFactory, database: Database[Any], metadata: Any
) -> None:
    backend = make()
    put(database, metadata)
    backend.set_attributes('bad.txt', {'content_language': 'de', 'download_name': None})
    assert backend.stat('bad.txt').attributes == Attributes(content_language='de')
    backend.set_attributes('bad.txt', {'content_language': None})
    assert backend.stat('bad.txt').attributes == NO_ATTRIBUTES
    assert backend.read('bad.txt') == b'abcd'


def test_attributes_change_by_one_look_and_one_update(make: BackendFactory, commands: Any) -> None:
    backend = make(mongo_options={'event_listeners': [commands]})
    backend.write('x', b'content')
    commands.taken()
    backend.set_attributes('x', {'cache_control': 'no-store', 'metadata': {'a': 'b'}})
    assert commands.taken() == ['find files', 'update files']
    backend.set_attributes('x', {})
    assert commands.taken() == ['find files']


def test_a_file_that_is_replaced_before_its_attributes_change_has_them(
    backend: GridFSBackend, make: BackendFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real, looks = make(), backend._newest, list[str]()
    backend.write('x', b'old', attributes=ALL)

    def look_and_replace(name: str) -> Any:
        found = real(name)
        if not looks:
            other.write('x', b'new')
        looks.append(name)
        return found

    monkeypatch.setattr(backend, '_newest', look_and_replace)
    backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert len(looks) == 2
    assert backend.read('x') == b'new'
    assert backend.stat('x').attributes == Attributes(cache_control='no-cache')


def test_a_file_that_is_replaced_at_each_look_is_given_up(
    backend: GridFSBackend, make: BackendFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real = make(), backend._newest
    backend.write('x', b'old')

    def look_and_replace(name: str) -> Any:
        found = real(name)
        other.write('x', b'new')
        return found

    monkeypatch.setattr(backend, '_newest', look_and_replace)
    with pytest.raises(fs.Unavailable, match='other writers keep changing it'):
        backend.set_attributes('x', {'cache_control': 'no-cache'})
    assert other.stat('x').attributes == NO_ATTRIBUTES


def test_changes_of_different_attributes_at_once_are_all_kept(backend: GridFSBackend, make: BackendFactory) -> None:
    """Both have looked before one of them changes anything."""
    other, real = make(), backend._newest
    backend.write('x', b'')

    def look_and_change(name: str) -> Any:
        found = real(name)
        other.set_attributes('x', {'content_language': 'de'})
        return found

    backend._newest = look_and_change  # type: ignore[method-assign]
    backend.set_attributes('x', {'cache_control': 'no-store'})
    assert other.stat('x').attributes == Attributes(cache_control='no-store', content_language='de')


def test_attributes_of_the_newest_revision_change(backend: GridFSBackend, database: Database[Any]) -> None:
    for _ in range(2):
        put(database, {})
    backend.set_attributes('bad.txt', {'cache_control': 'no-store'})
    assert backend.stat('bad.txt').cache_control == 'no-store'
    assert database['docs.files'].count_documents({'metadata.cacheControl': 'no-store'}) == 1
