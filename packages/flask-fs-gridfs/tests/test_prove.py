"""``flask fs prove`` on a MongoDB-compatible server, with some of the checks: the tests of the kit run all in a folder."""

from __future__ import annotations

from typing import Any

import gridfs
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from pymongo import MongoClient

import flask_fs as fs
from flask_fs_testing import live_checks
from flask_fs_testing.checks.creating import CreateChecks
from flask_fs_testing.checks.metadata import MetadataChecks
from flask_fs_testing.checks.names import NameChecks
from flask_fs_testing.checks.uploads import UploadChecks
from flask_fs_testing.cli import prove
from flask_fs_testing.servers import MongoService

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(300)]


class SomeChecks(CreateChecks, MetadataChecks, NameChecks, UploadChecks):
    harness = live_checks.TestDeployment.harness


def test_a_collection_is_proven_and_left_as_it_was(
    mongo_service: MongoService, fresh_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_checks, 'TestDeployment', SomeChecks)
    app = Flask('office')
    app.config.update(
        FS_BACKEND='gridfs',
        FS_GRIDFS_MONGO_URL=mongo_service.url,
        FS_GRIDFS_MONGO_DB=fresh_name,
        KIT_FS_PREFIX='tenants/7',
    )
    storage = fs.Storage('kit', fs.IMAGES)
    fs.init_app(app, storage)
    with MongoClient[Any](mongo_service.url) as client:
        database = client[fresh_name]
        beside = ['fs-prove-0', 'tenants/7/fs-prove-0123456789abcdef/x', 'tenants/7/x']
        for name in beside:
            gridfs.GridFS(database, 'kit').put(b'beside', filename=name)
        try:
            result = CliRunner().invoke(prove, ['kit', '--yes'], obj=ScriptInfo(create_app=lambda: app))

            assert result.exit_code == 0, result.output
            for capability in ('ATOMIC_CREATE', 'CHECKSUM', 'MIME', 'NESTED_NAMES'):
                assert f'{capability:15} proven' in result.output
            assert 'kit/tenants/7/fs-prove-' in result.output
            assert sorted(found.filename for found in gridfs.GridFS(database, 'kit').find()) == beside
            # But for those of uploads that were interrupted, which are swept.
            with app.app_context():
                storage.backend.sweep(older_than_s=0)
            assert database['kit.chunks'].count_documents({}) == len(beside)
        finally:
            client.drop_database(fresh_name)
