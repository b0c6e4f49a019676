"""Settings: what is needed, what is refused, and that no message shows a password. No server is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import InvalidOperation, ServerSelectionTimeoutError

import flask_fs as fs
import flask_fs_gridfs
from flask_fs_gridfs import GridFSBackend

PASSWORD = 'a-very-secret-word'
#: Nothing listens there.
URL = f'mongodb://someone:{PASSWORD}@127.0.0.1:1/files'
IMPATIENT = {'serverSelectionTimeoutMS': 10}


def app_with(**config: Any) -> Flask:
    app = Flask('settings')
    app.config.update(FS_BACKEND=GridFSBackend, **config)
    return app


def messages_of(error: BaseException | None) -> str:
    """All that a traceback would show of an error and its causes."""
    shown = ''
    while error is not None:
        shown += f'{error!r} {error} {getattr(error, "reason", "")} {getattr(error, "details", "")}'
        error = error.__cause__ or error.__context__
    return shown


def test_a_missing_url_is_reported_with_the_settings_that_give_one() -> None:
    with (
        pytest.warns(fs.ConfigurationWarning, match='FS_MONGO_URL .* did you mean FS_GRIDFS_MONGO_URL'),
        pytest.raises(fs.ConfigurationError) as caught,
    ):
        fs.init_app(app_with(FS_MONGO_URL=URL), fs.Storage('docs'))
    assert str(caught.value) == "Storage 'docs' (gridfs) needs DOCS_FS_MONGO_URL or FS_GRIDFS_MONGO_URL."


def test_a_url_of_the_name_service_is_accepted_without_looking_it_up() -> None:
    backend = GridFSBackend('docs', {'mongo_url': f'mongodb+srv://someone:{PASSWORD}@no.such.cluster.invalid/files'})
    assert backend.kind == 'gridfs'
    assert PASSWORD not in repr(backend)


@pytest.mark.parametrize('setting', ['DOCS_FS_MONGO_URL', 'FS_GRIDFS_MONGO_URL'])
def test_a_url_is_enough(setting: str) -> None:
    storage = fs.Storage('docs')
    fs.init_app(app_with(**{setting: URL}), storage)
    assert storage.backend.kind == 'gridfs'


@pytest.mark.parametrize(
    'url',
    [
        7,
        f'https://someone:{PASSWORD}@host',
        f'mongodb://someone:{PASSWORD}@host:port',
        f'mongodb://someone:{PASSWORD}@a@host',
        f'mongodb://someone:{PASSWORD}/@host',
        f'mongodb://{PASSWORD}:%zz@host/"',
    ],
)
def test_an_impossible_url_is_refused_without_being_shown(url: Any) -> None:
    with pytest.raises(fs.ConfigurationError, match=r'cannot use DOCS_FS_MONGO_URL: it must be a URL') as caught:
        fs.init_app(app_with(DOCS_FS_MONGO_URL=url), fs.Storage('docs'))
    assert PASSWORD not in messages_of(caught.value)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('mongo_db', 'a/b'),
        ('mongo_db', ''),
        ('collection', 'a$b'),
        ('collection', 'a..b'),
        ('chunk_bytes', 0),
        ('chunk_bytes', 16 * 1024 * 1024),
        ('mongo_client', 'a client'),
        ('mongo_options', 'tls=true'),
        ('mongoengine_alias', 7),
    ],
)
def test_impossible_settings_are_refused(key: str, value: Any) -> None:
    with pytest.raises(fs.ConfigurationError, match=f'cannot use DOCS_FS_{key.upper()}'):
        GridFSBackend('docs', {'mongo_url': URL, key: value})


def test_a_storage_whose_name_is_no_collection_gets_an_error_with_the_setting() -> None:
    with pytest.raises(fs.ConfigurationError, match=r'needs A\.\.B_FS_COLLECTION'):
        GridFSBackend('a..b', {'mongo_url': URL})


def test_settings_may_be_text_of_the_environment() -> None:
    backend = GridFSBackend(
        'docs', {'mongo_url': URL, 'chunk_bytes': '1000', 'mongo_options': '{"serverSelectionTimeoutMS": 10}'}
    )
    assert (backend.config.chunk_bytes, backend.config.mongo_options) == (1000, IMPATIENT)


def test_no_message_shows_the_password() -> None:
    """Neither of a server that is away, nor of a client that cannot be made."""
    backend = GridFSBackend('docs', {'mongo_url': URL, 'mongo_options': IMPATIENT})
    assert PASSWORD not in repr(backend)
    with pytest.raises(fs.Unavailable) as away:
        backend.read('x')
    with pytest.raises(fs.ConfigurationError, match='DOCS_FS_MONGO_URL or DOCS_FS_MONGO_OPTIONS') as refused:
        GridFSBackend('docs', {'mongo_url': URL, 'mongo_options': {'unknown': PASSWORD}}).read('x')
    with pytest.raises(fs.ConfigurationError) as impossible:
        GridFSBackend('docs', {'mongo_url': URL, 'mongo_options': {'maxPoolSize': PASSWORD}}).read('x')
    for caught in (away, refused, impossible):
        assert PASSWORD not in str(caught.value)
    assert PASSWORD not in messages_of(away.value)


def test_the_url_names_the_database_unless_a_setting_does() -> None:
    for settings, expected in (
        ({'mongo_url': URL}, 'files'),
        ({'mongo_url': 'mongodb://127.0.0.1:1'}, 'fs'),
        ({'mongo_url': URL, 'mongo_db': 'other'}, 'other'),
    ):
        assert GridFSBackend('docs', settings)._store().database.name == expected


def test_the_storage_names_the_collections_unless_a_setting_does() -> None:
    assert GridFSBackend('docs', {'mongo_url': URL})._store().files.name == 'docs.files'
    assert GridFSBackend('docs', {'mongo_url': URL, 'collection': 'mine'})._store().chunks.name == 'mine.chunks'


def test_clients_give_up_soon_unless_configured_otherwise() -> None:
    def timeouts(url: str, **options: Any) -> tuple[Any, ...]:
        made = GridFSBackend('docs', {'mongo_url': url, 'mongo_options': options})._store().database.client.options
        pool = made.pool_options
        return made.server_selection_timeout, pool.connect_timeout, pool.socket_timeout, pool.wait_queue_timeout

    assert timeouts('mongodb://127.0.0.1:1') == (5, 5, 30, 10)
    assert timeouts('mongodb://127.0.0.1:1', serverSelectionTimeoutMS=7000) == (7, 5, 30, 10)
    assert timeouts('mongodb://127.0.0.1:1/?sockettimeoutms=8000') == (5, 5, 8, 10)


def test_backends_with_equal_settings_share_a_client_until_the_last_is_gone() -> None:
    settings = {'mongo_url': URL, 'mongo_options': {'serverSelectionTimeoutMS': 12}}
    one, two = (GridFSBackend(name, settings) for name in ('one', 'two'))
    other = GridFSBackend('one', {'mongo_url': URL, 'mongo_options': {'serverSelectionTimeoutMS': 11}})
    client = one._store().database.client
    assert client is two._store().database.client
    assert client is not other._store().database.client
    del one
    # It would have found the server that is not there, and is not closed.
    with pytest.raises(ServerSelectionTimeoutError):
        client.admin.command('ping')
    del two
    with pytest.raises(InvalidOperation):
        client.admin.command('ping')
    with pytest.raises(fs.Unavailable):
        GridFSBackend('one', settings).read('x')


def test_a_given_client_is_used_and_left_open(mongomock_in_process: Callable[[], Any]) -> None:
    client = mongomock_in_process()
    backend = GridFSBackend('docs', {'mongo_client': client, 'mongo_db': 'mine'})
    backend.write('x', b'content')
    assert sorted(client['mine'].list_collection_names()) == ['docs.chunks', 'docs.files']
    del backend
    assert GridFSBackend('docs', {'mongo_client': lambda: client, 'mongo_db': 'mine'}).read('x') == b'content'


def test_what_gives_a_client_is_called_at_the_first_use(mongomock_in_process: Callable[[], Any]) -> None:
    asked = []

    def give() -> Any:
        asked.append(mongomock_in_process())
        return asked[-1]

    backend = GridFSBackend('docs', {'mongo_client': give, 'mongo_db': 'mine'})
    assert asked == []
    backend.write('x', b'content')
    assert backend.read('x') == b'content'
    assert len(asked) == 1


def test_a_given_client_needs_no_default_database_if_one_is_named(mongomock_in_process: Callable[[], Any]) -> None:
    client = mongomock_in_process()
    client.get_default_database = None
    GridFSBackend('docs', {'mongo_client': client, 'mongo_db': 'mine'}).write('x', b'content')
    assert client.list_database_names() == ['mine']


def test_a_given_client_names_the_database(mongomock_in_process: Callable[..., Any]) -> None:
    for url, expected in (('mongodb://host/theirs', 'theirs'), ('mongodb://host', 'fs')):
        client = mongomock_in_process(url)
        assert GridFSBackend('docs', {'mongo_client': client})._store().database.name == expected


def test_a_connection_of_mongoengine_is_used(mongomock_in_process: Any) -> None:
    """Whichever there is when it is needed: an application may disconnect, and connect anew."""
    mongoengine = pytest.importorskip('mongoengine')
    backend = GridFSBackend('docs', {'mongoengine_alias': 'mine'})
    other = GridFSBackend('docs', {'mongoengine_alias': 'mine', 'mongo_db': 'other'})
    with pytest.raises(fs.ConfigurationError, match=r"mongoengine.connect\(alias='mine'\)"):
        backend.read('x')
    for content in (b'one', b'two'):
        mongoengine.connect(
            'theirs', alias='mine', mongo_client_class=mongomock_in_process, uuidRepresentation='standard'
        )
        try:
            assert not backend.exists('x')
            backend.write('x', content)
            assert backend.read('x') == content
            assert backend._store().database.name == 'theirs'
            assert other._store().database.name == 'other'
        finally:
            mongoengine.disconnect('mine')


def test_mongoengine_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mongoengine']:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        fs.ConfigurationError, match=r"Storage 'docs' \(gridfs\) found no MongoEngine connection 'mine'"
    ):
        GridFSBackend('docs', {'mongoengine_alias': 'mine'}).read('x')
    assert 'mongoengine' not in sys.modules


def test_storages_on_one_collection_are_kept_apart(mongomock_in_process: Callable[[], Any]) -> None:
    """A collection that is set for all of them holds the files of each under its name."""
    client = mongomock_in_process()
    one, two = fs.Storage('one', fs.ALL), fs.Storage('two', fs.ALL)
    app = app_with(FS_GRIDFS_MONGO_CLIENT=client, FS_GRIDFS_COLLECTION='all', FS_GRIDFS_MONGO_DB='mine')
    fs.init_app(app, one, two)
    with app.app_context():
        one.write('x', b'one')
        two.write('x', b'two')
        assert (one.read('x'), two.read('x')) == (b'one', b'two')
        two.delete('x')
        assert [list(storage.list_files()) for storage in (one, two)] == [['x'], []]
    assert client['mine']['all.files'].distinct('filename') == ['one/x']


def test_the_name_of_older_packages_is_that_of_the_backend() -> None:
    """An entry point of flask-fs2 that was left behind names it too."""
    point = EntryPoint('gridfs', 'flask_fs.backends.gridfs:GridFsBackend', 'fs.backend')
    assert point.load() is GridFSBackend is flask_fs_gridfs.GridFsBackend


@pytest.mark.parametrize(
    'settings',
    [
        {'A_FS_COLLECTION': 'b', 'FS_GRIDFS_MONGO_URL': URL},
        {'A_FS_COLLECTION': 'b', 'A_FS_MONGO_URL': 'mongodb://other@127.0.0.1:1/', 'A_FS_MONGO_DB': 'files'}
        | {'B_FS_MONGO_URL': URL},
        {'A_FS_COLLECTION': 'b', 'FS_GRIDFS_MONGO_URL': 'mongodb+srv://someone:word@cluster.example.org/files'},
        {'A_FS_COLLECTION': 'b', 'FS_GRIDFS_MONGOENGINE_ALIAS': 'default'},
        {'A_FS_COLLECTION': 'b', 'FS_GRIDFS_MONGO_CLIENT': app_with},
        {'FS_GRIDFS_COLLECTION': 'box', 'A_FS_COLLECTION': 'box', 'A_FS_PREFIX': 'b', 'FS_GRIDFS_MONGO_URL': URL},
    ],
)
def test_two_storages_in_one_collection_are_refused_without_a_secret(settings: dict[str, Any]) -> None:
    with pytest.raises(
        fs.ConfigurationError, match=r"'a' and 'b' \(gridfs\) would store their files in the same location"
    ) as caught:
        fs.init_app(app_with(**settings), fs.Storage('a'), fs.Storage('b'))
    assert PASSWORD not in messages_of(caught.value)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        {'FS_GRIDFS_COLLECTION': 'box'},
        {'A_FS_COLLECTION': 'b', 'A_FS_PREFIX': 'a'},
        {'A_FS_COLLECTION': 'b', 'A_FS_MONGO_DB': 'other'},
        {'A_FS_COLLECTION': 'b', 'A_FS_MONGO_URL': 'mongodb://127.0.0.1:2/files'},
        {'A_FS_COLLECTION': 'b', 'A_FS_MONGO_URL': 'mongodb+srv://cluster.example.org/files'},
    ],
)
def test_storages_with_collections_or_folders_of_their_own_are_accepted(settings: dict[str, Any]) -> None:
    app = app_with(FS_GRIDFS_MONGO_URL=URL, **settings)
    fs.init_app(app, fs.Storage('a'), fs.Storage('b'))
    with app.app_context():
        assert PASSWORD not in repr(fs.by_name('a').backend.location)


@pytest.mark.parametrize(
    ('given', 'location'),
    [
        ({'mongo_url': URL}, 'docs/ in files at 127.0.0.1:1'),
        (
            {'mongo_url': URL, 'mongo_db': 'other', 'prefix': 'a/b', 'collection': 'fs'},
            'fs/a/b/ in other at 127.0.0.1:1',
        ),
        ({'mongo_url': 'mongodb://one,two:2/?replicaSet=rs'}, 'docs/ in fs at one,two:2'),
        ({'mongo_url': f'mongodb+srv://someone:{PASSWORD}@cluster.test/files'}, 'docs/ in files at cluster.test'),
        ({'mongo_client': lambda: None}, "docs/ in the database of the application's client"),
        ({'mongoengine_alias': 'default'}, "docs/ in the database of MongoEngine's connection 'default'"),
    ],
)
def test_the_location_of_files_is_described_without_secrets(given: dict[str, Any], location: str) -> None:
    assert GridFSBackend('docs', given).describe_location() == location
