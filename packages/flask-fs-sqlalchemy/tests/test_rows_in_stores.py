"""Files of rows in each kind of store."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, ImageColumn
from flask_fs_testing.servers import MongoService, S3Service

server = pytest.mark.server

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    picture: Mapped[Any] = mapped_column(
        ImageColumn(docs, thumbnails=[40], on_delete='remove', on_replace='remove'), nullable=True
    )


@pytest.fixture
def engine(each_database: Callable[[Any], sa.Engine]) -> sa.Engine:
    """A database with the tables, and no rows."""
    return each_database(Base)


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


def stored() -> list[str]:
    """The files that there are."""
    return sorted(docs.list_files())


def save(doc: Doc, name: str) -> None:
    """Give *doc* a file."""
    doc.file.save(io.BytesIO(name.encode()), name)


def committed(engine: sa.Engine) -> list[str | None]:
    """The files that rows refer to, as another session sees them."""
    with Session(engine) as other:
        rows = other.scalars(sa.select(Doc)).all()
        return sorted(name for doc in rows for each in (doc.file, doc.picture) for name in each.stored.files())


@pytest.mark.usefixtures('store')
def test_files_and_rows_agree_in_every_store(engine: sa.Engine, picture: Callable[..., io.BytesIO]) -> None:
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
