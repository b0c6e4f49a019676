"""References whose files belong to a unit of work, as those of rows do."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.references import FileReference, Owner
from flask_fs.transaction import FileTransaction
from flask_fs_testing.doubles import FaultyBackend, RecordingBackend, wrap


class InUnit(Owner):
    """An owner whose references belong to a unit."""

    def __init__(self, unit: fs.UnitOfWork, *shared: str) -> None:
        self._unit, self._shared = unit, shared

    def transaction(self, reference: FileReference) -> FileTransaction:
        return self._unit.transaction(reference.fs)

    def shared_files(self) -> tuple[str, ...]:
        return self._shared


Refer = Callable[..., FileReference]


@pytest.fixture
def unit() -> fs.UnitOfWork:
    return fs.unit()


@pytest.fixture
def refer(unit: fs.UnitOfWork, storage: fs.Storage, app: Flask) -> Refer:
    """A reference, empty or to a file that is stored: ``refer('a.txt')``. Files that are shared may follow."""

    def refer(filename: str | None = None, *shared: str) -> FileReference:
        reference = FileReference(storage, filename)
        reference.owner = InUnit(unit, *shared)
        if filename is not None:
            storage.write(filename, 'old')
        return reference

    return refer


def content(text: str = 'new') -> io.BytesIO:
    return io.BytesIO(text.encode())


def files(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in sorted(storage.list_files())}


def test_a_saved_file_stays_if_the_unit_is_committed(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    for name, end in (('a.txt', unit.commit), ('b.txt', unit.roll_back)):
        reference = refer()
        assert reference.save(content(), name) == reference.filename == name
        assert reference.read() == b'new'
        end()
    assert files(storage) == {'a.txt': b'new'}


def test_a_file_is_replaced_by_one_of_another_name(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    reference = refer('a.txt')
    assert reference.save(content(), 'a.txt', overwrite=True) == reference.filename == 'a_1.txt'
    assert files(storage) == {'a.txt': b'old', 'a_1.txt': b'new'}
    unit.commit()
    assert files(storage) == {'a_1.txt': b'new'}


def test_a_roll_back_keeps_what_was_replaced(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    refer('a.txt').save(content(), 'a.txt', overwrite=True)
    unit.roll_back()
    assert files(storage) == {'a.txt': b'old'}


@pytest.mark.parametrize('is_committed_each_time', [True, False])
def test_replacing_again_and_again_leaves_one_file(
    is_committed_each_time: bool, refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage
) -> None:
    reference = refer('a_1.txt')
    for number in range(5):
        reference.save(content(str(number)), 'a_1.txt', overwrite=True)
        if is_committed_each_time:
            unit.commit()
    unit.commit()
    assert files(storage) == {reference.filename: b'4'}
    assert reference.filename in ('a_1.txt', 'a_1_1.txt', 'a_1_5.txt')


def test_a_file_of_another_reference_is_not_replaced(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    storage.write('a.txt', 'of another')
    reference = refer('b.txt')
    assert reference.save(content(), 'a.txt', overwrite=True) == 'a_1.txt'
    unit.commit()
    assert files(storage) == {'a.txt': b'of another', 'a_1.txt': b'new', 'b.txt': b'old'}


@pytest.mark.parametrize('former', ['b.txt', 'a_x.txt', 'a_1.png', 'b/a_1.txt', 'aa_1.txt'])
def test_a_file_of_another_name_is_kept_as_outside_of_a_unit(
    former: str, refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage
) -> None:
    refer(former).save(content(), 'a.txt', overwrite=True)
    unit.commit()
    assert files(storage) == {'a.txt': b'new', former: b'old'}


def test_without_overwriting_a_file_is_refused(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    reference = refer('a.txt')
    with pytest.raises(fs.FileExists):
        reference.save(content(), 'a.txt')
    unit.commit()
    assert reference.filename == 'a.txt'
    assert files(storage) == {'a.txt': b'old'}


def test_a_shared_file_is_replaced_for_one_reference_only(
    refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage
) -> None:
    reference = refer('default.txt', 'default.txt')
    reference.save(content(), 'default.txt', overwrite=True)
    unit.commit()
    assert files(storage) == {'default.txt': b'old', 'default_1.txt': b'new'}


def test_a_deleted_file_goes_with_the_commit(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    for end in (unit.roll_back, unit.commit):
        storage.delete('a.txt')
        reference = refer('a.txt')
        reference.delete()
        assert not reference
        assert storage.exists('a.txt')
        end()
    assert files(storage) == {}


def test_a_deleted_file_can_be_saved_again(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    reference = refer('a.txt')
    reference.delete()
    assert reference.save(content(), 'a.txt') == 'a_1.txt'
    unit.commit()
    assert files(storage) == {'a_1.txt': b'new'}


def test_a_file_that_is_missing_is_replaced(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    reference = refer('a.txt')
    storage.delete('a.txt')
    assert reference.save(content(), 'a.txt', overwrite=True) == 'a_1.txt'
    unit.commit()
    assert files(storage) == {'a_1.txt': b'new'}


def test_content_is_sent_once_where_the_name_is_known_to_be_taken(
    refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage
) -> None:
    reference, other = refer('a.txt'), refer('b.txt')
    with wrap(storage, RecordingBackend) as backend:
        reference.save(content(), 'a.txt', overwrite=True)
        other.delete()
        other.save(content(), 'b.txt')
    assert [call.hook for call in backend.calls] == ['stat', 'put'] * 2
    unit.roll_back()


def test_a_failing_store_leaves_the_reference_and_the_unit_as_they_are(
    refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage
) -> None:
    reference = refer('a.txt')
    with wrap(storage, FaultyBackend) as backend:
        backend.fail_next('put', after_bytes=1, when='a_1.txt'.__eq__)
        with pytest.raises(fs.Unavailable):
            reference.save(content(), 'a.txt', overwrite=True)
    assert reference.filename == 'a.txt'
    assert unit.is_empty
    assert files(storage) == {'a.txt': b'old'}


def test_the_checksum_is_that_of_the_new_file(refer: Refer, unit: fs.UnitOfWork, storage: fs.Storage) -> None:
    reference: Any = refer('a.txt')
    reference.owner.checksum = True
    reference.save(content('x'), 'a.txt', overwrite=True)
    assert reference.stored.checksum == 'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'
    unit.roll_back()
