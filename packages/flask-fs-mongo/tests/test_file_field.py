"""A file of a document."""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document, StringField, ValidationError
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs_mongo import FileField, FileReference, ImageField, MalformedReferenceWarning

Names = Callable[[fs.Storage], list[str]]


def upload(filename: str) -> FileStorage:
    return FileStorage(io.BytesIO(b'x'), filename)


@pytest.fixture
def paper(memory: fs.Storage) -> type[Any]:
    class Paper(Document):
        title = StringField()
        file = FileField(memory)

    return Paper


def test_a_saved_file_is_found_again_through_the_document(storage: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(storage)

    paper = Paper()
    assert paper.file.save(io.BytesIO(b'content'), 'a.txt') == 'a.txt'
    paper.save()

    found = Paper.objects.get()
    assert isinstance(found.file, FileReference)
    assert found.file.filename == 'a.txt'
    assert found.file.read() == b'content'
    assert found.file.exists()
    with found.file.open() as file:
        assert file.read() == b'content'
    assert found.file.url == str(found.file) == storage.url('a.txt')
    assert Paper._get_collection().find_one()['file'] == {'filename': 'a.txt'}


def test_an_empty_field_is_false_and_is_not_stored(paper: Any) -> None:
    document = paper(title='x').save()
    assert not document.file
    assert (document.file.filename, document.file.url, str(document.file)) == (None, None, '')
    assert not document.file.exists()
    assert 'file' not in paper._get_collection().find_one()
    with pytest.raises(fs.FileNotFound, match="'file' is empty"):
        document.file.read()


def test_a_plain_string_is_read(paper: Any) -> None:
    paper._get_collection().insert_one({'file': 'old.txt'})
    document = paper.objects.get()
    assert document.file.filename == 'old.txt'
    assert document._get_changed_fields() == []


def test_upload_to_and_basename_are_given_the_document(memory: fs.Storage) -> None:
    class Paper(Document):
        title = StringField()
        file = FileField(memory, upload_to=lambda paper: f'papers/{paper.title}', basename=lambda paper: paper.title)
        plain = FileField(memory, upload_to='fixed', basename='name')
        called = FileField(memory, upload_to=lambda: 'called')

    paper = Paper(title='moon')
    assert paper.file.save(upload('whatever.txt')) == 'papers/moon/moon.txt'
    assert paper.plain.save(upload('whatever.TXT')) == 'fixed/name.txt'
    assert paper.called.save(io.BytesIO(b'x'), 'a.txt', prefix='more') == 'called/more/a.txt'


def test_a_failed_save_leaves_the_old_value(paper: Any, memory: fs.Storage, faulty: Any) -> None:
    document = paper(file='old.txt').save()
    with faulty(memory) as backend:
        backend.fail_next('put', after_bytes=3)
        with pytest.raises(fs.Unavailable):
            document.file.save(io.BytesIO(b'new content'), 'new.txt')
    assert document.file.filename == 'old.txt'
    assert document._get_changed_fields() == []


def test_only_what_changed_is_written(paper: Any) -> None:
    document = paper(title='x').save()
    document.file.save(io.BytesIO(b'x'), 'a.txt')
    assert document._get_changed_fields() == ['file']
    assert document._delta() == ({'file': {'filename': 'a.txt'}}, {})
    document.save()
    assert document._get_changed_fields() == []
    document.file = 'a.txt'
    assert document._get_changed_fields() == []


def test_delete_removes_the_file_and_empties_the_field(storage: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(storage)

    paper = Paper()
    paper.file.save(io.BytesIO(b'x'), 'a.txt')
    paper.save()
    paper.file.delete()
    assert names(storage) == []
    paper.save()
    assert 'file' not in Paper._get_collection().find_one()


def test_delete_spares_the_default_of_the_field(memory: fs.Storage, picture: Any, names: Names) -> None:
    class Member(Document):
        portrait = ImageField(fs=memory, default='nobody.png', thumbnails=[32])

    memory.write('nobody.png', picture().getvalue())
    member = Member()
    member.portrait.rerender()
    assert names(memory) == ['nobody-32.png', 'nobody.png']
    member.portrait.delete()
    assert not member.portrait
    assert names(memory) == ['nobody.png']


@pytest.mark.parametrize('nothing', [None, '', {}])
def test_assigning_nothing_empties_the_field_and_leaves_the_file(nothing: Any, paper: Any, memory: fs.Storage) -> None:
    document = paper()
    document.file.save(io.BytesIO(b'x'), 'a.txt')
    document.save()
    document.file = nothing
    document.save()
    assert not document.reload().file
    assert memory.exists('a.txt')


def test_a_reference_stays_that_of_its_field(paper: Any) -> None:
    """Who holds the reference sees what the document has, so nothing is stored past the document."""
    document = paper(file='a.txt').save()
    held = document.file
    document.file = 'b.txt'
    assert held is document.file
    assert held.filename == 'b.txt'
    document.reload()
    assert held.filename == 'a.txt'
    held.save(io.BytesIO(b'x'), 'c.txt')
    assert document._get_changed_fields() == ['file']


def test_assigning_a_reference_copies_what_it_refers_to(paper: Any) -> None:
    one, other = paper(file='a.txt'), paper()
    other.file = one.file
    assert other.file == one.file
    assert other.file is not one.file
    other.file.save(io.BytesIO(b'x'), 'b.txt')
    assert one.file.filename == 'a.txt'
    assert paper(file=one.file).file == one.file


def test_a_reference_of_another_storage_is_refused(paper: Any, memory_app: Flask) -> None:
    elsewhere = fs.Storage('elsewhere')
    fs.init_app(memory_app, elsewhere)

    class Note(Document):
        file = FileField(elsewhere)

    note = Note(file='a.txt')
    with pytest.raises(ValidationError, match='elsewhere'):
        paper(file='x').file = note.file


@pytest.mark.parametrize('value', [upload('a.txt'), Path('a.txt')])
def test_an_upload_cannot_be_assigned(value: Any, paper: Any) -> None:
    document = paper()
    with pytest.raises(ValidationError, match=r'attribute\.save'):
        document.file = value
    with pytest.raises(ValidationError, match=r'attribute\.save'):
        paper(file=value)
    assert not document.file


@pytest.mark.parametrize('value', [5, ['a.txt'], {'filename': 5}, '../secret', {'filename': 'a\0'}])
def test_what_is_no_stored_file_cannot_be_assigned(value: Any, paper: Any) -> None:
    document = paper()
    with pytest.raises(ValidationError, match='cannot be read as a stored file'):
        document.file = value
    assert not document.file
    with pytest.warns(MalformedReferenceWarning):
        document = paper(file=value)
    with pytest.raises(ValidationError, match='cannot be read as a stored file'):
        document.save()
    assert paper.objects.count() == 0


def test_required_demands_a_file(memory: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(memory, required=True)

    with pytest.raises(ValidationError, match='Field is required'):
        Paper().save()
    paper = Paper()
    paper.file.save(io.BytesIO(b'x'), 'a.txt')
    paper.save()


def test_validation_functions_are_given_the_reference(memory: fs.Storage) -> None:
    def no_pdf(reference: FileReference) -> None:
        if (reference.filename or '').endswith('.pdf'):
            raise ValidationError('no PDF')

    class Paper(Document):
        file = FileField(memory, validation=no_pdf)

    Paper(file='a.txt').save()
    with pytest.raises(ValidationError, match='no PDF'):
        Paper(file='a.pdf').save()


def test_a_default_is_the_name_of_a_file(memory: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(memory, default='default.txt')
        made = FileField(memory, default=lambda: 'made.txt')

    paper = Paper().save()
    assert (paper.file.filename, paper.made.filename) == ('default.txt', 'made.txt')
    paper.file = 'a.txt'
    paper.file = None
    assert paper.file.filename == 'default.txt'


def test_null_stores_null(memory: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(memory, null=True, default='default.txt')

    paper = Paper(file='a.txt').save()
    paper.file = None
    paper.save()
    assert Paper._get_collection().find_one()['file'] is None
    assert not Paper.objects.get().file


def test_db_field_is_the_name_in_mongodb(memory: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(memory, db_field='f')

    paper = Paper().save()
    paper.file.save(io.BytesIO(b'x'), 'a.txt')
    assert paper._get_changed_fields() == ['f']
    paper.save()
    assert Paper._get_collection().find_one()['f'] == {'filename': 'a.txt'}
    assert Paper.objects(file__filename='a.txt').count() == 1


def test_references_are_equal_by_what_they_refer_to(paper: Any) -> None:
    assert paper(file='a.txt').file == paper(file='a.txt').file
    assert paper(file='a.txt').file != paper(file='b.txt').file
    assert paper(file='a.txt').file != 'a.txt'
    assert repr(paper(file='a.txt').file) == "<FileReference 'a.txt' in <Storage 'pictures'>>"


def test_documents_are_copied_and_pickled_with_their_files(paper: Any) -> None:
    document = paper(title='x', file='a.txt').save()
    document.file.save(io.BytesIO(b'x'), 'b.txt')
    twin = copy.deepcopy(document)
    assert twin.file.filename == 'b.txt'
    assert twin.file is not document.file
    assert twin._get_changed_fields() == ['file']
    twin.save()
    assert paper.objects.get().file.filename == 'b.txt'
    for alone in (copy.copy(document.file), copy.deepcopy(document.file)):
        assert alone == document.file
        alone.save(io.BytesIO(b'x'), 'c.txt', overwrite=True)
    assert document.file.filename == 'b.txt'
    with pytest.raises(TypeError, match='pickle its document'):
        pickle.dumps(document.file)


class Pickled(Document):
    """Pickle finds classes by their module."""

    file = FileField(fs.Storage('pickled'))


def test_a_pickled_document_keeps_its_file_and_what_changed(database: str) -> None:
    document = Pickled(file='a.txt').save()
    document.file = 'b.txt'
    again = pickle.loads(pickle.dumps(document))
    assert again.file.filename == 'b.txt'
    assert again._get_changed_fields() == ['file']
    again.save()
    assert Pickled.objects.get().file.filename == 'b.txt'


def test_fields_work_outside_of_any_application_context(database: str, tmp_path: Path) -> None:
    app, storage = Flask('site'), fs.Storage('alone', fs.ALL)
    app.config.update(FS_ROOT=str(tmp_path))
    fs.init_app(app, storage)

    class Paper(Document):
        file = FileField(storage)

    paper = Paper()
    paper.file.save(io.BytesIO(b'x'), 'a.txt')
    paper.save()
    assert Paper.objects.get().file.read() == b'x'
    assert paper.file.path == str(tmp_path / 'alone' / 'a.txt')


def test_a_field_needs_a_storage_and_known_ways_of_cleaning(memory: fs.Storage) -> None:
    with pytest.raises(TypeError, match='needs a Storage'):
        FileField('pictures')  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="'keep', 'remove' or a function"):
        FileField(memory, on_delete='yes')  # type: ignore[arg-type]  # what is tested


def test_the_checksum_of_a_file_is_stored_and_can_be_queried(storage: fs.Storage) -> None:
    class Paper(Document):
        file = FileField(storage, checksum=True)
        image = ImageField(fs=storage, checksum=True)

    paper = Paper()
    paper.file.save(io.BytesIO(b'content'), 'a.txt')
    paper.save()
    checksum = f'sha256:{hashlib.sha256(b"content").hexdigest()}'
    assert Paper._get_collection().find_one()['file'] == {'filename': 'a.txt', 'checksum': checksum}
    assert Paper.objects.get(file__checksum=checksum).file.stored.checksum == checksum
