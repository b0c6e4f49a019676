"""Files stored and removed together with something else."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs_testing.doubles import FaultyBackend, wrap

ERRORS = [RuntimeError, KeyboardInterrupt]


def files(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in sorted(storage.list_files())}


@pytest.fixture
def old(storage: fs.Storage, app: Flask) -> fs.Storage:
    """The storage with one file."""
    storage.write('old.txt', 'old')
    return storage


# --- How it ends.


def test_leaving_the_block_commits(old: fs.Storage) -> None:
    with fs.unit() as unit:
        assert unit.write(old, 'a.txt', 'new') == 'a.txt'
        unit.remove(old, 'old.txt')
        assert files(old) == {'a.txt': b'new', 'old.txt': b'old'}
        assert not unit.is_empty
    assert files(old) == {'a.txt': b'new'}
    assert unit.is_empty


@pytest.mark.parametrize('error', ERRORS)
def test_leaving_it_by_an_exception_rolls_back(error: type[BaseException], old: fs.Storage) -> None:
    unit = fs.unit()

    def change() -> None:
        with unit:
            unit.write(old, 'a.txt', 'new')
            unit.remove(old, 'old.txt')
            raise error

    with pytest.raises(error):
        change()
    assert files(old) == {'old.txt': b'old'}
    assert unit.is_empty


def test_a_unit_without_files_is_empty_and_ends(app: Flask) -> None:
    unit = fs.unit()
    for end in (unit.prepare, unit.commit, unit.roll_back, unit.abandon):
        end()
        assert unit.is_empty
    assert list(unit.created) == []


def test_one_that_has_ended_can_be_used_again(old: fs.Storage) -> None:
    unit = fs.unit()
    for name in ('a.txt', 'b.txt'):
        unit.write(old, name, 'new')
        unit.commit()
    unit.write(old, 'c.txt', 'new')
    unit.roll_back()
    unit.remove(old, 'a.txt')
    unit.commit()
    assert list(files(old)) == ['b.txt', 'old.txt']


def test_what_was_committed_is_not_rolled_back(old: fs.Storage) -> None:
    unit = fs.unit()
    unit.write(old, 'a.txt', 'new')
    unit.commit()
    unit.roll_back()
    assert list(files(old)) == ['a.txt', 'old.txt']


def test_an_abandoned_one_removes_nothing_and_logs_all(old: fs.Storage, caplog: pytest.LogCaptureFixture) -> None:
    unit = fs.unit()
    unit.write(old, 'a.txt', 'new')
    nested = unit.nested()
    nested.write(old, 'b.txt', 'new')
    unit.remove(old, 'old.txt')
    unit.abandon()
    unit.roll_back()
    unit.commit()
    nested.roll_back()
    assert list(files(old)) == ['a.txt', 'b.txt', 'old.txt']
    for name, what in (('a.txt', 'was created'), ('b.txt', 'was created'), ('old.txt', 'was to be removed')):
        assert f"Whether a unit of work was committed is unknown. '{name}' in storage 'files' {what}" in caplog.text


def test_one_that_is_dropped_removes_nothing_and_logs_all(old: fs.Storage, caplog: pytest.LogCaptureFixture) -> None:
    unit = fs.unit()
    unit.write(old, 'a.txt', 'new')
    unit.remove(old, 'old.txt')
    del unit
    gc.collect()
    assert list(files(old)) == ['a.txt', 'old.txt']
    text = 'A unit of work was neither committed nor rolled back. %r in storage %r %s, and stays: check whether anything refers to it.'
    messages = [text % ('a.txt', 'files', 'was created'), text % ('old.txt', 'files', 'was to be removed')]
    assert [record.getMessage() for record in caplog.records] == messages


def test_one_that_has_ended_is_dropped_silently(old: fs.Storage, caplog: pytest.LogCaptureFixture) -> None:
    with fs.unit() as unit:
        unit.write(old, 'a.txt', 'new')
        unit.nested().write(old, 'b.txt', 'new')
        unit.roll_back()
    del unit
    gc.collect()
    assert caplog.records == []


# --- Saving.


def test_a_file_is_saved_as_the_storage_does(app: Flask) -> None:
    def folder() -> str:
        return 'up'

    storage = fs.Storage('pages', ('txt',), upload_to=folder, basename='page')
    fs.init_app(app, storage)
    unit = fs.unit()
    assert unit.save(storage, FileStorage(io.BytesIO(b'x'), 'x.txt')) == 'up/page.txt'
    assert unit.save(storage, io.BytesIO(b'x'), 'a.txt', 'more') == 'up/more/a.txt'
    assert unit.save(storage, io.BytesIO(b'x'), 'a.txt', upload_to='') == 'a.txt'
    with pytest.raises(fs.UnauthorizedFileType):
        unit.save(storage, io.BytesIO(b'x'), 'a.png')
    with pytest.raises(fs.NoFile):
        unit.save(storage, None)
    with pytest.raises(fs.InvalidFilename):
        unit.save(storage, io.BytesIO(b'x'))
    assert list(unit.created) == [(storage, 'up/page.txt'), (storage, 'up/more/a.txt'), (storage, 'a.txt')]
    unit.roll_back()
    assert files(storage) == {}


def test_attributes_are_stored(make_app: Any) -> None:
    storage, kept = fs.Storage('files', fs.ALL), fs.Storage('kept', fs.ALL, overwrite=True)
    with make_app(storage, kept, FS_BACKEND='memory').app_context(), fs.unit() as unit:
        unit.save(storage, io.BytesIO(b'x'), 'a.txt', cache_control='no-store')
        for one in (storage, kept):
            unit.write(one, 'b.txt', 'x', cache_control='no-store')
    stored = [storage.stat('a.txt'), storage.stat('b.txt'), kept.stat('b.txt')]
    assert [info.attributes.cache_control for info in stored] == ['no-store'] * 3


@pytest.mark.parametrize('how', [{'overwrite': True}, {'conflict': 'replace'}, {'conflict': 'rename'}], ids=str)
def test_no_file_is_replaced_in_place(how: Any, old: fs.Storage) -> None:
    unit = fs.unit()
    assert unit.save(old, io.BytesIO(b'new'), 'old.txt', **how) == 'old_1.txt'
    assert files(old) == {'old.txt': b'old', 'old_1.txt': b'new'}
    unit.roll_back()
    assert files(old) == {'old.txt': b'old'}


def test_a_storage_that_overwrites_does_not_within_a_unit(app: Flask) -> None:
    storage = fs.Storage('overwriting', fs.ALL, overwrite=True)
    fs.init_app(app, storage)
    storage.write('a.txt', 'old')
    with fs.unit() as unit:
        assert unit.save(storage, io.BytesIO(b'new'), 'a.txt') == 'a_1.txt'
        assert unit.write(storage, 'a.txt', b'new') == 'a_2.txt'
        with pytest.raises(fs.FileExists):
            unit.save(storage, io.BytesIO(b'new'), 'a.txt', conflict='error')
    assert files(storage) == {'a.txt': b'old', 'a_1.txt': b'new', 'a_2.txt': b'new'}


def test_an_existing_name_is_refused(old: fs.Storage) -> None:
    with fs.unit() as unit:
        with pytest.raises(fs.FileExists):
            unit.save(old, io.BytesIO(b'new'), 'old.txt')
        with pytest.raises(fs.FileExists):
            unit.write(old, 'old.txt', 'new')
        with pytest.raises(ValueError, match='contradicts'):
            unit.save(old, io.BytesIO(b'new'), 'old.txt', overwrite=True, conflict='error')
    assert files(old) == {'old.txt': b'old'}


def test_a_name_that_becomes_available_on_commit_is_another_one_until_then(old: fs.Storage) -> None:
    with fs.unit() as unit:
        unit.remove(old, 'old.txt')
        assert unit.write(old, 'old.txt', 'new') == 'old_1.txt'
        with unit.nested() as nested:
            assert nested.save(old, io.BytesIO(b'new'), 'old.txt') == 'old_2.txt'
    assert files(old) == {'old_1.txt': b'new', 'old_2.txt': b'new'}


def test_a_file_that_is_created_after_all_stays(old: fs.Storage) -> None:
    unit, other = fs.unit(), fs.unit()
    unit.remove(old, 'a.txt')
    other.write(old, 'a.txt', 'new')
    unit.merge(other)
    unit.commit()
    assert list(files(old)) == ['a.txt', 'old.txt']


class Pipe:
    """Content that can be read only once."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


@pytest.mark.parametrize('is_upload', [False, True])
def test_what_can_be_read_only_once_is_stored_whole_under_another_name(is_upload: bool, old: fs.Storage) -> None:
    content: Any = Pipe(b'new')
    content = FileStorage(content, 'old.txt') if is_upload else content
    with fs.unit() as unit:
        assert unit.save(old, content, 'old.txt', conflict='rename') == 'old_1.txt'
    assert old.read('old_1.txt') == b'new'


def test_written_content_is_stored_whole_under_another_name_and_left_where_it_was(app: Flask) -> None:
    storage = fs.Storage('overwriting', fs.ALL, overwrite=True)
    fs.init_app(app, storage)
    seekable = io.BytesIO(b'skipped new')
    seekable.seek(8)
    with fs.unit() as unit:
        for number, content in enumerate((Pipe(b'new'), seekable, 'new', b'new', io.StringIO('new'))):
            assert unit.write(storage, 'a.txt', content) == (f'a_{number}.txt' if number else 'a.txt')
    assert set(files(storage).values()) == {b'new'}
    assert seekable.tell() == 8


def test_a_path_is_saved_under_another_name(old: fs.Storage, tmp_path: Path) -> None:
    (tmp_path / 'old.txt').write_text('new')
    with fs.unit() as unit:
        assert unit.save(old, tmp_path / 'old.txt', overwrite=True) == 'old_1.txt'
    assert old.read('old_1.txt') == b'new'


def test_a_storage_class_may_choose_another_name(app: Flask, journal: Any) -> None:
    class Lower(fs.Storage):
        def save(  # type: ignore[override]  # what is tested
            self, file_or_wfs: Any, filename: Any = None, prefix: Any = None, overwrite: Any = None
        ) -> str:
            return super().save(file_or_wfs, filename.lower(), prefix, overwrite)

    storage = Lower('lower', fs.ALL)
    fs.init_app(app, storage)
    unit = fs.unit(journal=journal)
    assert unit.save(storage, io.BytesIO(b'x'), 'A.txt') == 'a.txt'
    assert journal.files == [('created', 'a.txt')]
    unit.roll_back()
    assert files(storage) == {}


def test_several_files_are_stored_all_or_nothing(old: fs.Storage) -> None:
    unit = fs.unit()
    unit.write(old, 'a.txt', 'new')

    def fail() -> None:
        with unit.transaction(old) as transaction:
            transaction.save(io.BytesIO(b'new'), 'b.txt')
            transaction.remove('a.txt')
            transaction.write('old.txt', io.BytesIO(b'new'))

    with pytest.raises(fs.FileExists):
        fail()
    assert list(files(old)) == ['a.txt', 'old.txt']
    with unit.transaction(old) as transaction:
        transaction.save(io.BytesIO(b'new'), 'b.txt')
    unit.roll_back()
    assert files(old) == {'old.txt': b'old'}


# --- Removing.


def test_exactly_these_files_are_removed(old: fs.Storage) -> None:
    old.write('old.txt.d/a.txt', 'x')
    with fs.unit() as unit:
        unit.remove(old, 'old.txt', 'old.txt', 'never.txt')
        unit.remove(old)
    assert list(files(old)) == ['old.txt.d/a.txt']


def test_names_are_checked_before_any_of_them_counts(old: fs.Storage) -> None:
    with fs.unit() as unit:
        with pytest.raises(fs.InvalidFilename):
            unit.remove(old, 'old.txt', '../a')
        with pytest.raises(fs.OperationNotSupported):
            unit.remove(old.read_only(), 'old.txt')
        assert unit.is_empty
    assert list(files(old)) == ['old.txt']


def test_a_file_of_the_unit_itself_can_be_removed(old: fs.Storage) -> None:
    with fs.unit() as unit:
        unit.write(old, 'a.txt', 'new')
        unit.remove(old, 'a.txt')
        assert old.exists('a.txt')
    assert list(files(old)) == ['old.txt']


def test_a_view_and_its_storage_have_the_same_file(old: fs.Storage) -> None:
    view = old.scoped('folder')
    unit = fs.unit()
    assert unit.write(view, 'a.txt', 'new') == 'a.txt'
    assert list(unit.created) == [(old, 'folder/a.txt')]
    unit.remove(old, 'folder/a.txt')
    unit.remove(view, 'b.txt')
    old.write('folder/b.txt', 'old')
    unit.commit()
    assert list(files(old)) == ['old.txt']


def test_many_files_are_removed_by_few_requests(old: fs.Storage) -> None:
    unit = fs.unit()
    for number in range(5):
        unit.write(old, f'{number}.txt', 'new')
    with mock.patch.object(old, 'delete_many') as delete_many:
        unit.roll_back()
    delete_many.assert_called_once_with(['4.txt', '3.txt', '2.txt', '1.txt', '0.txt'])


# --- Errors.


@pytest.fixture
def faulty(old: fs.Storage) -> Iterator[FaultyBackend]:
    """The backend of the storage, which fails on request."""
    with wrap(old, FaultyBackend) as backend:
        yield backend


def test_a_store_that_fails_leaves_what_was_stored_before_to_the_unit(old: fs.Storage, faulty: FaultyBackend) -> None:
    with fs.unit() as unit:
        unit.write(old, 'a.txt', 'new')
        faulty.fail_next('put', after_bytes=1)
        with pytest.raises(fs.Unavailable):
            unit.write(old, 'b.txt', 'new')
    assert list(files(old)) == ['a.txt', 'old.txt']


def test_a_file_that_may_have_been_stored_is_logged(
    old: fs.Storage, faulty: FaultyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.fail_next('put', KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt), fs.unit() as unit:
        unit.write(old, 'a.txt', 'new')
    message = "'a.txt' might be in storage 'files', and nothing refers to it: storing it ended with KeyboardInterrupt"
    assert message in caplog.text


@pytest.mark.parametrize('failing', ['a.txt', 'b.txt', 'c.txt'])
@pytest.mark.parametrize('end', ['commit', 'roll_back'])
def test_a_removal_that_fails_is_logged_and_the_others_are_carried_out(
    end: str, failing: str, old: fs.Storage, faulty: FaultyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    unit = fs.unit()
    for name in ('a.txt', 'b.txt', 'c.txt'):
        unit.write(old, name, 'new')
        if end == 'commit':
            unit.remove(old, name)
    faulty.fail_next('remove', fs.PermissionDenied, when=failing.__eq__)
    getattr(unit, end)()
    assert list(files(old)) == [failing, 'old.txt']
    assert f"'{failing}' stays in storage 'files', and nothing refers to it: " in caplog.text
    assert unit.is_empty


def test_an_unavailable_store_is_not_tried_for_each_file(
    old: fs.Storage, faulty: FaultyBackend, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    other, unit = fs.Storage('other', fs.ALL), fs.unit()
    fs.init_app(app, other)
    unit.write(other, 'c.txt', 'new')
    for name in ('a.txt', 'b.txt'):
        unit.write(old, name, 'new')
    failure = faulty.fail_next('remove', times=None)
    unit.roll_back()
    assert failure.struck == 1
    for name in ('a.txt', 'b.txt'):
        assert f"'{name}' stays in storage 'files', and nothing refers to it: " in caplog.text
    assert files(other) == {}


@pytest.mark.parametrize('count', [1, 2])
def test_a_receiver_that_fails_is_logged_and_stops_no_other_removal(
    count: int, old: fs.Storage, caplog: pytest.LogCaptureFixture
) -> None:
    unit = fs.unit()
    for number in range(count):
        unit.write(old, f'{number}.txt', 'new')

    def refuse(sender: Any, filename: str) -> None:
        if filename == '0.txt':
            raise LookupError('not this one')

    with fs.file_deleting.connected_to(refuse):
        unit.roll_back()
    assert list(files(old)) == ['0.txt', 'old.txt']
    assert "Removing '0.txt' from storage 'files' failed" in caplog.text
    assert 'not this one' in caplog.text


@pytest.mark.parametrize('end', ['commit', 'roll_back'])
def test_a_removal_that_is_interrupted_is_logged_and_another_call_continues(
    end: str, old: fs.Storage, faulty: FaultyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    unit = fs.unit()
    for name in ('a.txt', 'b.txt'):
        unit.write(old, name, 'new')
        if end == 'commit':
            unit.remove(old, name)
    faulty.fail_next('remove', KeyboardInterrupt, when='b.txt'.__eq__)
    with pytest.raises(KeyboardInterrupt):
        getattr(unit, end)()
    assert "'b.txt' in storage 'files'" in caplog.text
    assert not unit.is_empty
    unit.roll_back()
    assert list(files(old)) == ['old.txt']
    assert unit.is_empty


# --- Units within units.


def test_a_nested_one_hands_everything_to_its_parent(old: fs.Storage) -> None:
    unit = fs.unit()
    with unit.nested() as nested:
        nested.write(old, 'a.txt', 'new')
        nested.remove(old, 'old.txt')
        assert list(unit.created) == [(old, 'a.txt')]
    assert nested.is_empty
    assert list(files(old)) == ['a.txt', 'old.txt']
    unit.roll_back()
    assert list(files(old)) == ['old.txt']
    with unit.nested() as nested:
        nested.write(old, 'a.txt', 'new')
        nested.remove(old, 'old.txt')
    unit.commit()
    assert list(files(old)) == ['a.txt']


def test_a_nested_one_is_rolled_back_alone(old: fs.Storage) -> None:
    with fs.unit() as unit:
        unit.write(old, 'a.txt', 'new')
        nested = unit.nested()
        nested.write(old, 'b.txt', 'new')
        nested.nested().write(old, 'c.txt', 'new')
        nested.remove(old, 'a.txt', 'old.txt')
        nested.roll_back()
        assert list(files(old)) == ['a.txt', 'old.txt']
    assert list(files(old)) == ['a.txt', 'old.txt']


def test_rolling_back_rolls_back_what_is_open_within(old: fs.Storage) -> None:
    unit = fs.unit()
    unit.nested().nested().write(old, 'a.txt', 'new')
    assert not unit.is_empty
    unit.roll_back()
    assert unit.is_empty
    assert list(files(old)) == ['old.txt']


def test_committing_leaves_what_is_open_within_alone(old: fs.Storage) -> None:
    unit = fs.unit()
    nested = unit.nested()
    nested.write(old, 'a.txt', 'new')
    nested.remove(old, 'old.txt')
    unit.commit()
    assert list(files(old)) == ['a.txt', 'old.txt']
    nested.roll_back()
    assert list(files(old)) == ['old.txt']


def test_a_unit_takes_over_another_one(old: fs.Storage) -> None:
    unit, other = fs.unit(), fs.unit()
    other.write(old, 'a.txt', 'new')
    other.remove(old, 'old.txt')
    inside = other.nested()
    unit.merge(other)
    unit.merge(unit)
    assert other.is_empty
    other.roll_back()
    inside.write(old, 'b.txt', 'new')
    inside.commit()
    assert list(unit.created) == [(old, 'a.txt'), (old, 'b.txt')]
    unit.roll_back()
    assert list(files(old)) == ['old.txt']


def test_a_unit_takes_over_what_is_to_be_removed(old: fs.Storage) -> None:
    unit, other = fs.unit(), fs.unit()
    other.remove(old, 'old.txt')
    unit.nested().merge(other)
    unit.merge(other)
    unit._open[0].commit()
    unit.commit()
    assert files(old) == {}


# --- Applications and threads.


def test_it_ends_outside_of_a_context_and_in_that_of_another_application(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    one, two = (make_app(storage, FS_BACKEND=kind) for kind in ('memory', 'local'))
    for outside in (True, False):
        unit = fs.unit()
        with one.app_context():
            storage.write('old.txt', 'one')
            unit.write(storage, 'a.txt', 'new')
            unit.remove(storage, 'old.txt')
        with two.app_context():
            storage.write('a.txt', 'two', overwrite=True)
            storage.write('old.txt', 'two', overwrite=True)
            if not outside:
                unit.commit()
        if outside:
            unit.commit()
        with one.app_context():
            assert files(storage) == {'a.txt': b'new'}
            unit.remove(storage, 'a.txt')
        unit.commit()
        with two.app_context():
            assert files(storage) == {'a.txt': b'two', 'old.txt': b'two'}


def test_one_with_files_of_two_applications_removes_each_where_it_is(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    apps = [make_app(storage, FS_BACKEND='memory') for _ in range(2)]
    unit = fs.unit()
    for app in apps:
        with app.app_context():
            unit.write(storage, 'a.txt', 'new')
            unit.write(storage, 'b.txt', 'new')
    with apps[1].app_context():
        unit.remove(storage, 'a.txt')
    unit.commit()
    contents = []
    for app in apps:
        with app.app_context():
            contents.append(list(files(storage)))
    assert contents == [['a.txt', 'b.txt'], ['b.txt']]


def test_what_is_removed_outside_of_a_context_is_that_of_the_first_file(make_app: Any) -> None:
    storage = fs.Storage('files', fs.ALL)
    one, _two = (make_app(storage, FS_BACKEND='memory') for _ in range(2))
    unit = fs.unit()
    with pytest.raises(fs.ConfigurationError, match='is configured for 2 applications'):
        unit.remove(storage, 'a.txt')
    with one.app_context():
        unit.write(storage, 'a.txt', 'new')
    unit.remove(storage, 'a.txt')
    unit.commit()
    with one.app_context():
        assert files(storage) == {}


def test_an_application_that_fails_to_end_its_context_stops_nothing(
    make_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    storage = fs.Storage('files', fs.ALL)
    one, two = (make_app(storage, FS_BACKEND='memory') for _ in range(2))
    unit = fs.unit()
    for app in (two, one):
        with app.app_context():
            unit.write(storage, 'a.txt', 'new')

    @one.teardown_appcontext
    def fail(_: Any) -> None:
        raise LookupError('no context')

    unit.roll_back()
    with two.app_context():
        assert files(storage) == {}
    assert 'no context' in caplog.text


def test_a_storage_without_an_application_works_too(tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    storage.configure(SimpleNamespace(config={'FS_ROOT': str(tmp_path)}))
    with fs.unit() as unit:
        unit.write(storage, 'a.txt', 'new')
        unit.write(storage, 'b.txt', 'new')
        unit.remove(storage, 'a.txt')
    assert files(storage) == {'b.txt': b'new'}


def test_threads_may_store_files_one_after_the_other_and_at_once(old: fs.Storage, app: Flask) -> None:
    unit = fs.unit()

    def store(number: int) -> None:
        with app.app_context():
            for step in range(20):
                unit.write(old, f'{number}-{step}.txt', 'new')

    threads = [threading.Thread(target=store, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unit.created) == 80
    unit.roll_back()
    assert list(files(old)) == ['old.txt']


def test_a_file_that_is_kept_is_not_removed(old: fs.Storage) -> None:
    old.write('other.txt', 'x')
    unit = fs.unit()
    unit.remove(old, 'old.txt', 'other.txt')
    nested = unit.nested()
    nested.remove(old, 'old.txt')
    assert sorted(name for _, name in unit.unused) == ['old.txt', 'old.txt', 'other.txt']
    unit.keep(old, 'old.txt', 'never there.txt')
    assert list(unit.unused) == [(old, 'other.txt')]
    nested.commit()
    unit.commit()
    assert list(old.list_files()) == ['old.txt']
