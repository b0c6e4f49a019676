"""What happens to the files of a row as the row is changed, loaded again, copied and sent elsewhere."""

from __future__ import annotations

import copy
import gc
import io
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from fixture_types import Database
from flask import Flask
from sqlalchemy import Engine, Text, event, func, insert, inspect, null, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    object_session,
)

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileReference, ImageColumn, ImageReference

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Document(Base):
    """At the top level of a module, so that it can be pickled."""

    __tablename__ = 'document'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text, default='')
    file: Mapped[FileReference | None] = mapped_column(FileColumn(docs, upload_to=lambda row: row.title))
    picture: Mapped[ImageReference | None] = mapped_column(ImageColumn(docs, thumbnails=[10]))
    known: Mapped[FileReference | None] = mapped_column(FileColumn(docs), default='default.txt')
    computed: Mapped[FileReference | None] = mapped_column(FileColumn(docs), default=lambda: 'computed.txt')
    by_server: Mapped[FileReference | None] = mapped_column(
        FileColumn(docs), server_default='{"filename": "server.txt"}'
    )


@pytest.fixture(autouse=True)
def storage(app: Flask) -> fs.Storage:
    """A storage in memory."""
    fs.init_app(app, docs)
    return docs


@pytest.fixture
def engine(strict_database: Database) -> Engine:
    return strict_database(Base)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def upload(content: bytes = b'text') -> io.BytesIO:
    return io.BytesIO(content)


def stored(session: Session, **values: Any) -> Document:
    """A row that is in the database, and not loaded."""
    row = Document(**values)
    session.add(row)
    session.commit()
    return row


def only(values: Any) -> Any:
    [value] = values
    return value


# --- Changes.


def test_a_saved_file_is_the_only_column_that_is_written(session: Session, statements: list[str]) -> None:
    row = stored(session, file='a.txt', title='x')
    row.file.save(upload(), 'b.txt')
    statements.clear()
    session.commit()
    [statement] = statements
    assert statement.startswith('UPDATE document SET file=')
    assert ',' not in statement
    assert row.file.filename == 'x/b.txt'


def test_deleting_a_file_is_a_change(session: Session, storage: fs.Storage) -> None:
    row = stored(session)
    row.file.save(upload(), 'a.txt')
    session.commit()
    row.file.delete()
    session.commit()
    assert not row.file
    assert session.scalar(select(func.count()).where(Document.file.is_(None))) == 1


def test_a_file_can_be_replaced_twice(session: Session) -> None:
    row = stored(session)
    for name in ('a.txt', 'b.txt'):
        row.file.save(upload(), name)
        session.flush()
    session.commit()
    assert row.file.filename == 'b.txt'


def test_a_rerendered_picture_is_a_change(session: Session, picture: Any) -> None:
    row = stored(session)
    row.picture.save(picture(), 'a.png')
    session.commit()
    row.picture.thumbnail_sizes = (10, 20)
    row.picture.rerender()
    session.commit()
    assert set(row.picture.thumbnails) == {10, 20}


@pytest.mark.parametrize('value', ['b.txt', {'filename': 'b.txt'}, None, ''])
def test_names_forms_and_none_can_be_assigned(session: Session, value: Any) -> None:
    row = stored(session, file='a.txt')
    row.file = value
    assert row.file.filename == ('b.txt' if value else None)
    assert (row.file.instance, row.file.name) == (row, 'file')
    session.commit()
    assert row.file.filename == ('b.txt' if value else None)


def test_what_is_assigned_already_is_no_change(session: Session, statements: list[str]) -> None:
    row = stored(session, file='a.txt')
    reference = row.file
    row.file = 'a.txt'
    row.file = reference
    assert row.file is reference
    statements.clear()
    session.flush()
    assert statements == []


def test_a_reference_of_another_row_is_copied(session: Session) -> None:
    one, other = stored(session, file='a.txt'), stored(session)
    other.file = one.file
    assert other.file is not one.file
    assert (one.file.instance, other.file.instance) == (one, other)
    other.file.save(upload(), 'b.txt')
    assert one.file.filename == 'a.txt'


def test_a_picture_is_assigned_with_all_of_its_files(session: Session, picture: Any) -> None:
    one, other = stored(session), stored(session)
    one.picture.save(picture(), 'a.png')
    other.picture = one.picture
    other.file = one.picture
    session.commit()
    assert other.picture == one.picture
    assert other.file.filename == 'a.png'


def test_a_reference_without_a_row_gets_the_options_of_the_column(session: Session) -> None:
    row = stored(session, title='folder', file=FileReference(docs, 'a.txt'))
    row.file.save(upload(), 'b.txt')
    assert row.file.filename == 'folder/b.txt'


def test_a_reference_of_another_storage_cannot_be_assigned(app: Flask) -> None:
    other = fs.Storage('other')
    fs.init_app(app, other)
    row = Document()
    with pytest.raises(ValueError, match=r"'file': <FileReference 'a.txt' in <Storage 'other'>> is not in <Storage"):
        row.file = FileReference(other, 'a.txt')
    row.file = FileReference(other)
    assert not row.file


def test_an_upload_cannot_be_assigned() -> None:
    row = Document()
    with pytest.raises(TypeError, match=r"'file': a file cannot be assigned. Store it with row.attribute.save"):
        row.file = upload()  # type: ignore[assignment]
    with pytest.raises(TypeError, match='a file cannot be assigned'):
        Document(file=upload())


@pytest.mark.parametrize('value', ['../a.txt', 1, ['a.txt'], {'filename': 1}])
def test_what_is_no_file_cannot_be_assigned(value: Any) -> None:
    with pytest.raises(ValueError, match="'file': this cannot be read as a stored file"):
        Document(file=value)


def test_an_expression_can_be_assigned(session: Session) -> None:
    row = stored(session, file='a.txt')
    row.file = select(Document.file).where(Document.id == row.id).scalar_subquery()  # type: ignore[assignment]
    session.commit()
    assert row.file.filename == 'a.txt'
    row.file = null()  # type: ignore[assignment]
    session.commit()
    assert not row.file
    assert row.file.instance is row


def test_history_has_what_was_assigned_before(session: Session) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    row.file = 'b.txt'
    history = inspect(row).attrs.file.history
    assert (only(history.added).filename, only(history.deleted).filename) == ('b.txt', 'a.txt')


# --- Loading.


def test_rows_are_loaded_by_one_statement(session: Session, statements: list[str]) -> None:
    session.add_all([Document(file=f'{number}.txt', title=str(number)) for number in range(50)])
    session.commit()
    session.expunge_all()
    statements.clear()
    rows = session.scalars(select(Document).order_by(Document.id)).all()
    assert [row.file.filename for row in rows] == [f'{number}.txt' for number in range(50)]
    assert all(row.file.instance is row and not row.picture for row in rows)
    assert len(statements) == 1


def test_an_expired_row_gets_new_references(session: Session, statements: list[str]) -> None:
    row = stored(session, file='a.txt')
    before = row.file
    session.execute(text("""UPDATE document SET file = '{"filename": "b.txt"}'"""))
    session.expire(row, ['file'])
    statements.clear()
    assert (row.file.filename, row.file.instance, len(statements)) == ('b.txt', row, 1)
    assert before.filename == 'a.txt'


def test_a_refreshed_row_gets_new_references(session: Session) -> None:
    row = stored(session, file='a.txt')
    row.file = 'c.txt'
    with session.no_autoflush:
        session.refresh(row)
    assert (row.file.filename, row.file.instance) == ('a.txt', row)


def test_populate_existing_replaces_references(session: Session) -> None:
    row = stored(session, file='a.txt')
    row.file = 'c.txt'
    with session.no_autoflush:
        session.scalars(select(Document).execution_options(populate_existing=True)).all()
    assert (row.file.filename, row.file.instance) == ('a.txt', row)


def test_a_roll_back_brings_back_what_was_loaded(session: Session) -> None:
    row = stored(session, file='a.txt')
    row.file = 'b.txt'
    session.rollback()
    assert row.file.filename == 'a.txt'


def test_a_reference_from_before_a_commit_still_changes_its_row(session: Session) -> None:
    row = stored(session, file='a.txt')
    reference = row.file
    session.commit()
    reference.save(upload(), 'b.txt')
    assert row.file is reference
    session.commit()
    assert row.file.filename == 'b.txt'


def test_a_reference_that_was_replaced_takes_its_place_again_when_it_is_saved(session: Session) -> None:
    row = stored(session, file='a.txt')
    former = row.file
    row.file = 'b.txt'
    former.save(upload(), 'c.txt')
    assert row.file is former
    session.commit()
    assert row.file.filename == 'c.txt'


def test_a_row_needs_no_other_reference_than_that_of_its_file(session: Session) -> None:
    stored(session, file='a.txt', title='x')
    session.expunge_all()
    reference = session.scalars(select(Document)).one().file
    reference.save(upload(), 'b.txt')
    session.commit()
    assert session.scalars(select(Document)).one().file.filename == 'x/b.txt'


def test_rows_that_an_update_changes_in_memory_have_references(session: Session, statements: list[str]) -> None:
    rows = [stored(session, file='a.txt'), stored(session, file='b.txt')]
    assert all(row.file for row in rows)
    given = FileReference(docs, 'c.txt')
    session.execute(update(Document).values(file=given), execution_options={'synchronize_session': 'evaluate'})
    assert [(row.file.filename, row.file.instance is row) for row in rows] == [('c.txt', True)] * 2
    session.execute(update(Document).values(file='d.txt'), execution_options={'synchronize_session': 'fetch'})
    assert [(row.file.filename, row.file.instance is row) for row in rows] == [('d.txt', True)] * 2


def test_inserted_rows_that_are_returned_have_references(session: Session) -> None:
    row = session.scalars(insert(Document).returning(Document), [{'file': 'a.txt', 'title': ''}]).one()
    assert (row.file.filename, row.file.instance, row.by_server.filename) == ('a.txt', row, 'server.txt')


def test_rows_can_be_saved_in_bulk(session: Session) -> None:
    row = Document(file='a.txt')
    session.bulk_save_objects([row])
    session.bulk_insert_mappings(inspect(Document), [{'file': 'b.txt'}])
    session.bulk_update_mappings(inspect(Document), [{'id': 2, 'file': 'c.txt'}])
    session.commit()
    assert [found.file.filename for found in session.scalars(select(Document).order_by(Document.id))] == [
        'a.txt',
        'c.txt',
    ]


def test_rows_in_memory_are_found_by_their_file(session: Session) -> None:
    rows = [stored(session, file='a.txt'), stored(session, file='b.txt')]
    assert all(row.file for row in rows)
    statement = update(Document).where(Document.file == 'a.txt').values(title='found')
    session.execute(statement, execution_options={'synchronize_session': 'evaluate'})
    assert [row.title for row in rows] == ['found', '']


# --- Defaults.


def test_defaults_apply_where_there_is_no_file(session: Session) -> None:
    untouched, read, emptied = Document(), Document(), Document(known=None, computed=None, by_server=None)
    assert (read.known.filename, read.computed.filename, read.by_server.filename) == ('default.txt', None, None)
    session.add_all([untouched, read, emptied])
    session.flush()
    for row in (untouched, read, emptied):
        names = (row.known.filename, row.computed.filename, row.by_server.filename)
        assert names == ('default.txt', 'computed.txt', 'server.txt')
        assert row.known.instance is row.computed.instance is row.by_server.instance is row
    session.commit()
    assert untouched.computed.filename == 'computed.txt'


def test_the_file_of_a_default_is_never_removed(session: Session, storage: fs.Storage) -> None:
    storage.write('default.txt', 'shared')
    row = stored(session)
    row.known.delete()
    session.commit()
    assert storage.exists('default.txt')


def test_a_default_can_be_replaced(session: Session) -> None:
    row = Document()
    row.computed.save(upload(), 'mine.txt')
    session.add(row)
    session.commit()
    assert row.computed.filename == 'mine.txt'


# --- Copies.


def test_a_merged_row_has_references_of_its_own(session: Session, engine: Engine) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    session.expunge(row)
    row.file = 'b.txt'
    merged = session.merge(row)
    assert merged is not row
    assert (merged.file.filename, merged.file.instance, row.file.instance) == ('b.txt', merged, row)
    session.commit()
    assert merged.file.filename == 'b.txt'
    merged.file.save(upload(), 'c.txt')
    assert row.file.filename == 'b.txt'


def test_a_row_that_is_merged_without_a_query_has_references_of_its_own(
    session: Session, engine: Engine, statements: list[str]
) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    session.expunge(row)
    statements.clear()
    merged = session.merge(row, load=False)
    assert (merged.file.filename, merged.file.instance, row.file.instance) == ('a.txt', merged, row)
    assert statements == []
    again = session.merge(row, load=False)
    assert again is merged
    merged.file.save(upload(), 'c.txt')
    session.commit()
    assert merged.file.filename == 'c.txt'


def test_an_unchanged_row_is_merged_without_a_change(session: Session, statements: list[str]) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    session.expunge(row)
    session.merge(row)
    statements.clear()
    session.flush()
    assert statements == []


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_row_is_pickled_with_its_files(session: Session, protocol: int) -> None:
    row = stored(session, file='a.txt', picture={'filename': 'b.png', 'thumbnails': {'10': 'c.png'}}, title='x')
    assert row.file
    copied = pickle.loads(pickle.dumps(row, protocol))
    assert (copied.file.filename, copied.file.instance, copied.picture.thumbnail(10)) == ('a.txt', copied, 'c.png')
    copied.file.save(upload(), 'new.txt')
    session.expunge_all()
    session.add(copied)
    session.commit()
    assert copied.file.filename == 'x/new.txt'


def test_a_pickled_row_keeps_its_changes(session: Session) -> None:
    row = stored(session, file='a.txt')
    row.file.save(upload(), 'b.txt')
    copied = pickle.loads(pickle.dumps(row))
    session.expunge_all()
    session.add(copied)
    session.commit()
    assert copied.file.filename == 'b.txt'


def test_the_file_of_a_pickled_row_stays_if_the_row_itself_goes(session: Session) -> None:
    row = Document()
    row.file.save(upload(), 'b.txt')
    pickled = pickle.dumps(row)
    del row
    gc.collect()
    session.add(copied := pickle.loads(pickled))
    session.commit()
    assert copied.file.read() == b'text'


def test_a_reference_is_pickled_with_its_row(session: Session) -> None:
    row = stored(session, file='a.txt')
    reference = pickle.loads(pickle.dumps(row.file))
    assert reference == row.file
    assert reference.instance.file is reference


def test_a_reference_without_a_row_is_not_pickled(session: Session) -> None:
    stored(session, file='a.txt')
    reference = session.scalars(select(Document.file)).one()
    with pytest.raises(TypeError, match="can't be pickled by itself"):
        pickle.dumps(reference)


def test_a_copied_reference_has_no_row(session: Session) -> None:
    row = stored(session, file='a.txt')
    for twin in (copy.copy(row.file), copy.deepcopy(row.file)):
        assert twin == row.file
        assert twin.instance is None


def test_a_row_can_be_made_transient(session: Session) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    make_transient(row)
    row.id = None  # type: ignore[assignment]
    row.file.save(upload(), 'b.txt')
    session.add(row)
    session.commit()
    assert [found.file.filename for found in session.scalars(select(Document).order_by(Document.id))] == [
        'a.txt',
        'b.txt',
    ]


def test_a_row_can_be_attached_without_a_query(session: Session) -> None:
    stored(session, file='a.txt')
    session.expunge_all()
    row = Document(id=1)
    make_transient_to_detached(row)
    session.add(row)
    assert (row.file.filename, row.file.instance) == ('a.txt', row)


def test_a_detached_row_keeps_its_files(session: Session) -> None:
    row = stored(session, file='a.txt')
    assert row.file
    session.expunge(row)
    row.file.save(upload(), 'b.txt')
    assert object_session(row) is None
    session.add(row)
    session.commit()
    assert row.file.filename == 'b.txt'


def test_events_of_the_application_get_references(session: Session) -> None:
    seen: list[Any] = []

    def record(row: Any, value: Any, old: Any, initiator: Any) -> None:
        seen.append((type(value), type(old)))

    event.listen(Document.file, 'set', record)
    try:
        row = Document(file='a.txt')
        row.file = 'b.txt'
    finally:
        event.remove(Document.file, 'set', record)
    assert seen[-1] == (FileReference, FileReference)
