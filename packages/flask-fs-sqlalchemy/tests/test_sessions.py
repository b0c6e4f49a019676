"""Files of rows follow the transactions and savepoints of sessions."""

from __future__ import annotations

import gc
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from doc_rows import begin_explicitly, docs, save, stored
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, scoped_session, sessionmaker

from flask_fs_sqlalchemy import FileColumn, FileListColumn, row_files, transaction_files, units

pytestmark = pytest.mark.usefixtures('docs_in_memory')


class Base(DeclarativeBase):
    pass


class Folder(Base):
    __tablename__ = 'folder'
    id: Mapped[int] = mapped_column(primary_key=True)
    papers: Mapped[list[Doc]] = relationship(back_populates='folder', cascade='all, delete-orphan')


class Doc(Base):
    __tablename__ = 'doc'
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    kept: Mapped[Any] = mapped_column(FileColumn(docs), nullable=True)
    folder_id: Mapped[int | None] = mapped_column(sa.ForeignKey('folder.id'))
    folder: Mapped[Folder | None] = relationship(back_populates='papers')


@pytest.fixture
def engine(each_database: Callable[[Any], sa.Engine]) -> sa.Engine:
    """A database with the tables, and no rows."""
    engine = each_database(Base)
    begin_explicitly(engine)
    return engine


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session on that database."""
    with Session(engine) as session:
        yield session


def new(name: str, **values: Any) -> Doc:
    """A row that no session has, with a file."""
    doc = Doc(**values)
    save(doc, name)
    return doc


def committed(engine: sa.Engine) -> list[str | None]:
    """The files that rows refer to, as another session sees them."""
    with Session(engine) as other:
        return sorted(doc.file.filename for doc in other.scalars(sa.select(Doc)) if doc.file)


# --- The whole transaction.


def test_a_commit_keeps_the_file_of_a_new_row(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


@pytest.mark.parametrize('flushes', [False, True])
@pytest.mark.parametrize('end', ['rollback', 'close', 'reset', 'invalidate'])
def test_without_a_commit_the_file_of_a_new_row_goes(session: Session, end: str, flushes: bool) -> None:
    doc = new('a.txt')
    session.add(doc)
    if flushes:
        session.flush()
    if not hasattr(session, end):
        pytest.skip(f'This SQLAlchemy has no session.{end}()')
    getattr(session, end)()
    assert stored() == []
    assert not doc.file


def test_a_row_that_was_rolled_back_can_be_stored_with_another_file(engine: sa.Engine, session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.flush()
    session.rollback()
    session.add(doc)
    save(doc, 'b.txt')
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_a_row_that_was_rolled_back_and_is_stored_again_refers_to_no_missing_file(session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.rollback()
    session.add(doc)
    session.commit()
    assert not doc.file
    assert stored() == []


def test_a_with_block_that_ends_without_commit_leaves_no_file(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(new('a.txt'))
        session.flush()
    assert stored() == []


def test_a_block_of_begin_commits(engine: sa.Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(new('a.txt'))
    assert stored() == committed(engine) == ['a.txt']


def test_a_block_of_begin_that_fails_removes_the_file(engine: sa.Engine) -> None:
    def fail() -> None:
        with sessionmaker(engine).begin() as session:
            session.add(new('a.txt'))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stored() == []


def test_a_replaced_file_goes_after_the_commit(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    assert stored() == ['a.txt', 'b.txt']
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_a_replaced_file_stays_if_the_transaction_is_rolled_back(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    session.rollback()
    assert stored() == committed(engine) == ['a.txt']
    assert doc.file.filename == 'a.txt'


def test_a_detached_row_refers_to_its_former_file_after_close(engine: sa.Engine) -> None:
    session = Session(engine, expire_on_commit=False)
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.close()
    assert doc.file.filename == 'a.txt'
    with Session(engine) as other:
        other.add(doc)
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_files_that_are_to_be_kept_stay(session: Session) -> None:
    doc = Doc()
    session.add(doc)
    doc.kept.save(io.BytesIO(), 'a.txt')
    session.commit()
    doc.kept.save(io.BytesIO(), 'b.txt')
    session.commit()
    session.delete(doc)
    session.commit()
    assert stored() == ['a.txt', 'b.txt']


def test_a_file_that_is_kept_otherwise_goes_if_it_was_never_committed(session: Session) -> None:
    doc = Doc()
    session.add(doc)
    doc.kept.save(io.BytesIO(), 'a.txt')
    session.rollback()
    assert stored() == []


def test_setting_none_removes_the_file_after_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file = None
    session.flush()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == []


@pytest.mark.parametrize('row_exists', [True, False], ids=['of a stored row', 'of a new row'])
def test_a_file_that_a_row_refers_to_no_more_when_it_is_written_goes(session: Session, row_exists: bool) -> None:
    """Nothing in memory refers to it either by then."""
    session.add(doc := Doc())
    if row_exists:
        session.commit()
    doc.file.save(io.BytesIO(), 'a.txt')
    doc.file = None
    doc.files.new().save(io.BytesIO(), 'b.txt')
    doc.files.new().save(io.BytesIO(), 'c.txt')
    doc.files.pop(0)
    doc.kept.save(io.BytesIO(), 'd.txt')
    doc.kept = None
    gc.collect()
    session.commit()
    assert stored() == ['c.txt', 'd.txt']


def test_deleting_the_file_of_a_row_waits_for_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file.delete()
    assert stored() == ['a.txt']
    session.rollback()
    assert doc.file.filename == 'a.txt'
    doc.file.delete()
    session.commit()
    assert stored() == []


def test_a_deleted_row_takes_its_files_along_after_the_commit(session: Session) -> None:
    session.add(doc := new('a.txt'))
    doc.files.new().save(io.BytesIO(), 'b.txt')
    session.commit()
    session.delete(doc)
    session.flush()
    assert stored() == ['a.txt', 'b.txt']
    session.commit()
    assert stored() == []


def test_a_deleted_row_keeps_its_files_if_that_is_rolled_back(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.delete(doc)
    session.flush()
    session.rollback()
    session.commit()
    assert stored() == ['a.txt']


def test_a_row_that_is_deleted_without_being_loaded_in_full_takes_its_files_along(session: Session) -> None:
    session.add(new('a.txt'))
    session.commit()
    session.expunge_all()
    doc = session.scalars(sa.select(Doc).options(sa.orm.load_only(Doc.id))).one()
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_replacing_and_deleting_at_once_removes_both_files(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_replacing_flushing_and_deleting_removes_both_files(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    session.delete(doc)
    session.commit()
    assert stored() == []


def test_a_file_that_was_replaced_before_it_was_written_goes(session: Session) -> None:
    session.add(doc := new('a.txt'))
    save(doc, 'b.txt')
    session.commit()
    save(doc, 'c.txt')
    save(doc, 'd.txt')
    session.commit()
    assert stored() == ['d.txt']


def test_a_file_that_a_row_returns_to_stays(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    save(doc, 'b.txt')
    session.flush()
    doc.file = 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_file_that_moves_to_another_attribute_or_row_stays(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    doc.kept, doc.file = doc.file, None
    session.commit()
    assert stored() == ['a.txt']
    session.add(Doc(file='a.txt'))
    session.delete(doc)
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_file_of_a_deleted_row_stays_for_a_new_row(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.add(Doc(file=doc.file))
    session.delete(doc)
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_items_of_lists_are_removed_one_by_one(session: Session) -> None:
    session.add(doc := Doc())
    for name in ('a.txt', 'b.txt', 'c.txt'):
        doc.files.new().save(io.BytesIO(), name)
    session.commit()
    del doc.files[1]
    session.flush()
    doc.files.new().save(io.BytesIO(), 'd.txt')
    session.rollback()
    assert stored() == ['a.txt', 'b.txt', 'c.txt']
    doc.files[1].save(io.BytesIO(), 'e.txt')
    session.commit()
    assert stored() == ['a.txt', 'c.txt', 'e.txt']
    doc.files = []
    session.commit()
    assert stored() == []


def test_a_list_of_a_row_that_was_rolled_back_has_no_missing_file(session: Session) -> None:
    session.add(doc := Doc())
    doc.files.new().save(io.BytesIO(), 'a.txt')
    session.flush()
    session.rollback()
    session.add(doc)
    session.commit()
    assert [item.filename for item in doc.files] == stored() == []


def test_a_storage_that_replaces_files_keeps_the_old_content_until_the_commit(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, 'overwrite', True)
    session.add(doc := new('a.txt'))
    session.commit()
    doc.file.save(io.BytesIO(b'second'), 'a.txt')
    session.flush()
    session.rollback()
    assert doc.file.read() == b'a.txt'
    doc.file.save(io.BytesIO(b'third'), 'a.txt')
    session.commit()
    assert doc.file.read() == b'third'
    assert stored() == [doc.file.filename]


# --- Savepoints.


def test_a_savepoint_that_is_rolled_back_takes_its_files_along(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    savepoint = session.begin_nested()
    session.add(new('b.txt'))
    session.flush()
    savepoint.rollback()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_savepoint_that_is_released_leaves_its_files_to_the_transaction(session: Session) -> None:
    with session.begin_nested():
        session.add(new('a.txt'))
    assert stored() == ['a.txt']
    session.rollback()
    assert stored() == []


@pytest.mark.parametrize('ends', range(16))
def test_savepoints_nest(engine: sa.Engine, session: Session, ends: int) -> None:
    """Each of the three levels, and the transaction, is committed or rolled back."""
    commits = [bool(ends >> level & 1) for level in range(4)]
    levels = [session.begin()]
    for level in range(4):
        if level:
            levels.append(session.begin_nested())
        session.add(new(f'{level}.txt'))
        session.flush()
    for level, transaction in reversed(list(enumerate(levels))):
        transaction.commit() if commits[level] else transaction.rollback()
    stays = []
    for level in range(4):
        if not commits[level]:
            break
        stays.append(f'{level}.txt')
    assert stored() == committed(engine) == stays


def test_a_commit_releases_open_savepoints(engine: sa.Engine, session: Session) -> None:
    session.begin_nested()
    session.add(new('a.txt'))
    session.begin_nested()
    session.add(new('b.txt'))
    session.commit()
    assert stored() == committed(engine) == ['a.txt', 'b.txt']


def test_the_end_of_a_block_releases_open_savepoints(engine: sa.Engine) -> None:
    with Session(engine) as session:
        with session.begin():
            session.add(doc := new('a.txt'))
            session.begin_nested()
            session.begin_nested()
            save(doc, 'b.txt')
        assert stored() == committed(engine) == ['b.txt']


def test_a_roll_back_ends_open_savepoints(session: Session) -> None:
    session.begin_nested()
    session.add(new('a.txt'))
    session.begin_nested()
    session.add(new('b.txt'))
    session.flush()
    session.rollback()
    assert stored() == []


def test_a_file_that_is_replaced_in_a_savepoint_stays_if_that_is_rolled_back(
    engine: sa.Engine, session: Session
) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    with session.begin_nested() as savepoint:
        save(doc, 'b.txt')
        session.flush()
        savepoint.rollback()
    assert doc.file.filename == 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_row_that_is_deleted_in_a_savepoint_keeps_its_file_if_that_is_rolled_back(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    with session.begin_nested() as savepoint:
        session.delete(doc)
        session.flush()
        savepoint.rollback()
    session.commit()
    assert stored() == ['a.txt']


def test_a_savepoint_can_be_tried_until_it_succeeds(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt', title='one'))
    session.flush()
    for title in ('one', 'two'):
        try:
            with session.begin_nested():
                session.add(new('b.txt', title=title))
        except IntegrityError:
            assert stored() == ['a.txt']
    session.commit()
    assert stored() == committed(engine) == ['a.txt', 'b.txt']


def test_a_row_whose_flush_is_put_off_goes_with_the_savepoint_in_which_it_is_written(session: Session) -> None:
    with session.no_autoflush:
        session.add(new('a.txt'))
        savepoint = session.begin_nested()
        session.add(new('b.txt'))
        savepoint.rollback()
    assert stored() == ['a.txt']
    session.commit()
    assert stored() == ['a.txt']


# --- Commits that fail.


def test_a_flush_that_fails_in_a_commit_removes_the_file(engine: sa.Engine, session: Session) -> None:
    session.add(Doc(title='one'))
    session.commit()
    session.add(new('a.txt', title='one'))
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    assert stored() == committed(engine) == []


def test_a_flush_that_fails_without_roll_back_removes_the_file_on_close(session: Session) -> None:
    session.add(Doc(title='one'))
    session.commit()
    session.add(new('a.txt', title='one'))
    with pytest.raises(IntegrityError):
        session.flush()
    session.close()
    assert stored() == []


def test_a_listener_that_refuses_the_commit_removes_nothing_before_the_roll_back(session: Session) -> None:
    def refuse(_: Session) -> None:
        raise ZeroDivisionError

    session.add(doc := new('a.txt'))
    session.commit()
    event.listen(session, 'before_commit', refuse)
    save(doc, 'b.txt')
    with pytest.raises(ZeroDivisionError):
        session.commit()
    event.remove(session, 'before_commit', refuse)
    session.rollback()
    assert stored() == ['a.txt']


def test_rows_that_a_listener_adds_before_the_commit_are_a_part_of_it(engine: sa.Engine, session: Session) -> None:
    more = [new('b.txt')]
    session.add(doc := new('a.txt'))
    session.commit()
    event.listen(session, 'before_commit', lambda session: session.add_all(more))
    event.listen(session, 'after_flush_postexec', lambda session, _: more and setattr(more.pop(), 'title', 'late'))
    save(doc, 'c.txt')
    session.commit()
    assert stored() == committed(engine) == ['b.txt', 'c.txt']


# --- Rows without a session.


def test_the_file_of_a_row_that_is_never_added_goes_with_the_row() -> None:
    new('a.txt')
    gc.collect()
    units.settle_forsaken()
    assert stored() == []


def test_files_of_collected_rows_go_when_the_next_one_gets_a_file(session: Session) -> None:
    new('a.txt')
    gc.collect()
    session.add(new('b.txt'))
    assert stored() == ['b.txt']


def test_the_file_of_a_session_that_is_forgotten_goes_with_it(engine: sa.Engine) -> None:
    session = Session(engine)
    session.add(new('a.txt'))
    session.flush()
    session.add(new('b.txt'))
    del session
    gc.collect()
    units.settle_forsaken()
    assert stored() == []


def test_a_file_that_was_stored_before_the_row_was_added_goes_with_the_transaction(session: Session) -> None:
    doc = new('a.txt')
    session.add(doc)
    session.rollback()
    assert stored() == []


def test_rows_that_are_added_by_a_cascade_take_their_files_along(engine: sa.Engine, session: Session) -> None:
    session.add(folder := Folder())
    session.commit()
    folder.papers.append(new('a.txt'))
    session.rollback()
    assert stored() == []
    session.add(Folder(papers=[new('b.txt')]))
    session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_orphans_that_a_cascade_deletes_take_their_files_along(session: Session) -> None:
    session.add(folder := Folder(papers=[new('a.txt'), new('b.txt')]))
    session.commit()
    del folder.papers[0]
    session.commit()
    assert stored() == ['b.txt']
    session.delete(folder)
    session.commit()
    assert stored() == []


def test_a_row_that_becomes_an_orphan_before_it_was_written_takes_its_file_along(session: Session) -> None:
    session.add(folder := Folder(papers=[new('a.txt')]))
    del folder.papers[0]
    session.commit()
    gc.collect()
    units.settle_forsaken()
    assert stored() == []


def test_a_row_that_is_expunged_before_it_was_written_takes_its_file_along(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    session.commit()
    assert stored() == ['a.txt']
    with Session(engine) as other:
        other.add(doc)
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_row_that_is_expunged_and_collected_takes_its_file_along(session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    session.commit()
    del doc
    gc.collect()
    units.settle_forsaken()
    assert stored() == []


def test_a_row_can_move_to_another_session_before_it_is_written(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.expunge(doc)
    with Session(engine) as other:
        other.add(doc)
        session.close()
        other.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_detached_row_joins_its_next_session(engine: sa.Engine, session: Session) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    session.expunge(doc)
    save(doc, 'b.txt')
    with Session(engine) as other:
        other.add(doc)
        other.rollback()
    assert stored() == ['a.txt']


def test_a_merged_row_keeps_the_file_of_the_original(engine: sa.Engine, session: Session) -> None:
    merged = session.merge(new('a.txt'))
    gc.collect()
    units.settle_forsaken()
    assert merged.file.filename == 'a.txt'
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_a_merged_row_that_is_rolled_back_removes_the_file_of_the_original(session: Session) -> None:
    doc = new('a.txt')
    merged = session.merge(doc)
    session.flush()
    session.rollback()
    assert stored() == []
    assert not doc.file
    assert not merged.file


def test_a_file_that_is_assigned_by_name_stays_while_either_row_has_it(engine: sa.Engine, session: Session) -> None:
    doc = new('a.txt')
    session.add(Doc(file=doc.file.filename))
    del doc
    gc.collect()
    units.settle_forsaken()
    session.commit()
    assert stored() == committed(engine) == ['a.txt']


def test_bulk_inserts_of_rows_keep_their_files(engine: sa.Engine, session: Session) -> None:
    session.bulk_save_objects([new('a.txt')])
    session.commit()
    gc.collect()
    units.settle_forsaken()
    assert stored() == committed(engine) == ['a.txt']


# --- Sessions.


def test_a_session_that_does_not_begin_by_itself_stores_nothing_before_begin(engine: sa.Engine) -> None:
    with Session(engine, autobegin=False) as session:
        with session.begin():
            session.add(doc := Doc())
        with pytest.raises(InvalidRequestError, match=r'session\.begin\(\)'):
            save(doc, 'a.txt')
        assert stored() == []


def test_a_file_saved_between_transactions_begins_one(engine: sa.Engine) -> None:
    with Session(engine, expire_on_commit=False) as session:
        session.add(doc := Doc())
        session.commit()
        save(doc, 'a.txt')
        session.rollback()
        assert stored() == []
        save(doc, 'b.txt')
        session.commit()
    assert stored() == committed(engine) == ['b.txt']


def test_scoped_sessions_that_are_removed_without_commit_leave_no_file(engine: sa.Engine) -> None:
    scoped = scoped_session(sessionmaker(engine))
    scoped.add(new('a.txt'))
    scoped.flush()
    scoped.remove()
    assert stored() == []


def test_two_sessions_do_not_share_files(engine: sa.Engine, session: Session) -> None:
    session.add(new('a.txt'))
    with Session(engine) as other:
        other.add(new('b.txt'))
        session.commit()
        other.rollback()
    assert stored() == committed(engine) == ['a.txt']


def test_nothing_is_held_for_sessions_without_files(session: Session) -> None:
    session.add(Doc(title='one'))
    session.add(Folder())
    session.flush()
    with session.begin_nested():
        session.add(Folder())
    session.commit()
    assert session.scalars(sa.select(Folder)).all()
    session.close()
    assert not transaction_files._open
    assert not row_files.by_row


def test_files_stay_if_the_transaction_of_the_application_around_a_session_goes_on(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.connect() as connection:
        with connection.begin() as outer:
            with Session(connection) as session:
                session.add(doc := new('a.txt'))
                session.commit()
                save(doc, 'b.txt')
                session.commit()
            assert stored() == ['a.txt', 'b.txt']
            outer.rollback()
        assert stored() == []
        with connection.begin(), Session(connection) as session:
            session.add(new('c.txt'))
            session.commit()
        with caplog.at_level(logging.ERROR):
            assert stored() == committed(engine) == ['c.txt']


def test_a_session_in_savepoints_of_a_test_leaves_no_file(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode='create_savepoint') as session:
            session.add(new('a.txt'))
            session.commit()
            session.add(new('b.txt'))
            session.rollback()
            assert stored() == ['a.txt']
        outer.rollback()
    assert stored() == []


# --- What it costs.


@pytest.fixture
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    """The statements that the database gets."""
    seen: list[str] = []
    event.listen(engine, 'before_cursor_execute', lambda *given: seen.append(given[2].split()[0]))
    return seen


def test_no_statement_is_added_to_a_load_and_a_first_save(
    engine: sa.Engine, session: Session, statements: list[str]
) -> None:
    session.add(new('a.txt'))
    session.commit()
    assert [each for each in statements if each != 'BEGIN'] == ['INSERT']
    statements.clear()
    [doc] = session.scalars(sa.select(Doc))
    assert doc.file.filename == 'a.txt'
    assert [each for each in statements if each != 'BEGIN'] == ['SELECT']


def test_a_replacement_reads_the_row_once(engine: sa.Engine, session: Session, statements: list[str]) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    statements.clear()
    save(doc, 'b.txt')
    session.commit()
    lock = ['UPDATE'] if engine.dialect.name == 'sqlite' else []
    assert statements == [*lock, 'SELECT', 'UPDATE']


def test_a_change_without_files_adds_no_statement(session: Session, statements: list[str]) -> None:
    session.add(doc := new('a.txt'))
    session.commit()
    session.refresh(doc)
    statements.clear()
    doc.title = 'other'
    doc.kept = None
    session.commit()
    assert statements == ['UPDATE']


# --- Mappings.


class Item(Base):
    __tablename__ = 'item'
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    cover: Mapped[Any] = mapped_column(
        FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True, deferred=True
    )
    __mapper_args__ = {'polymorphic_on': 'kind', 'polymorphic_identity': 'item'}  # noqa: RUF012  # as SQLAlchemy has it


class Book(Item):
    __tablename__ = 'book'
    id: Mapped[int] = mapped_column(sa.ForeignKey('item.id'), primary_key=True)
    text: Mapped[Any] = mapped_column('body', FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    __mapper_args__ = {'polymorphic_identity': 'book'}  # noqa: RUF012  # as above


class Comic(Book):
    pictures: Mapped[Any] = mapped_column(FileListColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)
    __mapper_args__ = {'polymorphic_identity': 'comic'}  # noqa: RUF012  # as above


class Place(Base):
    __tablename__ = 'place'
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    file: Mapped[Any] = mapped_column(FileColumn(docs, on_delete='remove', on_replace='remove'), nullable=True)


def test_rows_of_joined_tables_are_cleaned_up(session: Session) -> None:
    comic = Comic(id=1)
    comic.cover.save(io.BytesIO(), 'cover.txt')
    comic.text.save(io.BytesIO(), 'text.txt')
    comic.pictures.new().save(io.BytesIO(), 'picture.txt')
    session.add(comic)
    session.commit()
    session.expunge_all()
    # It is loaded as a row of the first table, without what is deferred.
    item: Any = session.get(Item, 1)
    item.cover = None
    item.text.save(io.BytesIO(), 'second.txt')
    session.commit()
    assert stored() == ['picture.txt', 'second.txt']
    session.delete(item)
    session.commit()
    assert stored() == []


def test_only_the_row_with_the_whole_key_is_cleaned_up(session: Session) -> None:
    for seat in (1, 2):
        session.add(place := Place(row=1, seat=seat))
        place.file.save(io.BytesIO(), f'{seat}.txt')
    session.commit()
    session.delete(place)
    session.commit()
    assert stored() == ['1.txt']


def test_a_row_whose_key_changes_with_its_file_is_found_by_its_former_key(session: Session) -> None:
    session.add(doc := new('a.txt', id=1))
    session.commit()
    doc.id = 2
    save(doc, 'b.txt')
    session.commit()
    assert stored() == ['b.txt']


def test_a_function_decides_what_is_removed_by_what_was_stored(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def decide(reference: Any) -> bool:
        seen.append(reference.read())
        return bool(reference.filename == 'a.txt')

    monkeypatch.setattr(Doc.__table__.c.file.type, 'on_replace', decide)
    session.add(doc := new('a.txt'))
    session.commit()
    for name in ('b.txt', 'c.txt'):
        save(doc, name)
        session.commit()
    assert seen == [b'a.txt', b'b.txt']
    assert stored() == ['b.txt', 'c.txt']
