"""What a unit of work writes into a journal, and when."""

from __future__ import annotations

import gc
import io
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs_testing.doubles import FaultyBackend, wrap


@pytest.fixture
def old(storage: fs.Storage, app: Flask) -> fs.Storage:
    """The storage with one file."""
    storage.write('old.txt', 'old')
    return storage


def test_a_file_is_in_it_before_it_is_stored(old: fs.Storage, journal: Any) -> None:
    def check(sender: Any, filename: str) -> None:
        assert journal.files == [('created', filename)]

    with fs.file_saving.connected_to(check), fs.unit(journal=journal) as unit:
        unit.write(old, 'a.txt', 'new')


def test_entries_of_files_that_stay_are_removed_with_the_commit(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.save(old, io.BytesIO(b'new'), 'b.txt')
    unit.remove(old, 'old.txt')
    unit.prepare('the connection')
    assert journal.files == [('unused', 'old.txt')]
    unit.commit()
    assert journal.calls == [
        ('pending', 'a.txt'),
        ('pending', 'b.txt'),
        ('settle', 'a.txt', 'b.txt', 'the connection'),
        ('unused', ('files', 'old.txt'), 'the connection'),
        ('done', 'old.txt'),
    ]


def test_nothing_is_written_for_a_unit_without_files(app: Flask, journal: Any) -> None:
    with fs.unit(journal=journal):
        pass
    fs.unit(journal=journal).roll_back()
    assert journal.calls == []


def test_entries_of_files_that_are_rolled_back_are_removed_afterwards(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.write(old, 'b.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.roll_back()
    assert journal.calls[2:] == [('done', 'b.txt', 'a.txt')]


def test_a_commit_without_preparing_settles_afterwards(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.commit()
    assert journal.files == []
    assert list(old.list_files()) == ['a.txt']


def test_a_journal_of_another_database_is_settled_after_the_commit(old: fs.Storage, make_journal: Any) -> None:
    journal = make_journal(joins=False)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.prepare()
    assert journal.files == [('created', 'a.txt'), ('unused', 'old.txt')]
    unit.commit()
    assert journal.files == []


def test_a_journal_of_another_database_is_settled_after_the_roll_back(old: fs.Storage, make_journal: Any) -> None:
    journal = make_journal(joins=False)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.prepare()
    unit.roll_back()
    assert journal.files == []
    assert list(old.list_files()) == ['old.txt']


def test_preparing_again_writes_only_what_is_new(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.prepare()
    unit.prepare()
    assert journal.calls[1:] == [('settle', 'a.txt', None), ('unused', ('files', 'old.txt'), None)]
    unit.write(old, 'b.txt', 'new')
    unit.remove(old, 'a.txt')
    unit.prepare()
    assert journal.calls[4:] == [('settle', 'b.txt', None), ('unused', ('files', 'a.txt'), None)]
    unit.commit()
    assert journal.files == []
    assert list(old.list_files()) == ['b.txt']


def test_a_file_that_is_created_and_removed_keeps_its_entry_until_it_is_gone(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'a.txt')
    unit.prepare()
    assert journal.files == [('created', 'a.txt')]
    unit.commit()
    assert journal.calls == [('pending', 'a.txt'), ('done', 'a.txt')]


def test_another_name_is_written_down_before_it_is_tried(old: fs.Storage, journal: Any) -> None:
    with fs.unit(journal=journal) as unit:
        unit.save(old, io.BytesIO(b'new'), 'old.txt', conflict='rename')
    assert journal.calls == [('pending', 'old.txt'), ('renamed', 'old_1.txt'), ('settle', 'old_1.txt', None)]


def test_a_file_is_written_down_by_its_whole_name_in_the_storage_itself(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.write(old.scoped('folder'), 'a.txt', 'new')
    unit.save(old.scoped('folder'), io.BytesIO(b'new'), 'a.txt', conflict='rename')
    unit.remove(old.scoped('other'), 'b.txt')
    unit.prepare()
    names = [call[1] for call in journal.calls if call[0] in ('pending', 'renamed')]
    assert names == ['folder/a.txt', 'folder/a.txt', 'folder/a_1.txt']
    assert journal.files == [('unused', 'other/b.txt')]
    unit.commit()


@pytest.mark.parametrize('refused', ['old.txt', 'a.png', '../a'])
def test_what_is_refused_leaves_no_entry(refused: str, app: Flask, journal: Any) -> None:
    storage = fs.Storage('texts', fs.TEXT)
    fs.init_app(app, storage)
    storage.write('old.txt', 'old')
    with fs.unit(journal=journal) as unit, pytest.raises(fs.FSError):
        unit.save(storage, io.BytesIO(b'new'), refused)
    assert journal.files == []


def test_what_may_be_stored_all_the_same_keeps_its_entry(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    with wrap(old, FaultyBackend) as backend:
        backend.fail_next('put')
        with pytest.raises(fs.Unavailable):
            unit.write(old, 'a.txt', 'new')
    unit.roll_back()
    unit.commit()
    assert journal.files == [('created', 'a.txt')]


@pytest.mark.parametrize('end', ['commit', 'roll_back'])
def test_a_file_that_could_not_be_removed_keeps_its_entry(end: str, old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    for name in ('a.txt', 'b.txt'):
        unit.write(old, name, 'new')
    unit.remove(old, 'old.txt')
    if end == 'commit':
        unit.remove(old, 'a.txt', 'b.txt')
    with wrap(old, FaultyBackend) as backend:
        backend.fail_next('remove', fs.PermissionDenied, when='a.txt'.__eq__)
        unit.prepare()
        getattr(journal, end)()
        getattr(unit, end)()
    assert journal.files == [('created', 'a.txt')]


def test_late_entries_stay_if_a_file_could_not_be_rolled_back(old: fs.Storage, make_journal: Any) -> None:
    journal = make_journal(joins=False)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.prepare()
    with wrap(old, FaultyBackend) as backend:
        backend.fail_next('remove')
        unit.roll_back()
    assert journal.files == [('created', 'a.txt')]


def test_an_abandoned_unit_keeps_its_entries(
    old: fs.Storage, make_journal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # Units that other tests dropped log, too.
    gc.collect()
    caplog.clear()
    journal = make_journal(joins=False)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.prepare()
    unit.abandon()
    del unit
    gc.collect()
    assert journal.files == [('created', 'a.txt'), ('unused', 'old.txt')]
    assert "'a.txt' in storage 'files' was created, and stays: the journal has it." in caplog.text
    assert len(caplog.records) == 2


def test_nothing_is_stored_if_it_cannot_be_written_down(old: fs.Storage, journal: Any, monkeypatch: Any) -> None:
    def fail(*_: Any) -> None:
        raise LookupError('no journal')

    monkeypatch.setattr(journal, 'pending', fail)
    with fs.unit(journal=journal) as unit, pytest.raises(LookupError):
        unit.write(old, 'a.txt', 'new')
    assert list(old.list_files()) == ['old.txt']


def test_nothing_is_stored_under_a_name_that_cannot_be_written_down(
    old: fs.Storage, journal: Any, monkeypatch: Any
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError('no journal')

    monkeypatch.setattr(journal, 'renamed', fail)
    with fs.unit(journal=journal) as unit, pytest.raises(LookupError):
        unit.save(old, io.BytesIO(b'new'), 'old.txt', conflict='rename')
    assert list(old.list_files()) == ['old.txt']
    assert journal.files == []


@pytest.mark.parametrize('verb', ['settle', 'unused'])
def test_if_it_fails_before_the_commit_the_unit_can_be_rolled_back(
    verb: str, old: fs.Storage, journal: Any, monkeypatch: Any
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError('no journal')

    monkeypatch.setattr(journal, verb, fail)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    with pytest.raises(LookupError):
        unit.prepare()
    journal.roll_back()
    unit.roll_back()
    assert list(old.list_files()) == ['old.txt']
    assert journal.files == []


@pytest.mark.parametrize('error', [LookupError, KeyboardInterrupt])
def test_if_it_fails_at_the_end_of_the_block_nothing_is_removed(
    error: type[BaseException], old: fs.Storage, journal: Any, monkeypatch: Any
) -> None:
    """A database may have been committed in the block, and refer to the new file."""

    def fail(*_: Any) -> None:
        raise error('no journal')

    monkeypatch.setattr(journal, 'settle', fail)

    def change() -> None:
        with fs.unit(journal=journal) as unit:
            unit.write(old, 'a.txt', 'new')
            unit.remove(old, 'old.txt')

    with pytest.raises(error, match='no journal'):
        change()
    assert sorted(old.list_files()) == ['a.txt', 'old.txt']
    assert journal.files == [('created', 'a.txt')]


@pytest.mark.parametrize('end', ['commit', 'roll_back'])
def test_one_that_fails_afterwards_is_logged(
    end: str, old: fs.Storage, journal: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError('no journal')

    monkeypatch.setattr(journal, 'done', fail)
    unit = fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.prepare()
    getattr(unit, end)()
    assert list(old.list_files()) == ['a.txt' if end == 'commit' else 'old.txt']
    assert 'no journal' in caplog.text


# --- Several units.


def test_nested_units_have_the_journal_of_their_parent(old: fs.Storage, journal: Any) -> None:
    with fs.unit(journal=journal) as unit:
        with unit.nested() as nested:
            nested.write(old, 'a.txt', 'new')
            nested.remove(old, 'old.txt')
        assert journal.files == [('created', 'a.txt')]
        nested.write(old, 'b.txt', 'new')
        nested.roll_back()
        assert journal.files == [('created', 'a.txt')]
    assert journal.calls[-3:] == [
        ('settle', 'a.txt', None),
        ('unused', ('files', 'old.txt'), None),
        ('done', 'old.txt'),
    ]


def test_files_of_a_unit_without_a_journal_are_written_down_when_it_is_taken_over(
    old: fs.Storage, journal: Any
) -> None:
    unit, other = fs.unit(journal=journal), fs.unit()
    other.write(old, 'a.txt', 'new')
    other.remove(old, 'old.txt')
    unit.merge(other)
    assert journal.files == [('created', 'a.txt')]
    unit.prepare()
    assert journal.files == [('unused', 'old.txt')]
    unit.commit()
    assert journal.files == []


def test_files_that_cannot_be_written_down_then_are_taken_over_all_the_same(
    old: fs.Storage, journal: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError('no journal')

    monkeypatch.setattr(journal, 'pending', fail)
    unit, other = fs.unit(journal=journal), fs.unit()
    other.write(old, 'a.txt', 'new')
    unit.merge(other)
    assert "'a.txt' in storage 'files' could not be recorded in the journal" in caplog.text
    unit.prepare()
    unit.roll_back()
    assert list(old.list_files()) == ['old.txt']


def test_each_file_keeps_its_journal(old: fs.Storage, make_journal: Any) -> None:
    one, two = make_journal(), make_journal()
    unit, other = fs.unit(journal=one), fs.unit(journal=two)
    unit.write(old, 'a.txt', 'new')
    other.write(old, 'b.txt', 'new')
    unit.merge(other)
    unit.prepare()
    assert ('settle', 'a.txt', None) in one.calls
    assert ('settle', 'b.txt', None) in two.calls
    unit.commit()
    assert one.files == two.files == []


def test_a_journal_that_equals_that_of_the_unit_hands_its_entries_to_it(old: fs.Storage, make_journal: Any) -> None:
    database: dict[str, Any] = {}

    class OfSession(make_journal):  # type: ignore[misc]  # a fixture
        def __init__(self) -> None:
            super().__init__()
            self.kept = database

        def __eq__(self, other: object) -> bool:
            return isinstance(other, OfSession)

        __hash__ = None  # type: ignore[assignment]

    one, two = OfSession(), OfSession()
    unit, other = fs.unit(journal=one), fs.unit(journal=two)
    other.write(old, 'a.txt', 'new')
    unit.merge(other)
    unit.prepare('the connection')
    assert one.calls == [('settle', 'a.txt', 'the connection')]
    unit.commit()


def test_the_journal_is_used_in_the_application_of_the_file(make_app: Any, make_journal: Any) -> None:
    from flask import current_app

    seen = []

    class Watching(make_journal):  # type: ignore[misc]  # a fixture
        def done(self, entries: Any) -> None:
            seen.append(current_app.name)
            super().done(entries)

    storage, journal = fs.Storage('files', fs.ALL), Watching()
    app, _other = (make_app(storage, FS_BACKEND='memory') for _ in range(2))
    unit = fs.unit(journal=journal)
    with app.app_context():
        unit.write(storage, 'a.txt', 'new')
    unit.roll_back()
    assert seen == [app.name]
    assert journal.files == []


def test_a_file_that_is_kept_leaves_no_entry(old: fs.Storage, journal: Any) -> None:
    unit = fs.unit(journal=journal)
    unit.remove(old, 'old.txt')
    unit.prepare()
    unit.keep(old, 'old.txt')
    assert unit.is_empty
    unit.commit()
    assert list(journal.entries(0)) == []
    assert old.exists('old.txt')


@pytest.mark.parametrize('is_kept', [False, True])
def test_entries_of_files_that_somebody_else_has_removed_are_settled_too(
    old: fs.Storage, journal: Any, is_kept: bool
) -> None:
    unit, other = fs.unit(journal=journal), fs.unit(journal=journal)
    unit.write(old, 'a.txt', 'first')
    old.delete('a.txt')
    other.write(old, 'a.txt', 'second')
    unit.merge(other)
    if is_kept:
        unit.prepare()
        assert ('settle', 'a.txt', 'a.txt', None) in journal.calls
        unit.commit()
    else:
        unit.roll_back()
    assert journal.files == []
    assert ('a.txt' in old) is is_kept
