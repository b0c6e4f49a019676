"""Files of rows in each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from doc_rows import Doc, committed, docs, save, stored
from fixture_types import Picture
from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import flask_fs as fs
from flask_fs_testing.servers import MongoService, S3Service

server = pytest.mark.server


@pytest.fixture(params=['local', pytest.param('s3', marks=server), pytest.param('gridfs', marks=server)])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_name: str) -> Iterator[None]:
    """The files are in a store of each kind, in an application that is current."""
    app = Flask(__name__)
    app.config.update(FS_BACKEND=request.param, FS_ROOT=str(tmp_path / 'files'))
    if request.param == 's3':
        s3: S3Service = request.getfixturevalue('s3_service')
        app.config.update(
            FS_S3_ENDPOINT=s3.endpoint,
            FS_S3_ACCESS_KEY=s3.access_key,
            FS_S3_SECRET_KEY=s3.secret_key,
            FS_S3_REGION=s3.region,
            DOCS_FS_BUCKET_NAME=fresh_name,
        )
    if request.param == 'gridfs':
        mongo: MongoService = request.getfixturevalue('mongo_service')
        app.config.update(FS_GRIDFS_MONGO_URL=mongo.url, FS_GRIDFS_MONGO_DB=fresh_name)
    with app.app_context():
        fs.init_app(app, docs)
        yield
        docs.delete_many(list(docs.list_files()))


@pytest.mark.usefixtures('store')
def test_files_and_rows_agree_in_every_store(engine: sa.Engine, picture: Picture) -> None:
    def in_agreement(count: int) -> bool:
        return stored() == committed(engine) and len(stored()) == count

    with Session(engine) as session:
        session.add(doc := Doc(title='one'))
        save(doc, 'a.txt')
        doc.picture.save(picture(), 'p.png')
        session.flush()
        session.rollback()
        assert in_agreement(0)
        session.add(doc)
        save(doc, 'a.txt')
        doc.picture.save(picture(), 'p.png')
        session.commit()
        assert in_agreement(3)
        with session.begin_nested() as savepoint:
            save(doc, 'b.txt')
            doc.picture.save(picture(), 'q.png')
            session.flush()
            savepoint.rollback()
        session.commit()
        assert in_agreement(3)
        doc.picture.rerender()
        session.rollback()
        assert in_agreement(3)
        doc.picture.rerender()
        save(doc, 'c.txt')
        session.commit()
        assert in_agreement(3)
        assert doc.picture.exists()
        assert doc.file.read() == b'c.txt'
        session.add(other := Doc(title='one'))
        save(other, 'd.txt')
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        assert in_agreement(3)
        session.delete(doc)
        session.commit()
        assert in_agreement(0)
