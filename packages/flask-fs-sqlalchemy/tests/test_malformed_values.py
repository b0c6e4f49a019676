"""Values in a database that are no files, or hostile: no query fails, and they stay until their attribute changes."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from fixture_types import Database
from sqlalchemy import bindparam, column, insert, select, table, text, type_coerce
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference, ImageColumn, ImageReference, MalformedReferenceWarning

HOSTILE: dict[str, Any] = {
    'a number': 12,
    'a fraction': 1.5,
    'true': True,
    'an empty list': [],
    'a list': ['a.txt'],
    'no filename': {'thumbnails': {'10': 'a.png'}},
    'a filename that is a number': {'filename': 1},
    'a filename that leads elsewhere': {'filename': '../../etc/passwd'},
    'a name that leads elsewhere': '/etc/passwd',
    'a thumbnail that leads elsewhere': {'filename': 'a.png', 'thumbnails': {'10': '../b.png'}},
    'a size that is none': {'filename': 'a.png', 'thumbnails': {'-1': 'b.png'}},
    'a bbox of three numbers': {'filename': 'a.png', 'bbox': [1, 2, 3]},
    'a bbox that is text': {'filename': 'a.png', 'bbox': 'abcd'},
    'deep': {'filename': {'filename': {'filename': 'a'}}},
    'a huge name': {'filename': 'x' * 100_000},
}


@pytest.fixture
def document(storage: fs.Storage, base: type[DeclarativeBase]) -> Any:
    """A class of rows with a file and a picture."""

    class Document(base):  # type: ignore[misc, valid-type]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage))
        picture: Mapped[ImageReference | None] = mapped_column(ImageColumn(storage))

    return Document


def put(session: Session, document: Any, value: Any) -> None:
    """Store *value* in both columns of a new row, without the types of this package."""
    plain_type = document.file.type._plain
    plain = table('document', column('file', plain_type), column('picture', plain_type))
    session.execute(insert(plain).values(file=bindparam('value'), picture=bindparam('value')), {'value': value})
    session.commit()


def unread(session: Session, document: Any, attribute: Any) -> Any:
    return session.execute(select(type_coerce(attribute, attribute.type._plain))).scalar_one()


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.filterwarnings('ignore::flask_fs_sqlalchemy.MalformedReferenceWarning')
def test_no_value_breaks_a_query_and_none_is_changed(
    document: Any, each_database: Database, name: str, storage: fs.Storage
) -> None:
    value = HOSTILE[name]
    with Session(each_database(document)) as session:
        put(session, document, value)
        row = session.scalars(select(document)).one()
        assert row.picture.filename in (None, 'a.png', 'x' * 100_000)
        assert row.file.instance is row
        row.id = 7
        session.commit()
        session.merge(row)
        session.commit()
        assert unread(session, document, document.file) == value
        assert unread(session, document, document.picture) == value

        row.file.save(io.BytesIO(b'text'), 'new.txt')
        row.picture = None
        session.commit()
        assert unread(session, document, document.file) == {'filename': 'new.txt'}
        assert unread(session, document, document.picture) is None


def test_a_warning_names_the_column(document: Any, database: Database) -> None:
    with Session(database(document)) as session:
        put(session, document, {'filename': '../a'})
        with pytest.warns(MalformedReferenceWarning) as caught:
            row = session.scalars(select(document)).one()
    assert sorted(str(warning.message).partition(' is malformed')[0] for warning in caught) == [
        "A value of column 'document.file'",
        "A value of column 'document.picture'",
    ]
    assert row.file.malformed


def test_a_malformed_value_that_is_assigned_elsewhere_is_kept(document: Any, database: Database) -> None:
    with Session(database(document)) as session:
        put(session, document, 12)
        with pytest.warns(MalformedReferenceWarning):
            row = session.scalars(select(document)).one()
        other = document(file=row.file)
        session.add(other)
        session.flush()
        assert session.execute(text('SELECT file FROM document')).scalars().all() == [12, 12]


@pytest.mark.parametrize(
    ('value', 'filename'),
    [
        ('plain.txt', 'plain.txt'),
        ('{"filename": ', '{"filename": '),
        ('', None),
        ('null', None),
        ('"quoted.txt"', 'quoted.txt'),
    ],
)
def test_text_that_is_no_json_is_a_name(document: Any, database: Database, value: str, filename: str | None) -> None:
    """SQLite does not check what a column of JSON has."""
    with Session(database(document)) as session:
        session.execute(text('INSERT INTO document (file) VALUES (:value)'), {'value': value})
        assert session.scalars(select(document)).one().file.filename == filename


@pytest.mark.filterwarnings('ignore::flask_fs_sqlalchemy.MalformedReferenceWarning')
@pytest.mark.parametrize('value', ['[' * 100_000, '9' * 10_000, b'\xff\xfe', '{"filename": "\\ud800"}', 1.5])
@pytest.mark.parametrize('as_text', [False, True])
def test_what_cannot_even_be_decoded_breaks_no_query(
    storage: fs.Storage, base: Any, database: Database, value: Any, as_text: bool
) -> None:
    class Document(base):  # type: ignore[misc]
        __tablename__ = 'document'
        id: Mapped[int] = mapped_column(primary_key=True)
        file: Mapped[FileReference | None] = mapped_column(FileColumn(storage, text=as_text))

    with Session(database(base)) as session:
        session.execute(text('INSERT INTO document (file) VALUES (:value)'), {'value': value})
        session.commit()
        row = session.scalars(select(Document)).one()
        assert row.file.filename in (None, value, str(value))
        assert session.execute(select(type_coerce(Document.file, Document.__table__.c.file.type._plain))).all()
        row.file = 'a.txt'  # type: ignore[assignment]
        session.commit()
        assert row.file.filename == 'a.txt'


@pytest.mark.filterwarnings('ignore::flask_fs_sqlalchemy.MalformedReferenceWarning')
@pytest.mark.parametrize('value', ['[' * 3000 + ']' * 3000, '9' * 10_000, '{"filename": 1e9000}'])
def test_json_that_python_cannot_decode_breaks_no_query(document: Any, each_database: Database, value: str) -> None:
    with Session(each_database(document)) as session:
        if session.get_bind().dialect.name == 'mysql':
            value = value.replace('1e9000', '9' * 10_000)
            value = value if value[0] != '[' else '[' * 30 + ']' * 30  # MariaDB has a limit of its own
        session.execute(text('INSERT INTO document (file, picture) VALUES (:value, :value)'), {'value': value})
        session.commit()
        row = session.scalars(select(document)).one()
        assert not row.file
        assert not row.picture
        session.commit()
        row.file = 'a.txt'
        row.picture = row.picture
        session.commit()
        assert row.file.filename == 'a.txt'
        assert session.scalars(select(document.file).union(select(document.file))).one() == row.file
        assert session.scalars(select(document.file).group_by(document.file)).one() == row.file


def test_json_null_is_no_file(document: Any, each_database: Database) -> None:
    with Session(each_database(document)) as session:
        session.execute(text("INSERT INTO document (file) VALUES ('null')"))
        session.commit()
        assert not session.scalars(select(document)).one().file


def test_other_keys_stay_until_the_file_changes(document: Any, database: Database) -> None:
    with Session(database(document)) as session:
        put(session, document, {'filename': 'a.txt', 'scanned': True})
        row = session.scalars(select(document)).one()
        copied = document(file=row.file)
        session.add(copied)
        session.flush()
        stored = session.execute(text('SELECT file FROM document WHERE id = 2')).scalar_one()
        assert json.loads(stored) == {'filename': 'a.txt', 'scanned': True}


def test_read_returns_what_a_value_refers_to_without_a_warning(storage: fs.Storage) -> None:
    files_type = ImageColumn(storage)
    assert [stored.filename for stored in files_type._read('a.png')] == ['a.png']
    assert files_type._read(None) == []
    [stored] = files_type._read(12)
    assert (stored.filename, stored.raw, bool(stored.problem)) == (None, 12, True)


def test_a_function_that_fails_to_read_a_value_breaks_no_query(storage: fs.Storage) -> None:
    def read(value: Any) -> Any:
        return value['key']

    [stored] = FileColumn(storage, reads=read)._read({'other': 1})
    assert stored.problem == "KeyError: 'key'"
    assert stored.raw == {'other': 1}
