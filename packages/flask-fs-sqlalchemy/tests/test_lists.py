"""Columns of several files: lists of references that report their changes."""

from __future__ import annotations

import copy
import gc
import io
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fixture_types import Database
from flask import Flask
from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import (
    FileColumn,
    FileList,
    FileListColumn,
    FileReference,
    ImageListColumn,
    ImageReference,
    MalformedReferenceWarning,
)

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Folder(Base):
    """At the top level of a module, so that it can be pickled."""

    __tablename__ = 'folder'
    id: Mapped[int] = mapped_column(primary_key=True)
    files: Mapped[FileList[FileReference]] = mapped_column(FileListColumn(docs, upload_to=lambda row: f'of-{row.id}'))
    pictures: Mapped[FileList[ImageReference]] = mapped_column(ImageListColumn(docs, thumbnails=[10]))
    as_text: Mapped[FileList[FileReference] | None] = mapped_column(FileListColumn(docs, text=True))
    single: Mapped[FileReference | None] = mapped_column(FileColumn(docs))


@pytest.fixture(autouse=True)
def storage(app: Flask) -> fs.Storage:
    """A storage in memory."""
    fs.init_app(app, docs)
    return docs


@pytest.fixture
def session(strict_database: Database) -> Iterator[Session]:
    with Session(strict_database(Base)) as session:
        yield session


@pytest.fixture
def row(session: Session) -> Folder:
    """A row with two files, in the database and loaded."""
    row = Folder(id=1, files=['a.txt', 'b.txt'])
    session.add(row)
    session.commit()
    assert names(row) == ['a.txt', 'b.txt']
    return row


def names(row: Folder) -> list[str | None]:
    return [item.filename for item in row.files]


def stored(session: Session, column: str = 'files') -> Any:
    """What the database has, once it has the changes."""
    session.flush()
    found = session.execute(text(f'SELECT {column} FROM folder')).scalar_one()
    return json.loads(found) if isinstance(found, str) else found


def test_lists_are_stored_and_read_back(each_database: Database, statements: list[str]) -> None:
    with Session(each_database(Base)) as session:
        row = Folder(files=['a.txt', {'filename': 'b.txt'}, FileReference(docs, 'c.txt')], as_text=['d.txt'])
        session.add(row)
        session.commit()
        assert stored(session) == [{'filename': name} for name in ('a.txt', 'b.txt', 'c.txt')]
        assert stored(session, 'as_text') == [{'filename': 'd.txt'}]
        assert stored(session, 'pictures') == []
        session.expunge_all()
        statements.clear()
        loaded = session.scalars(select(Folder)).one()
        assert names(loaded) == ['a.txt', 'b.txt', 'c.txt']
        assert [item.instance for item in loaded.files] == [loaded] * 3
        assert loaded.pictures == []
        assert len(statements) == 1
        loaded.files.append('e.txt')
        session.commit()
        assert len(loaded.files) == 4


def test_a_list_is_searched_by_its_items(session: Session, row: Folder) -> None:
    assert session.scalars(select(Folder.id).where(Folder.files[1]['filename'].as_string() == 'b.txt')).all() == [1]


def test_a_new_item_joins_the_list_when_it_has_a_file(session: Session, row: Folder) -> None:
    item = row.files.new()
    assert names(row) == ['a.txt', 'b.txt']
    assert item.save(io.BytesIO(b'text'), 'c.txt') == 'of-1/c.txt'
    item.save(io.BytesIO(b'text'), 'd.txt')
    assert names(row) == ['a.txt', 'b.txt', 'of-1/d.txt']
    assert row.files[2] is item
    session.commit()
    assert names(row) == ['a.txt', 'b.txt', 'of-1/d.txt']


def test_pictures_are_stored_with_what_is_made_from_them(session: Session, row: Folder, picture: Any) -> None:
    row.pictures.new().save(picture(), 'p.png')
    session.commit()
    assert stored(session, 'pictures') == [{'filename': 'p.png', 'thumbnails': {'10': 'p-10.png'}}]
    assert isinstance(row.pictures[0], ImageReference)


def test_a_new_row_has_an_empty_list(session: Session) -> None:
    row = Folder()
    assert row.files == []
    row.files.new().save(io.BytesIO(b'text'), 'a.txt')
    session.add(row)
    session.commit()
    assert names(row) == ['of-None/a.txt']


CHANGES: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    'append': (lambda files: files.append('c.txt'), ['a.txt', 'b.txt', 'c.txt']),
    'extend': (lambda files: files.extend(['c.txt', {'filename': 'd.txt'}]), ['a.txt', 'b.txt', 'c.txt', 'd.txt']),
    'extend by itself': (lambda files: files.extend(files), ['a.txt', 'b.txt', 'a.txt', 'b.txt']),
    'insert': (lambda files: files.insert(1, 'c.txt'), ['a.txt', 'c.txt', 'b.txt']),
    'pop': (lambda files: files.pop(), ['a.txt']),
    'pop first': (lambda files: files.pop(0), ['b.txt']),
    'remove': (lambda files: files.remove(FileReference(docs, 'a.txt')), ['b.txt']),
    'clear': (lambda files: files.clear(), []),
    'reverse': (lambda files: files.reverse(), ['b.txt', 'a.txt']),
    'sort': (lambda files: files.sort(key=lambda item: item.filename, reverse=True), ['b.txt', 'a.txt']),
    'set an item': (lambda files: files.__setitem__(0, 'c.txt'), ['c.txt', 'b.txt']),
    'set a slice': (lambda files: files.__setitem__(slice(0, 1), ['c.txt', 'd.txt']), ['c.txt', 'd.txt', 'b.txt']),
    'delete an item': (lambda files: files.__delitem__(0), ['b.txt']),
    'delete a slice': (lambda files: files.__delitem__(slice(None)), []),
    'add in place': (lambda files: files.__iadd__(['c.txt']), ['a.txt', 'b.txt', 'c.txt']),
    'multiply in place': (lambda files: files.__imul__(2), ['a.txt', 'b.txt', 'a.txt', 'b.txt']),
    'swap': (
        lambda files: files.__setitem__(slice(None), [files[1], files[0]]),
        ['b.txt', 'a.txt'],
    ),
    'move': (lambda files: files.append(files.pop(0)), ['b.txt', 'a.txt']),
    'assign an item': (lambda files: files[0].refer_to(files[0].stored_type('c.txt')), ['c.txt', 'b.txt']),
}


@pytest.mark.parametrize('change', CHANGES)
def test_every_change_reaches_the_database(session: Session, row: Folder, change: str) -> None:
    make, expected = CHANGES[change]
    make(row.files)
    assert names(row) == expected
    assert stored(session) == [{'filename': name} for name in expected]
    session.expire_all()
    assert names(row) == expected
    assert all(item.instance is row for item in row.files)
    assert len({id(item) for item in row.files}) == len(expected)


def test_a_deleted_item_is_not_stored(session: Session, row: Folder, storage: fs.Storage) -> None:
    storage.write('a.txt', 'text')
    for item in row.files:
        item.delete()
    assert names(row) == [None, None]
    session.commit()
    assert row.files == []


def test_an_item_that_was_removed_joins_again_when_it_is_saved(session: Session, row: Folder) -> None:
    item = row.files.pop(0)
    item.save(io.BytesIO(b'text'), 'c.txt')
    assert names(row) == ['b.txt', 'of-1/c.txt']


def test_a_list_from_before_a_commit_still_changes_its_row(session: Session, row: Folder) -> None:
    files = row.files
    session.commit()
    files.append('c.txt')
    assert row.files is files
    session.commit()
    assert names(row) == ['a.txt', 'b.txt', 'c.txt']


def test_lists_can_be_assigned(session: Session, row: Folder) -> None:
    files = row.files
    row.files = row.files
    assert row.files is files
    row.files = ['a.txt', FileReference(docs, 'b.txt')]  # type: ignore[assignment]
    assert row.files is files
    assert row not in session.dirty or not session.is_modified(row)
    row.files = ('c.txt',)  # type: ignore[assignment]
    session.commit()
    assert names(row) == ['c.txt']
    row.files = None  # type: ignore[assignment]
    session.commit()
    assert row.files == []


def test_a_list_of_another_row_is_copied(session: Session, row: Folder) -> None:
    other = Folder(id=2, files=row.files)
    session.add(other)
    other.files.append('c.txt')
    session.commit()
    assert (names(row), names(other)) == (['a.txt', 'b.txt'], ['a.txt', 'b.txt', 'c.txt'])
    assert (row.files[0].instance, other.files[0].instance) == (row, other)


def test_an_item_can_be_that_of_another_attribute(session: Session, row: Folder) -> None:
    row.single = row.files[0]
    row.files.append(row.single)
    session.commit()
    assert (row.single.filename, names(row)) == ('a.txt', ['a.txt', 'b.txt', 'a.txt'])
    assert row.single.name == 'single'


@pytest.mark.parametrize('value', ['a.txt', {'filename': 'a.txt'}, 1, b'a.txt'])
def test_what_is_no_list_cannot_be_assigned(row: Folder, value: Any) -> None:
    with pytest.raises(TypeError, match=f"'files' is a list of files: assign a list, not {type(value).__name__}"):
        row.files = value


def test_an_upload_cannot_be_an_item(row: Folder) -> None:
    with pytest.raises(TypeError, match=r"the list 'files': a file cannot be assigned. Store it with"):
        row.files.append(io.BytesIO())
    with pytest.raises(TypeError, match="'files': a file cannot be assigned"):
        row.files = [io.BytesIO()]  # type: ignore[assignment, list-item]
    assert names(row) == ['a.txt', 'b.txt']


def test_rows_are_inserted_and_updated_in_bulk(session: Session) -> None:
    session.execute(insert(Folder), [{'files': ['a.txt'], 'pictures': ()}])
    row = session.scalars(select(Folder)).one()
    session.execute(update(Folder).values(files=['b.txt', 'c.txt']))
    assert names(row) == ['b.txt', 'c.txt']
    assert row.files[1].instance is row
    assert stored(session, 'pictures') == []


def test_columns_alone_are_lists_without_a_row(session: Session, row: Folder) -> None:
    files = session.scalars(select(Folder.files)).one()
    assert ([item.filename for item in files], files.instance) == (['a.txt', 'b.txt'], None)
    files.append('c.txt')
    with pytest.raises(TypeError, match="can't be pickled by itself"):
        pickle.dumps(files)


def test_a_merged_row_has_a_list_of_its_own(session: Session, row: Folder) -> None:
    session.expunge(row)
    row.files.append('c.txt')
    merged = session.merge(row)
    assert (names(merged), merged.files[0].instance) == (['a.txt', 'b.txt', 'c.txt'], merged)
    merged.files.clear()
    session.commit()
    assert (names(merged), len(row.files)) == ([], 3)


def test_a_row_is_pickled_with_its_list(session: Session, row: Folder) -> None:
    copied = pickle.loads(pickle.dumps(row))
    assert (names(copied), copied.files[0].instance) == (['a.txt', 'b.txt'], copied)
    session.expunge_all()
    session.add(copied)
    copied.files.append('c.txt')
    session.commit()
    assert names(copied) == ['a.txt', 'b.txt', 'c.txt']


def test_the_files_of_a_pickled_row_stay_if_the_row_itself_goes(session: Session) -> None:
    row = Folder()
    row.files.new().save(io.BytesIO(b'text'), 'c.txt')
    pickled = pickle.dumps(row)
    del row
    gc.collect()
    session.add(copied := pickle.loads(pickled))
    session.commit()
    assert copied.files[0].read() == b'text'


def test_a_copy_is_a_list_without_a_row(row: Folder) -> None:
    for files in (copy.copy(row.files), copy.deepcopy(row.files)):
        assert files == row.files
        assert type(files) is list
        assert files[0].instance is None


# --- Values that are no lists.


@pytest.mark.parametrize(
    ('value', 'expected'),
    [('NULL', []), ("'[]'", []), ("'plain.txt'", ['plain.txt']), ('\'{"filename": "a.txt"}\'', ['a.txt'])],
)
def test_nothing_a_name_and_a_single_file_are_read(session: Session, row: Folder, value: str, expected: Any) -> None:
    session.execute(text(f'UPDATE folder SET as_text = {value}'))
    session.expire_all()
    assert [item.filename for item in row.as_text or ()] == expected


def test_a_value_that_is_no_list_stays_until_the_list_changes(session: Session, row: Folder) -> None:
    session.execute(text("UPDATE folder SET files = '12'"))
    session.expire_all()
    with pytest.warns(MalformedReferenceWarning, match=r"column 'folder.files' is malformed.* must be a list, not int"):
        assert row.files == []
    assert 'list' in str(row.files.malformed)
    row.single = 'x.txt'  # type: ignore[assignment]
    session.merge(row)
    assert stored(session) == 12
    other = Folder(files=row.files)
    assert other.files.malformed
    row.files.append('a.txt')
    assert row.files.malformed is None
    # To be merged, it is read again.
    with pytest.warns(MalformedReferenceWarning):
        assert stored(session) == [{'filename': 'a.txt'}]


def test_a_malformed_item_stays_where_others_change(session: Session, row: Folder) -> None:
    session.execute(text("""UPDATE folder SET files = '[5, {"filename": "../a"}, "b.txt"]'"""))
    session.expire_all()
    with pytest.warns(MalformedReferenceWarning):
        assert names(row) == [None, None, 'b.txt']
    row.files.append('c.txt')
    with pytest.warns(MalformedReferenceWarning):
        session.flush()
    assert stored(session) == [5, {'filename': '../a'}, {'filename': 'b.txt'}, {'filename': 'c.txt'}]
