"""Documents that no program for GridFS should write: one of them never breaks anything but itself."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from flask import Flask
from pymongo.database import Database
from pymongo.errors import OperationFailure

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend
from flask_fs_gridfs.documents import Layout
from flask_fs_gridfs.errors import Vanished
from flask_fs_gridfs.store import Store

pytestmark = pytest.mark.slow

BackendFactory = Callable[..., GridFSBackend]

NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone.utc)
LAST = datetime.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=datetime.timezone.utc)
#: Any type where none of them should be.
WRONG: tuple[Any, ...] = (
    None, 'x', '4', '', True, -1, 1.5, float('inf'), float('nan'), -(2**62), [], [4], {}, {'$gt': ''}, b'4', ObjectId(),
    NOW, Decimal128('4'), Regex('4'), Code('4'), Timestamp(4, 4), MaxKey(), DBRef('c', 4), Binary(b'4', 5),
)  # fmt: skip
SOME: tuple[Any, ...] = (None, 'x', 5, float('nan'), [5], {'a': 5}, b'5', NOW)
NESTED: dict[str, Any] = {}
for _ in range(50):
    NESTED = {'a': NESTED}

#: Files whose content cannot be determined: reading and looking fail, clearly.
UNREADABLE: dict[str, dict[str, Any]] = {
    **{f'length {value!r}': {'length': value} for value in WRONG},
    **{f'chunkSize {value!r}': {'chunkSize': value} for value in WRONG},
    'no length': {'length': ...},
    'no chunkSize': {'chunkSize': ...},
    'chunkSize 0': {'chunkSize': 0},
    'more chunks than there can be': {'length': 2**63 - 1, 'chunkSize': 1},
    'a length that no file has': {'length': 2**62},
    'a float beyond all': {'length': 1e300},
}
#: Files that can be read, whatever else is reported about them.
READABLE: dict[str, dict[str, Any]] = {
    **{f'uploadDate {value!r}': {'uploadDate': value} for value in SOME},
    **{f'metadata {value!r}': {'metadata': value} for value in SOME},
    **{f'md5 {value!r}': {'md5': value} for value in SOME},
    **{f'contentType {value!r}': {'contentType': value} for value in SOME},
    **{
        f'{field} {value!r} in the metadata': {'metadata': {field: value}}
        for field in ('contentType', 'checksum', 'slots')
        for value in SOME
    },
    **{
        f'slots {value!r} in the metadata': {'metadata': {'slots': value}}
        for value in (0, 1, Int64(1), [1, 0], [0, 0], [0, 1, 'x'], [[0]], [0, 1, 2], [{'a': 0}], [None])
    },
    'slots in a list': {'metadata': [{'slots': 0}, {'slots': [1]}]},
    'no date': {'uploadDate': ...},
    'a date that Python does not have': {'uploadDate': DatetimeMS(2**62)},
    'a date long before': {'uploadDate': DatetimeMS(-(2**62))},
    'the last date': {'uploadDate': LAST},
    'the first date': {'uploadDate': datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)},
    'a date before 1970': {'uploadDate': datetime.datetime(1901, 1, 1, tzinfo=datetime.timezone.utc)},
    'a header in a type': {'metadata': {'contentType': 'text/plain\r\nSet-Cookie: a=b'}},
    'a type in another script': {'contentType': 'text/plain\u20ac\U0001f600'},
    'a long type': {'contentType': 'text/' + 'x' * 100_000},
    'half a checksum': {'metadata': {'checksum': 'sha256:'}},
    'a checksum of nothing': {'metadata': {'checksum': 'sha256:xyz'}},
    'deep metadata': {'metadata': NESTED},
    'large metadata': {'metadata': {'a': 'x' * 500_000}},
    'a chunkSize larger than any': {'chunkSize': 2**40},
    **{
        f'the id {value!r}': {'_id': value}
        for value in ('', 0, None, 1.5, {'a': 1, 'b': [1]}, 'x' * 10_000, b'7', DatetimeMS(2**62), NOW)
    },
    'bytes in a type': {'contentType': 'text/BYTES'},
    'bytes in the metadata': {'metadata': {'contentType': 'text/BYTES', 'checksum': 'BYTES', 'other': 'BYTES'}},
}
#: Names of files that are nobody's.
NAMES: tuple[Any, ...] = (
    *(value for value in WRONG if value not in ('x', '4')),
    '../../x', '/etc/passwd', 'a\nb', 'a//b', '.', 'a/../b', 'x' * 2000, ['bad.txt', 'good.txt'], ['bad.txt'], 'bad.BYTES',
)  # fmt: skip


def put(database: Database[Any], change: Mapping[str, Any]) -> bool:
    """Store a file of four bytes with these fields; ``...`` leaves one out, ``BYTES`` is no UTF-8.

    False if the server takes no such document: not each takes all that the format can say.
    """
    document = {'_id': ObjectId(), 'filename': 'bad.txt', 'length': 4, 'chunkSize': 261120, 'uploadDate': NOW, **change}
    document = {field: value for field, value in document.items() if value is not ...}
    raw = bson.encode(document).replace(b'BYTES', b'\xff\xfe\xc0\x80\xff')
    try:
        database['docs.files'].insert_one(RawBSONDocument(raw))
        database['docs.chunks'].insert_one({'files_id': document['_id'], 'n': 0, 'data': b'abcd'})
    except OperationFailure:
        return False
    return True


def clear(database: Database[Any]) -> None:
    for collection in ('docs.files', 'docs.chunks'):
        database[collection].delete_many({})


VERBS: dict[str, Callable[[GridFSBackend], Any]] = {
    'read': lambda backend: backend.read('bad.txt'),
    'open': lambda backend: backend.open('bad.txt', 'rb').read(),
    'a range': lambda backend: b'abc' + backend.read_range('bad.txt', 3, 4),
    'chunks': lambda backend: b''.join(backend.read_chunks('bad.txt')),
    'copy': lambda backend: (backend.copy('bad.txt', 'copy.bin'), backend.read('copy.bin'))[1],
}


@pytest.mark.parametrize('cases', [UNREADABLE, READABLE], ids=['unreadable', 'readable'])
def test_a_malformed_document_breaks_nothing_but_itself(
    make: BackendFactory,
    database: Database[Any],
    cases: Mapping[str, Mapping[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Lists and scans go on, other files are served, and the file itself can be replaced, moved and removed."""
    caplog.set_level(logging.ERROR)
    backend = make()
    backend.write('warm', b'')
    readable, refused = cases is READABLE, []
    for label, change in cases.items():
        clear(database)
        backend.write('good.txt', b'good')
        if not put(database, change):
            refused.append(label)
            continue
        assert list(backend.list_files()) == ['bad.txt', 'good.txt'], label
        assert [info.name for info in backend.scan()] == (['bad.txt'] if readable else []) + ['good.txt'], label
        for verb in ('read', 'a range') if readable else VERBS:
            if readable:
                assert VERBS[verb](backend) == b'abcd', (label, verb)
            else:
                with pytest.raises(fs.BackendError, match='it is damaged in'):
                    VERBS[verb](backend)
        if readable:
            info = backend.stat('bad.txt')
            assert (type(info.mime), info.size, info.checksum) == (str, 4, None), label
            assert info.modified is None or isinstance(info.modified, datetime.datetime), label
        if readable:
            backend.copy('bad.txt', 'copy.bin')
            assert backend.read('copy.bin') == b'abcd', label
            backend.delete('copy.bin')
            backend.move('bad.txt', 'moved.txt')
            backend.move('moved.txt', 'bad.txt')
        backend.write('bad.txt', b'new')
        assert backend.read('bad.txt') == b'new', label
        assert database['docs.files'].count_documents({'filename': 'bad.txt'}) == 1, label
        put(database, change)
        backend.delete('bad.txt')
        assert not backend.exists('bad.txt'), label
        assert backend.read('good.txt') == b'good', label
    assert len(refused) < len(cases) / 5, refused


def test_what_is_served_of_a_malformed_document(make: BackendFactory, database: Database[Any]) -> None:
    """A file that can be read is served, without a header of its own making; a damaged one is a server's error."""
    storage = fs.Storage('docs', fs.ALL)
    app = Flask('app')
    url = make().config.mongo_url
    app.config.update(FS_BACKEND='gridfs', DOCS_FS_MONGO_URL=url, DOCS_FS_MONGO_DB=database.name, FS_SERVE=True)
    fs.init_app(app, storage)
    with app.test_request_context():
        storage.write('good.txt', 'good')
        link = storage.url('bad.txt')
        good = storage.url('good.txt')
    client = app.test_client()
    for status, cases in ((200, READABLE), (500, UNREADABLE)):
        for label, change in cases.items():
            database['docs.files'].delete_many({'filename': 'bad.txt'})
            database['docs.chunks'].delete_many({'data': b'abcd'})
            if not put(database, change):
                continue
            response = client.get(link)
            assert response.status_code == status, label
            assert not response.headers.get('Set-Cookie'), label
            if status == 200:
                assert response.data == b'abcd', label
                assert client.get(link, headers={'Range': 'bytes=1-2'}).data == b'bc', label
                assert client.head(link).headers['Content-Length'] == '4', label
                conditions = {'If-None-Match': response.headers['ETag']}
                assert client.get(link, headers=conditions).status_code == 304, label
    assert client.get(good).data == b'good'


def test_a_file_that_vanishes_each_time_it_is_served_is_unavailable(
    make: BackendFactory, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fs.Storage('docs', fs.ALL)
    app = Flask('app')
    url = make().config.mongo_url
    app.config.update(FS_BACKEND='gridfs', DOCS_FS_MONGO_URL=url, DOCS_FS_MONGO_DB=database.name, FS_SERVE=True)
    fs.init_app(app, storage)
    with app.test_request_context():
        storage.write('x.txt', 'content')
        link = storage.url('x.txt')

    def vanish(*_: Any) -> Any:
        raise Vanished

    monkeypatch.setattr(Store, 'read_chunks', vanish)
    assert app.test_client().get(link).status_code == 503
    assert app.test_client().get(link, headers={'Range': 'bytes=1-2'}).status_code == 503


def test_names_that_are_none_hide_nothing(make: BackendFactory, database: Database[Any]) -> None:
    backend = make()
    backend.write('good.txt', b'good')
    for name in NAMES:
        put(database, {'filename': name})
    put(database, {'filename': ...})
    assert list(backend.list_files()) == [info.name for info in backend.scan()] == ['good.txt']
    assert backend.read('good.txt') == b'good'
    with pytest.raises(fs.FileNotFound):
        backend.read('bad.txt')
    put(database, {})
    assert backend.read('bad.txt') == b'abcd'
    backend.write('bad.txt', b'new')
    assert backend.read('bad.txt') == b'new'
    backend.move('bad.txt', 'good.txt')
    assert list(backend.list_files()) == ['good.txt']
    assert backend.read('good.txt') == b'new'
    assert backend.sweep(older_than_s=0) == 0


CHUNKS: dict[str, Callable[[Any], object]] = {
    'twice': lambda chunks: chunks.insert_one({'files_id': chunks.find_one()['files_id'], 'n': 0.0, 'data': b'abcd'}),
    'none': lambda chunks: chunks.delete_many({}),
    **{
        f'n {value!r}': lambda chunks, value=value: chunks.update_one({}, {'$set': {'n': value}})
        for value in (*WRONG, 1)
        if value is not True and value != {'$gt': ''}
    },
    **{
        f'data {value!r}': lambda chunks, value=value: chunks.update_one({}, {'$set': {'data': value}})
        for value in (*WRONG, b'', b'abcde')
        if value != {'$gt': ''}
    },
}  # fmt: skip


def test_malformed_chunks_are_said_to_be_damaged(make: BackendFactory, database: Database[Any]) -> None:
    backend = make()
    for label, damage in CHUNKS.items():
        clear(database)
        database['docs.chunks'].drop_indexes()
        put(database, {})
        damage(database['docs.chunks'])
        for verb, read in VERBS.items():
            if label == 'twice' and verb != 'copy':
                # The second one is beyond what is requested.
                assert read(backend) == b'abcd'
                continue
            if label == 'twice':
                continue
            with pytest.raises(fs.BackendError, match='it is damaged in'):
                read(backend)
        assert list(backend.list_files()) == ['bad.txt'], label
        backend.delete('bad.txt')
        assert database['docs.files'].count_documents({}) == 0, label


def test_a_document_that_is_left_out_of_a_scan_is_named_in_the_log(
    make: BackendFactory, database: Database[Any], caplog: pytest.LogCaptureFixture
) -> None:
    backend = make()
    put(database, {'length': 'x'})
    assert list(backend.scan()) == []
    assert "'bad.txt'" in caplog.text
    assert 'has no length or no chunkSize' in caplog.text


def test_chunks_of_one_byte_are_not_all_fetched_at_once() -> None:
    assert Layout(2**30, 1).batch == 4096
    assert Layout(2**30, 2**30).batch == 1
