from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fixture_types import Database
from flask import Flask
from sqlalchemy import Text, bindparam, insert, literal, select, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs.stored import StoredFile
from flask_fs_images.stored import StoredImage
from flask_fs_sqlalchemy import FileColumn, FileReference, ImageColumn, ImageReference


@pytest.fixture
def document(storage: fs.Storage, base: type[DeclarativeBase]) -> Any:
    """A class of rows with a file."""

    class Document(base):  # type: ignore[misc, valid-type]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(Text, default='')
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))

    return Document


@pytest.fixture
def session(document: Any, each_database: Database) -> Any:
    """A session with a database of each kind."""
    with Session(each_database(document)) as session:
        yield session


@pytest.fixture
def quick(document: Any, database: Database) -> Any:
    """A session with SQLite, where the kind of database makes no difference."""
    with Session(database(document)) as session:
        yield session


def raw(session: Session) -> Any:
    """What the database has, as JSON or text."""
    found = session.execute(text('SELECT file FROM document')).scalar_one()
    return json.loads(found) if isinstance(found, str) else found


def test_a_file_is_stored_and_read_back(document: Any, session: Session) -> None:
    row = document()
    row.file.save(io.BytesIO(b'text'), 'a.txt')
    session.add(row)
    session.commit()

    assert raw(session) == {'filename': 'a.txt'}
    assert row.file.read() == b'text'
    assert row.file == FileReference(row.file.fs, 'a.txt')


def test_a_row_without_a_file_has_null(document: Any, session: Session) -> None:
    rows = [document(), document(file=None), document(file='')]
    assert not rows[0].file
    session.add_all(rows)
    session.commit()

    assert session.execute(text('SELECT count(*) FROM document WHERE file IS NULL')).scalar_one() == 3
    assert [bool(row.file) for row in rows] == [False, False, False]
    assert len(session.scalars(select(document).where(document.file.is_(None))).all()) == 3


def test_rows_are_found_by_the_name_of_their_file(document: Any, session: Session) -> None:
    session.add_all([document(file='a.txt'), document(file={'filename': 'b.txt', 'more': 1}), document()])
    session.commit()

    name = document.file['filename'].as_string()
    assert session.scalars(select(name).where(name.is_not(None)).order_by(name)).all() == ['a.txt', 'b.txt']
    assert session.scalars(select(document.id).where(name == 'a.txt')).all() == [1]
    assert session.scalars(select(document.id).where(name.like('b%'))).all() == [2]
    assert session.scalars(select(document.file['filename']).where(name == 'a.txt')).all() == ['a.txt']


@pytest.mark.parametrize(
    'value',
    ['a.txt', {'filename': 'a.txt'}, StoredFile('a.txt'), StoredImage('a.txt'), 'reference'],
    ids=['name', 'form', 'stored', 'stored of a picture', 'reference'],
)
def test_whatever_can_be_assigned_can_be_compared(
    document: Any, storage: fs.Storage, quick: Session, value: Any
) -> None:
    quick.add_all([document(file='a.txt'), document(file='b.txt'), document()])
    quick.flush()
    if value == 'reference':
        value = FileReference(storage, 'a.txt')

    assert quick.scalars(select(document.id).where(document.file == value)).all() == [1]
    assert quick.scalars(select(document.id).where(document.file.in_([value]))).all() == [1]
    assert quick.scalars(select(document.id).where(document.file == bindparam('given')), {'given': value}).all() == [1]


def test_columns_alone_are_references_without_a_row(document: Any, storage: fs.Storage, session: Session) -> None:
    session.add_all([document(file='a.txt'), document()])
    session.commit()

    first, second = session.scalars(select(document.file).order_by(document.id)).all()
    assert first == FileReference(storage, 'a.txt')
    assert (first.instance, bool(second)) == (None, False)
    table = document.__table__
    assert session.execute(select(table.c.file).order_by(table.c.id)).scalars().first() == first


def test_rows_are_inserted_and_updated_in_bulk(document: Any, storage: fs.Storage, session: Session) -> None:
    values = ['a.txt', {'filename': 'b.txt'}, FileReference(storage, 'c.txt'), StoredFile('d.txt'), None]
    session.execute(insert(document), [{'title': str(number), 'file': value} for number, value in enumerate(values)])
    session.execute(update(document).where(document.title == '1').values(file='z.txt'))
    session.commit()

    rows = session.scalars(select(document).order_by(document.id)).all()
    assert [row.file.filename for row in rows] == ['a.txt', 'z.txt', 'c.txt', 'd.txt', None]


def test_an_upload_cannot_be_bound(document: Any, quick: Session) -> None:
    with pytest.raises(StatementError, match=r"column 'document.file': a file cannot be assigned. Store it with row"):
        quick.execute(insert(document), [{'file': io.BytesIO()}])


def test_a_reference_to_another_storage_cannot_be_bound(document: Any, app: Flask, quick: Session) -> None:
    other = fs.Storage('other')
    fs.init_app(app, other)
    with pytest.raises(StatementError, match=r"is not in <Storage 'docs'>. Store its content there with save\(\)"):
        quick.execute(insert(document), [{'file': FileReference(other, 'a.txt')}])
    with pytest.raises(ValueError, match=r"is not in <Storage 'docs'>"):
        select(document).where(document.file == FileReference(other, 'a.txt'))


def test_what_cannot_be_stored_cannot_be_compared(document: Any) -> None:
    with pytest.raises(ValueError, match=r"column 'document.file': this cannot be read as a stored file"):
        document.file == 1  # noqa: B015
    assert str(document.file == document.file).endswith('document.file = document.file')
    assert str(document.file == None).endswith('IS NULL')  # noqa: E711


def test_expressions_may_have_the_type_of_the_column(document: Any, storage: fs.Storage, quick: Session) -> None:
    found = quick.scalar(select(literal('a.txt', document.__table__.c.file.type)))
    assert found == FileReference(storage, 'a.txt')


def test_statements_are_cached(document: Any, quick: Session, recwarn: pytest.WarningsRecorder) -> None:
    """Warnings are errors, so a type without a cache key would fail here."""
    for name in ('a.txt', 'b.txt'):
        quick.scalars(select(document).where(document.file == name)).all()
    assert document.__table__.c.file.type._static_cache_key


# --- Pictures.


def test_a_picture_is_stored_with_what_is_made_from_it(
    storage: fs.Storage, base: Any, each_database: Database, picture: Any
) -> None:
    class Page(base):  # type: ignore[misc]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[ImageReference | None] = mapped_column(ImageColumn(storage, max_size=150, thumbnails=[100, 32]))

    with Session(each_database(base)) as session:
        page = Page()
        page.file.save(picture(), 'a.png', bbox=(0, 0, 10, 10))
        session.add(page)
        session.commit()

        assert raw(session) == {
            'filename': 'a.png',
            'original': 'a-original.png',
            'thumbnails': {'100': 'a-100.png', '32': 'a-32.png'},
            'bbox': [0, 0, 10, 10],
        }
        session.expire_all()
        assert isinstance(page.file, ImageReference)
        assert (page.file.thumbnail(32), page.file.bbox) == ('a-32.png', [0, 0, 10, 10])
        assert session.scalar(select(Page.file['thumbnails']['32'].as_string())) == 'a-32.png'
        assert session.scalar(select(Page.file['thumbnails'])) == {'100': 'a-100.png', '32': 'a-32.png'}


def test_options_reach_the_references(storage: fs.Storage, base: Any, database: Database) -> None:
    class Page(base):  # type: ignore[misc]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(default='t')
        file: Mapped[FileReference | None] = mapped_column(
            FileColumn(storage, upload_to=lambda page: page.title, basename=lambda page: f'file of {page.title}')
        )

    class Upload(io.BytesIO):
        name = 'x.txt'

    page = Page(title='manual')
    assert page.file.save(Upload(b'text')) == 'manual/file of manual.txt'


def test_a_checksum_is_stored_on_request(storage: fs.Storage, base: Any, database: Database) -> None:
    class Page(base):  # type: ignore[misc]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage, checksum=True))

    page = Page()
    page.file.save(io.BytesIO(b''), 'a.txt')
    with Session(database(base)) as session:
        session.add(page)
        session.commit()
        empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
        assert raw(session) == {'filename': 'a.txt', 'checksum': empty}


# --- Text.


@pytest.fixture
def legacy(storage: fs.Storage, base: Any, each_database: Database) -> Any:
    """A class of rows whose files are in a column of text, and a session."""

    class Document(base):
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage, text=True))

    with Session(each_database(base)) as session:
        yield Document, session


def test_a_column_of_text_has_json_and_is_read_with_plain_names(legacy: Any) -> None:
    document, session = legacy
    session.execute(text("INSERT INTO document (id, file) VALUES (1, 'old.txt'), (2, '{x}.txt'), (3, ''), (4, NULL)"))
    session.add(document(id=5, file='new.txt'))
    session.commit()

    rows = session.scalars(select(document).order_by(document.id)).all()
    assert [row.file.filename for row in rows] == ['old.txt', '{x}.txt', None, None, 'new.txt']
    stored = session.execute(text('SELECT file FROM document ORDER BY id')).scalars().all()
    assert stored == ['old.txt', '{x}.txt', '', None, '{"filename": "new.txt"}']


def test_a_column_of_text_is_searched_as_text(legacy: Any) -> None:
    document, session = legacy
    session.add_all([document(file='a.txt'), document(file='b.txt')])
    session.flush()
    assert session.scalars(select(document.id).where(document.file.like('%b.txt%'))).all() == [2]
    assert session.scalars(select(document.id).where(document.file == 'a.txt')).all() == [1]


# --- Declaring.


def test_a_column_needs_a_storage() -> None:
    with pytest.raises(TypeError, match='FileColumn needs a Storage as fs, not str'):
        FileColumn('docs')  # type: ignore[arg-type]


def test_on_delete_has_three_kinds_of_values(storage: fs.Storage) -> None:
    with pytest.raises(ValueError, match="must be 'keep', 'remove' or a function, not 'delete'"):
        FileColumn(storage, on_delete='delete')  # type: ignore[arg-type]


def test_a_file_cannot_be_stored_by_its_path(storage: fs.Storage, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r'Store it with row\.attribute\.save\(file\)'):
        FileColumn(storage)._stored(tmp_path)


def test_a_column_is_shown_with_its_storage(storage: fs.Storage) -> None:
    assert repr(FileColumn(storage)) == "FileColumn(<Storage 'docs'>)"
