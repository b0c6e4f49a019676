"""gc and fsck on real stores, whose listings and times are their own."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import add_source
from flask_fs.unit_of_work import UnitOfWork
from flask_fs_testing.servers.base import free_ports


@pytest.fixture(params=['s3', 'gridfs'])
def settings(request: pytest.FixtureRequest, fresh_name: str) -> dict[str, Any]:
    """Settings of an empty bucket or database, for storages of any name."""
    if request.param == 's3':
        service = request.getfixturevalue('s3_service')
        found = {'endpoint': service.endpoint, 'access_key': service.access_key, 'secret_key': service.secret_key}
        found |= {'region': service.region}
    else:
        found = {'mongo_url': request.getfixturevalue('mongo_service').url, 'mongo_db': fresh_name}
    found = {f'FS_{request.param.upper()}_{key.upper()}': value for key, value in found.items()}
    return {**found, 'FS_BACKEND': request.param, 'container': fresh_name}


def make(settings: dict[str, Any], *storages: fs.Storage, **more: Any) -> Flask:
    app = Flask('shop')
    app.config.update({**settings, **more})
    for storage in storages:
        for key in ('BUCKET_NAME', 'COLLECTION'):
            app.config[f'{storage.name.upper()}_FS_{key}'] = settings['container']
    fs.init_app(app, *storages)
    return app


def actions(found: Any) -> dict[str, str]:
    return {outcome.filename: outcome.action for outcome in found}


def test_a_crash_is_settled_and_what_agrees_stays(settings: dict[str, Any], make_rows: Any, journal: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make(settings, storage)
    rows = make_rows(storage, journal)
    add_source(app, rows)
    with app.app_context():
        committed, crashed = UnitOfWork(journal), UnitOfWork(journal)
        for unit, name in ((committed, 'a.txt'), (crashed, 'b.txt'), (crashed, 'a.txt')):
            rows.rows[name] = unit.save(storage, io.BytesIO(b'content'), name, conflict='rename')
        del rows.rows['b.txt']
        rows.rows['a.txt'] = {'filename': 'a.txt', 'checksum': f'sha256:{hashlib.sha256(b"content").hexdigest()}'}
        committed.prepare()
        committed.commit()
        # Nobody ends the other one.
        crashed._created.clear()
        assert actions(collect(app, older_than_s=0)) == {'b.txt': 'removed', 'a_1.txt': 'removed'}
        assert journal.notes == {}
        assert list(storage.list_files()) == ['a.txt']
        assert list(check(app, older_than_s=0, content=True)) == []
        rows.rows['a.txt']['checksum'] = 'sha256:' + '0' * 64
        assert [finding.kind for finding in check(app, older_than_s=0, content=True)] == ['altered']


def test_storages_that_share_a_bucket_keep_their_files(settings: dict[str, Any], make_rows: Any) -> None:
    names = ('outer', 'one', 'two')
    outer, *_ = storages = [fs.Storage(name, fs.ALL) for name in names]
    app = make(settings, *storages, ONE_FS_PREFIX='shared/one/', TWO_FS_PREFIX='shared/two/')
    rows = {name: make_rows(storage) for name, storage in zip(names, storages, strict=True)}
    for source in rows.values():
        add_source(app, source)
    with app.app_context():
        for storage in storages:
            storage.write('used.txt', 'x')
            storage.write('orphan.txt', 'x')
        outer.write('shared/orphan.txt', 'x')
        for source in rows.values():
            source.rows = {1: 'used.txt'}
        found = list(check(app, older_than_s=0))
        assert sorted((finding.storage, finding.filename) for finding in found) == [
            ('one', 'orphan.txt'),
            ('outer', 'orphan.txt'),
            ('outer', 'shared/orphan.txt'),
            ('two', 'orphan.txt'),
        ]
        assert actions(collect(app, older_than_s=0, scan=['outer'])) == {
            'orphan.txt': 'removed',
            'shared/orphan.txt': 'removed',
        }
        assert sorted(outcome.action for outcome in repair(app, found)) == ['kept', 'kept', 'removed', 'removed']
        assert sorted(outer.list_files()) == ['shared/one/used.txt', 'shared/two/used.txt', 'used.txt']


def test_deleted_files_that_are_kept_are_no_orphans(settings: dict[str, Any], make_rows: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make(settings, storage, FILES_FS_RETENTION_DAYS=7)
    add_source(app, make_rows(storage))
    with app.app_context():
        for name in ('a.txt', 'b.txt'):
            storage.write(name, 'x')
        storage.remove('a.txt')
        assert actions(collect(app, older_than_s=0, scan=['files'])) == {'b.txt': 'removed'}
        assert list(check(app, older_than_s=0, content=True)) == []
        assert sorted(file.name for file in storage.deleted()) == ['a.txt', 'b.txt']


def test_a_store_that_is_gone_is_said(settings: dict[str, Any], make_rows: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    (free_port,) = free_ports(1)
    elsewhere = {'FS_S3_ENDPOINT': f'http://127.0.0.1:{free_port}', 'FS_S3_CONNECT_TIMEOUT_S': 0.3}
    elsewhere |= {'FS_GRIDFS_MONGO_URL': f'mongodb://127.0.0.1:{free_port}/?serverSelectionTimeoutMS=300'}
    app = make({**settings, **elsewhere}, storage)
    rows = make_rows(storage)
    add_source(app, rows)
    rows.rows = {1: 'a.txt'}
    with app.app_context(), pytest.raises(fs.FSError):
        list(check(app))
    assert rows.rows == {1: 'a.txt'}
