"""References to files, of plain Python objects: what a binding to a database builds on."""

from __future__ import annotations

import copy
import hashlib
import inspect
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.references import FileReference, Owner
from flask_fs.stored import StoredFile
from flask_fs.transaction import FileTransaction
from flask_fs_testing.doubles import FaultyBackend, wrap


def upload(filename: str = 'upload.txt') -> FileStorage:
    return FileStorage(io.BytesIO(b'x'), filename)


class Paper:
    """An object that has a file."""

    title = 'moon'


class Row(Owner):
    """Records changes, and keeps the last transaction, as a binding to a database with transactions does."""

    def __init__(self, *shared: str) -> None:
        self.changes: list[Any] = []
        self.last: FileTransaction | None = None
        self._shared = shared

    def changed(self, reference: FileReference) -> None:
        self.changes.append((reference.instance, reference.name, reference.stored.form()))

    def transaction(self, reference: FileReference) -> FileTransaction:
        self.last = super().transaction(reference)
        return self.last

    def shared_files(self) -> tuple[str, ...]:
        return self._shared


def owned(storage: fs.Storage, *shared: str, **options: Any) -> tuple[FileReference, Row]:
    row = Row(*shared)
    reference = FileReference(storage, instance='a row', name='file', **options)
    reference.owner = row
    return reference, row


def test_parameters_have_the_documented_names_order_and_defaults() -> None:
    documented = {'fs': None, 'filename': None, 'upload_to': None, 'basename': None, 'instance': None, 'name': None}
    parameters = inspect.signature(FileReference).parameters
    assert [(name, parameter.default) for name, parameter in parameters.items()] == [*documented.items()]
    assert list(inspect.signature(FileReference.save).parameters)[:3] == ['self', 'wfs', 'filename']


def test_a_reference_to_nothing_has_neither_name_nor_url(storage: fs.Storage, app: Flask) -> None:
    reference = FileReference()
    assert not reference
    assert (reference.filename, reference.url, str(reference), reference.malformed) == (None, None, '', None)
    assert not reference.exists()
    reference.delete()
    with pytest.raises(fs.FileNotFound, match='the reference is empty'):
        FileReference(storage).read()
    with pytest.raises(fs.FileNotFound, match="the field 'file' is empty"):
        FileReference(storage, name='file').open()


def test_the_json_form_has_name_and_url_or_is_nothing(storage: fs.Storage, app: Flask) -> None:
    reference = FileReference(storage, 'a.txt')
    with app.test_request_context():
        assert reference.as_json() == {'filename': 'a.txt', 'url': storage.url('a.txt')}
        assert reference.as_json(external=True) == {'filename': 'a.txt', 'url': storage.url('a.txt', external=True)}
    assert FileReference(storage).as_json() is None


def test_a_reference_without_a_storage_says_what_it_lacks() -> None:
    with pytest.raises(fs.ConfigurationError, match=r'The FileReference has no storage\. Pass it as fs='):
        FileReference().save(io.BytesIO(b'x'), 'a.txt')
    with pytest.raises(fs.ConfigurationError, match="The field 'file' has no storage"):
        FileReference(filename='a.txt', name='file').url  # noqa: B018  # what is tested


@pytest.mark.parametrize('wrong', ['../a', 5])
def test_a_reference_is_not_made_of_what_is_wrong(wrong: Any, storage: fs.Storage) -> None:
    with pytest.raises(ValueError, match=r'it (has|must be)'):
        FileReference(storage, wrong)


def test_a_file_is_saved_and_read(storage: fs.Storage, app: Flask) -> None:
    reference = FileReference(storage, None, 'folder', 'name')
    assert reference.save(upload(), 'asked.for') == 'folder/asked.for'
    assert reference.save(upload()) == 'folder/name.txt'
    assert reference
    assert reference.read() == b'x'
    with reference.open() as file:
        assert file.read() == b'x'
    assert str(reference) == reference.url == storage.url('folder/name.txt')
    known = FileReference(fs=storage, filename='folder/name.txt')
    assert known == reference
    assert known != 'folder/name.txt'
    assert known.exists()
    known.delete()
    assert not known
    assert not reference.exists()


def test_a_path_has_its_own_name_and_a_stream_needs_one(storage: fs.Storage, app: Flask, tmp_path: Path) -> None:
    (tmp_path / 'path.txt').write_text('x')
    assert FileReference(storage).save(tmp_path / 'path.txt') == 'path.txt'
    with pytest.raises(fs.InvalidFilename, match='BytesIO has no filename'):
        FileReference(storage).save(io.BytesIO(b'x'))


def test_functions_get_the_instance(storage: fs.Storage, app: Flask) -> None:
    def title(paper: Paper) -> str:
        return paper.title

    reference = FileReference(storage, upload_to=title, basename=title, instance=Paper(), name='file')
    assert reference.save(upload()) == 'moon/moon.txt'
    assert (reference.instance.title, reference.name) == ('moon', 'file')
    with pytest.raises(ValueError, match='pass instance='):
        FileReference(storage, upload_to=title).save(io.BytesIO(b'x'), 'a.txt')
    called = FileReference(storage, upload_to=lambda: 'called')
    assert called.save(io.BytesIO(b'x'), 'a.txt', prefix='more') == 'called/more/a.txt'


def test_functions_of_the_storage_get_the_instance_or_else_the_application(make_app: Any) -> None:
    storage = fs.Storage(
        'named', upload_to=lambda owner: getattr(owner, 'title', 'app'), basename=lambda owner: type(owner).__name__
    )
    with make_app(storage, FS_BACKEND='memory').app_context():
        assert FileReference(storage, instance=Paper()).save(upload()) == 'moon/Paper.txt'
        assert FileReference(storage).save(upload(), 'a.txt') == 'app/a.txt'
        assert FileReference(storage, basename='own').save(upload()) == 'app/own.txt'


@pytest.mark.parametrize('folder', [None, '/up/in/'])
def test_storages_of_an_application_may_have_the_documented_parameters_only(folder: str | None, make_app: Any) -> None:
    class Lower(fs.Storage):
        def save(  # type: ignore[override]  # what is tested
            self, file_or_wfs: Any, filename: Any = None, prefix: Any = None, overwrite: Any = None
        ) -> str:
            return super().save(file_or_wfs, filename.lower(), prefix, overwrite)

    storage = Lower('lower', fs.ALL, upload_to=folder)
    with make_app(storage, FS_BACKEND='memory').app_context():
        assert FileReference(storage).save(io.BytesIO(b'x'), 'A.txt') == ('up/in/a.txt' if folder else 'a.txt')


def test_overwriting_is_as_the_storage_says_unless_asked(storage: fs.Storage, app: Flask) -> None:
    reference = FileReference(storage)
    reference.save(io.BytesIO(b'1'), 'a.txt')
    with pytest.raises(fs.FileExists):
        reference.save(io.BytesIO(b'2'), 'a.txt')
    assert storage.read('a.txt') == b'1'
    reference.save(io.BytesIO(b'2'), 'a.txt', overwrite=True)
    assert storage.read('a.txt') == b'2'


def test_a_failing_store_leaves_the_reference_as_it_is(storage: fs.Storage, app: Flask) -> None:
    reference, row = owned(storage, filename='a.txt')
    with wrap(storage, FaultyBackend) as backend:
        backend.fail_next('put', after_bytes=3)
        with pytest.raises(fs.Unavailable):
            reference.save(io.BytesIO(b'new content'), 'new.txt')
        backend.fail_next('remove')
        with pytest.raises(fs.Unavailable):
            reference.delete()
    assert reference.filename == 'a.txt'
    assert row.changes == []


def test_copies_are_equal_and_have_no_instance(storage: fs.Storage, app: Flask) -> None:
    reference, _ = owned(storage, filename='a.txt')
    for twin in (copy.copy(reference), copy.deepcopy(reference)):
        assert twin == reference
        assert (twin.instance, twin.name) == (None, 'file')
        twin.save(upload('b.txt'), overwrite=True)
    assert reference.filename == 'a.txt'
    with pytest.raises(TypeError, match='pickle its document'):
        pickle.dumps(reference)


# --- The owner.


def test_an_owner_hears_of_a_new_file_whose_name_has_become_free(storage: fs.Storage, app: Flask) -> None:
    # Another process has emptied the field of this document, and removed the file.
    reference, row = owned(storage, filename='a.txt')
    storage.delete('a.txt')
    reference.save(upload('a.txt'))
    assert row.changes == [('a row', 'file', {'filename': 'a.txt'})]


def test_an_owner_hears_of_each_change_and_of_nothing_else(storage: fs.Storage, app: Flask) -> None:
    reference, row = owned(storage)
    reference.save(upload('a.txt'))
    reference.save(upload('a.txt'), overwrite=True)
    reference.delete()
    reference.delete()
    assert row.changes == [('a row', 'file', {'filename': 'a.txt'}), ('a row', 'file', None)]
    reference.stored = StoredFile('b.txt')
    assert len(row.changes) == 2


def test_an_owner_that_keeps_the_transaction_can_roll_it_back(storage: fs.Storage, app: Flask) -> None:
    reference, row = owned(storage)
    reference.save(upload('a.txt'))
    assert row.last is not None
    row.last.roll_back()
    assert list(storage.list_files()) == []


def test_a_file_that_was_replaced_stays_when_rolled_back(storage: fs.Storage, app: Flask) -> None:
    storage.write('a.txt', 'old')
    reference, row = owned(storage)
    reference.save(upload('a.txt'), overwrite=True)
    assert row.last is not None
    row.last.roll_back()
    assert storage.read('a.txt') == b'x'


def test_files_that_the_owner_shares_are_never_removed(storage: fs.Storage, app: Flask) -> None:
    for name in ('default.txt', 'a.txt'):
        storage.write(name, 'x')
        reference, _ = owned(storage, 'default.txt', filename=name)
        reference.delete()
        assert not reference
    assert list(storage.list_files()) == ['default.txt']


def test_only_a_class_of_its_own_is_needed_to_store_more(storage: fs.Storage, app: Flask) -> None:
    """A reference creates what it stores as its class says."""

    class Stored(StoredFile):
        pass

    class Reference(FileReference):
        stored_type = Stored

    reference = Reference(storage)
    reference.save(upload('a.txt'))
    assert type(reference.stored) is Stored
    assert FileReference(storage, 'a.txt') == reference


# --- The checksum.


def sha256(content: bytes) -> str:
    return f'sha256:{hashlib.sha256(content).hexdigest()}'


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_checksum_is_stored_where_the_owner_wants_one(storage: fs.Storage, app: Flask, overwrite: bool) -> None:
    reference, row = owned(storage)
    row.checksum = True
    reference.save(io.BytesIO(b'first'), 'a.txt')
    assert row.changes == [('a row', 'file', {'filename': 'a.txt', 'checksum': sha256(b'first')})]
    name = reference.save(io.BytesIO(b'second'), 'a.txt' if overwrite else 'b.txt', overwrite=overwrite)
    assert reference.stored.form() == {'filename': name, 'checksum': sha256(b'second')}
    assert storage.read(name) == b'second'
    row.checksum = False
    reference.save(io.BytesIO(b'third'), 'c.txt')
    assert reference.stored.form() == {'filename': 'c.txt'}


def test_new_content_under_the_same_name_changes_a_reference_with_a_checksum(storage: fs.Storage, app: Flask) -> None:
    reference, row = owned(storage)
    row.checksum = True
    for content in (b'one', b'two'):
        reference.save(io.BytesIO(content), 'a.txt', overwrite=True)
    assert [form['checksum'] for _, _, form in row.changes] == [sha256(b'one'), sha256(b'two')]


def test_a_checksum_that_cannot_be_had_leaves_the_file_and_the_reference_as_they_were(
    storage: fs.Storage, app: Flask
) -> None:
    reference, row = owned(storage)
    row.checksum = True
    reference.save(io.BytesIO(b'old'), 'a.txt')
    before = reference.stored
    with wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next('stat')
        with pytest.raises(fs.Unavailable):
            reference.save(io.BytesIO(b'new'), 'a.txt', overwrite=True)
    assert reference.stored == before
    assert storage.read('a.txt') == b'old'
    assert list(storage.list_files()) == ['a.txt']
