"""Removing the files of documents that were deleted, and those that were replaced."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from mongoengine import (
    CASCADE,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    ListField,
    MapField,
    NotUniqueError,
    ReferenceField,
    StringField,
    ValidationError,
    signals,
)
from mongoengine.errors import OperationError

import flask_fs as fs
from flask_fs_mongo import FileField, FileReference, ImageField, cleanup

Names = Callable[[fs.Storage], list[str]]
BOTH: Any = {'on_delete': 'remove', 'on_replace': 'remove'}


def text(content: bytes = b'x') -> io.BytesIO:
    return io.BytesIO(content)


def write(storage: fs.Storage, *names: str) -> None:
    for name in names:
        storage.write(name, name, overwrite=True)


@pytest.fixture
def paper(memory: fs.Storage) -> type[Any]:
    class Paper(Document):
        title = StringField(max_length=5)
        file = FileField(memory, **BOTH)
        other = FileField(memory)

    return Paper


# --- Replaced.


def test_nothing_is_removed_by_default(memory: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(memory)

    write(memory, 'a.txt', 'b.txt')
    paper = Paper(file='a.txt').save()
    paper.file = 'b.txt'
    paper.save()
    paper.delete()
    assert names(memory) == ['a.txt', 'b.txt']


def test_a_replaced_picture_goes_with_all_its_files(storage: fs.Storage, picture: Any, names: Names) -> None:
    class Page(Document):
        image = ImageField(fs=storage, max_size=150, thumbnails=[32], on_replace='remove')

    page = Page()
    page.image.save(picture(), 'old.png')
    page.save()
    page.image.save(picture(), 'new.png')
    assert len(names(storage)) == 6
    page.save()
    assert names(storage) == ['new-32.png', 'new-original.png', 'new.png']
    page.image = None
    page.save()
    assert names(storage) == []


def test_a_file_replaced_under_its_own_name_stays(storage: fs.Storage, picture: Any, names: Names) -> None:
    class Page(Document):
        image = ImageField(fs=storage, max_size=150, thumbnails=[100, 32], **BOTH)

    page = Page()
    page.image.save(picture(), 'a.png')
    page.save()
    page.image.save(picture(100, 100), 'a.png', overwrite=True)
    page.save()
    assert names(storage) == ['a-100.png', 'a-32.png', 'a.png']
    page.image.save(picture(100, 100), 'a.png', overwrite=True)
    page.save()
    assert names(storage) == ['a-100.png', 'a-32.png', 'a.png']


def test_a_failed_validation_leaves_both_files(paper: Any, memory: fs.Storage, names: Names) -> None:
    write(memory, 'a.txt')
    document = paper(file='a.txt').save()
    document.file.save(text(), 'b.txt')
    document.title = 'too long'
    with pytest.raises(ValidationError):
        document.save()
    assert names(memory) == ['a.txt', 'b.txt']
    assert paper.objects.get().file.filename == 'a.txt'
    document.title = 'short'
    document.save()
    assert names(memory) == ['b.txt']


def test_a_failed_write_leaves_both_files(memory: fs.Storage, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    class Paper(Document):
        title = StringField(unique=True)
        file = FileField(memory, **BOTH)

    write(memory, 'a.txt')
    Paper(title='taken').save()
    document = Paper(title='mine', file='a.txt').save()
    document.file.save(text(), 'b.txt')
    document.title = 'taken'
    with pytest.raises(NotUniqueError):
        document.save()
    with pytest.raises(OperationError):
        document.save(save_condition={'title': 'nobody'})
    monkeypatch.setattr(Paper, '_save_update', _unreachable)
    with pytest.raises(ConnectionError):
        document.save()
    assert names(memory) == ['a.txt', 'b.txt']
    assert Paper.objects.get(pk=document.pk).file.filename == 'a.txt'


def _unreachable(*_: Any, **__: Any) -> Any:
    raise ConnectionError('the database is away')


def test_what_a_failed_save_would_have_removed_is_not_removed_by_another_one(
    paper: Any, memory: fs.Storage, names: Names
) -> None:
    write(memory, 'a.txt', 'b.txt')
    document = paper(file='a.txt').save()
    document.file = 'b.txt'
    document.title = 'too long'
    with pytest.raises(ValidationError):
        document.save()
    document.reload()
    document.title = 'x'
    document.save()
    assert names(memory) == ['a.txt', 'b.txt']


def test_what_an_update_replaces_is_left_alone(
    paper: Any, memory: fs.Storage, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a save that failed had looked at it."""
    write(memory, 'a.txt', 'b.txt', 'c.txt')
    document = paper(file='a.txt').save()
    document.file = 'b.txt'
    with monkeypatch.context() as patch:
        patch.setattr(paper, '_save_update', _unreachable)
        with pytest.raises(ConnectionError):
            document.save()
    paper.objects.update(set__file='c.txt')
    document.reload()
    document.title = 'x'
    document.save()
    assert names(memory) == ['a.txt', 'b.txt', 'c.txt']


def test_other_fields_keep_their_files(paper: Any, memory: fs.Storage, names: Names) -> None:
    write(memory, 'a.txt', 'b.txt', 'c.txt', 'd.txt')
    document = paper(file='a.txt', other='b.txt').save()
    document.file, document.other = 'c.txt', 'd.txt'
    document.save()
    assert names(memory) == ['b.txt', 'c.txt', 'd.txt']
    document.file = None
    document.other = 'c.txt'
    document.save()
    assert names(memory) == ['b.txt', 'c.txt', 'd.txt']


def test_the_truth_is_what_mongodb_has(paper: Any, memory: fs.Storage, names: Names) -> None:
    """Not what was loaded in part, or long ago."""
    write(memory, 'a.txt', 'b.txt', 'c.txt', 'd.txt')
    document = paper(file='a.txt').save()
    partial = paper.objects.only('title').get()
    partial.title = 'new'
    partial.save()
    assert 'a.txt' in memory
    partial.file = 'b.txt'
    partial.save()
    assert names(memory) == ['b.txt', 'c.txt', 'd.txt']
    document.file = 'c.txt'
    document.save()
    assert names(memory) == ['c.txt', 'd.txt']
    same_key = paper(pk=document.pk, file='d.txt')
    same_key.save()
    assert names(memory) == ['d.txt']


def test_a_new_file_under_a_name_that_another_process_has_freed_is_stored_in_the_document(
    paper: Any, memory: fs.Storage, names: Names
) -> None:
    write(memory, 'a.txt')
    stale = paper(file='a.txt').save()
    current = paper.objects.get()
    current.file = None
    current.save()
    stale.file.save(text(b'new'), 'a.txt')
    stale.save()
    assert paper.objects.get().file.filename == 'a.txt'
    assert names(memory) == ['a.txt']


def test_lists_maps_and_embedded_documents_are_cleaned(memory: fs.Storage, names: Names) -> None:
    class Part(EmbeddedDocument):
        file = FileField(memory, **BOTH)

    class Whole(Document):
        files = ListField(FileField(memory, **BOTH))
        named = MapField(FileField(memory, **BOTH))
        part = EmbeddedDocumentField(Part)
        parts = EmbeddedDocumentListField(Part)
        generic = GenericEmbeddedDocumentField()
        kept = ListField(FileField(memory))

    letters = 'abcdefgh'
    write(memory, *letters)
    whole = Whole(
        files=['a', 'b'],
        named={'x': 'c'},
        part=Part(file='d'),
        parts=[Part(file='e'), Part(file='f')],
        generic=Part(file='g'),
        kept=['h'],
    ).save()
    whole.files.pop(0)
    whole.save()
    assert ''.join(names(memory)) == 'bcdefgh'
    del whole.named['x']
    whole.part = None
    whole.parts.pop()
    whole.kept = []
    whole.save()
    assert ''.join(names(memory)) == 'begh'
    whole.files, whole.parts = [], []
    whole.generic.file.save(text(), 'new')
    whole.save()
    assert names(memory) == ['h', 'new']
    whole.files = ['new']
    whole.generic = None
    whole.save()
    assert names(memory) == ['h', 'new']
    Whole.objects.delete()
    assert names(memory) == ['h']


def test_a_default_file_is_never_removed(memory: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(memory, default='default.txt', **BOTH)

    write(memory, 'default.txt', 'a.txt')
    paper = Paper().save()
    paper.file = 'a.txt'
    paper.save()
    assert names(memory) == ['a.txt', 'default.txt']
    paper.file = None
    paper.save()
    paper.delete()
    assert names(memory) == ['default.txt']


def test_rerendering_removes_the_sizes_that_are_gone_once_the_document_is_saved(
    memory: fs.Storage, picture: Any, names: Names
) -> None:
    class Page(Document):
        image = ImageField(fs=memory, thumbnails=[100, 32], **BOTH)

    page = Page()
    page.image.save(picture(), 'a.png')
    page.save()
    Page.image.thumbnails = (32,)
    page = Page.objects.get()
    page.image.rerender()
    assert names(memory) == ['a-100.png', 'a-32.png', 'a.png']
    page.save()
    assert names(memory) == ['a-32.png', 'a.png']


def test_a_function_decides_about_each_value(memory: fs.Storage, names: Names) -> None:
    """Such as about files that several documents refer to."""

    def unused(reference: FileReference) -> bool:
        return Paper.objects(file__filename=reference.filename).count() == 0

    class Paper(Document):
        file = FileField(memory, on_delete=unused, on_replace=unused)

    write(memory, 'a.txt', 'b.txt')
    one, other = Paper(file='a.txt').save(), Paper(file='a.txt').save()
    one.delete()
    assert names(memory) == ['a.txt', 'b.txt']
    other.file = 'b.txt'
    other.save()
    assert names(memory) == ['b.txt']
    other.delete()
    assert names(memory) == []


def test_a_save_that_changes_no_file_costs_no_more_requests(paper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = paper(file='a.txt').save()
    requests: list[Any] = []
    in_mongodb = cleanup._in_mongodb
    monkeypatch.setattr(cleanup, '_in_mongodb', lambda document: requests.append(document) or in_mongodb(document))
    document.title = 'x'
    document.other = 'y'
    document.save()
    paper(title='y', file='b.txt').save()
    assert requests == []
    document.file = 'c.txt'
    document.save()
    assert requests == [document, document]


# --- Deleted.


def test_a_deleted_document_removes_its_files(storage: fs.Storage, picture: Any, names: Names) -> None:
    class Page(Document):
        image = ImageField(fs=storage, max_size=150, thumbnails=[32], on_delete='remove')

    for name in ('a.png', 'b.png'):
        page = Page()
        page.image.save(picture(), name)
        page.save()
    page.delete()
    assert names(storage) == ['a-32.png', 'a-original.png', 'a.png']
    Page.objects.delete()
    assert names(storage) == []


def test_a_failed_deletion_leaves_the_files(
    paper: Any, memory: fs.Storage, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(memory, 'a.txt')
    document = paper(file='a.txt').save()
    with monkeypatch.context() as patch:
        patch.setattr('mongoengine.queryset.queryset.QuerySet.delete', _unreachable)
        with pytest.raises(ConnectionError):
            document.delete()
    assert names(memory) == ['a.txt']
    document.delete()
    assert names(memory) == []


def test_deleting_removes_what_mongodb_has_and_not_what_was_never_saved(
    paper: Any, memory: fs.Storage, names: Names
) -> None:
    write(memory, 'a.txt', 'b.txt', 'c.txt')
    document = paper(file='a.txt').save()
    paper.objects.update(set__file='b.txt')
    document.file = 'c.txt'
    document.delete()
    assert names(memory) == ['a.txt', 'c.txt']
    paper(file='a.txt').delete()
    assert names(memory) == ['a.txt', 'c.txt']


def test_a_part_that_was_loaded_is_enough_to_delete_all(paper: Any, memory: fs.Storage, names: Names) -> None:
    write(memory, 'a.txt')
    paper(file='a.txt').save()
    paper.objects.only('title').get().delete()
    assert names(memory) == []


def test_deleting_happens_once_for_each_file(paper: Any, memory: fs.Storage, recorded: Any) -> None:
    write(memory, 'a.txt', 'b.txt')
    document = paper(file='a.txt').save()
    paper(file='b.txt').save()
    with recorded(memory) as backend:
        document.delete()
        document.delete()
        assert backend.names('remove') == ['a.txt']
        paper.objects.delete()
        assert backend.names('remove') == ['a.txt', 'b.txt']


def test_subclasses_and_their_parents_are_watched(memory: fs.Storage, names: Names) -> None:
    class Base(Document):
        meta = {'allow_inheritance': True}  # noqa: RUF012  # as MongoEngine declares it
        title = StringField()

    class WithFile(Base):
        file = FileField(memory, **BOTH)

    class Further(WithFile):
        more = StringField()

    write(memory, 'a.txt', 'b.txt', 'c.txt')
    Base(title='without').save()
    Further(file='a.txt').save()
    WithFile(file='b.txt').save()
    Further.objects.delete()
    assert names(memory) == ['b.txt', 'c.txt']
    Further(file='c.txt').save()
    Base.objects.delete()
    assert names(memory) == []


def test_abstract_parents_and_mixins_are_watched(memory: fs.Storage, names: Names) -> None:
    class Mixin:
        second = FileField(memory, **BOTH)

    class Abstract(Document):
        meta = {'abstract': True}  # noqa: RUF012  # as MongoEngine declares it
        file = FileField(memory, **BOTH)

    class One(Mixin, Abstract):
        pass

    class Two(Mixin, Abstract):
        pass

    write(memory, 'a', 'b', 'c', 'd')
    One(file='a', second='b').save()
    Two(file='c', second='d').save()
    One.objects.delete()
    assert names(memory) == ['c', 'd']
    Two.objects.delete()
    assert names(memory) == []


def test_embedded_classes_that_are_named_before_they_exist_are_watched(memory: fs.Storage, names: Names) -> None:
    class Outer(Document):
        parts = MapField(EmbeddedDocumentField('LaterPart'))

    class LaterPart(EmbeddedDocument):
        file = FileField(memory, **BOTH)
        inner = EmbeddedDocumentField('self')

    write(memory, 'a', 'b')
    Outer(parts={'x': LaterPart(file='a', inner=LaterPart(file='b'))}).save()
    Outer.objects.delete()
    assert names(memory) == []


def test_classes_are_looked_at_again_when_there_are_new_files(memory: fs.Storage, names: Names) -> None:
    class Early(Document):
        parts = MapField(EmbeddedDocumentField('NewPart'))

    Early()

    class NewPart(EmbeddedDocument):
        file = FileField(memory, **BOTH)

    Early()
    write(memory, 'a')
    Early._get_collection().insert_one({'parts': {'x': {'file': 'a'}}})
    Early.objects.delete()
    assert names(memory) == []


def test_documents_that_go_with_another_one_take_their_files_along(
    paper: Any, memory: fs.Storage, names: Names
) -> None:
    class Owner(Document):
        title = StringField()

    class Owned(Document):
        owner = ReferenceField(Owner, reverse_delete_rule=CASCADE)
        file = FileField(memory, **BOTH)

    write(memory, 'a.txt')
    owner = Owner().save()
    Owned(owner=owner, file='a.txt').save()
    owner.delete()
    assert names(memory) == []


def test_classes_without_such_files_are_deleted_at_once(paper: Any, memory: fs.Storage) -> None:
    class Plain(Document):
        title = StringField()
        file = FileField(memory)

    Plain(title='x', file='a.txt').save()
    assert not signals.pre_delete.has_receivers_for(Plain)
    assert not signals.post_delete.has_receivers_for(Plain)
    assert signals.post_delete.has_receivers_for(paper)


def test_files_that_the_store_does_not_remove_are_logged_and_the_document_is_saved(
    paper: Any, memory: fs.Storage, faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write(memory, 'a.txt', 'b.txt')
    document = paper(file='a.txt').save()
    document.file = 'b.txt'
    with faulty(memory) as backend:
        backend.fail_next('remove')
        document.save()
    assert document._get_changed_fields() == []
    assert paper.objects.get().file.filename == 'b.txt'
    assert "'a.txt' stays in storage 'pictures'" in caplog.text


def test_two_fields_that_name_the_same_file_keep_it_as_long_as_one_does(
    paper: Any, memory: fs.Storage, names: Names
) -> None:
    write(memory, 'a.txt')
    document = paper(file='a.txt', other='a.txt').save()
    document.file = None
    document.save()
    assert names(memory) == ['a.txt']


def test_a_new_process_cleans_up_before_it_has_made_any_document(memory_app: Flask, tmp_path: Any) -> None:
    """For the class that declares the field; others are found with the first document of any kind."""
    program = f"""
        import mongoengine, mongomock
        from flask import Flask
        import flask_fs as fs
        from flask_fs.mongo import FileField

        app, storage = Flask('x'), fs.Storage('files', fs.ALL)
        app.config['FS_ROOT'] = {str(tmp_path)!r}
        fs.init_app(app, storage)
        mongoengine.connect('x', mongo_client_class=mongomock.MongoClient, uuidRepresentation='standard')

        class Paper(mongoengine.Document):
            file = FileField(storage, on_delete='remove')

        storage.write('a.txt', 'x')
        Paper._get_collection().insert_one({{'file': 'a.txt'}})
        Paper.objects.delete()
        print(list(storage.list_files()))
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@pytest.mark.parametrize('name', ['pre_save', 'pre_save_post_validation'])
def test_what_a_listener_replaces_while_its_document_is_saved_is_removed(
    paper: Any, memory: fs.Storage, names: Names, name: str
) -> None:
    """Listeners of one signal are called in no order."""
    write(memory, 'old.txt')
    document = paper(file='old.txt').save()

    def replace(sender: Any, document: Any, **_: Any) -> None:
        document.file.save(text(), 'new.txt')

    getattr(signals, name).connect(replace, sender=paper)
    document.title = 'new'
    document.save()
    assert names(memory) == ['new.txt']
    assert paper.objects.get().file.filename == 'new.txt'


def test_a_document_is_read_before_listeners_change_its_files(paper: Any, memory: fs.Storage, names: Names) -> None:
    write(memory, 'old.txt')
    document = paper(file='old.txt').save()

    def replace(sender: Any, document: Any, **_: Any) -> None:
        """It is called after that of the package."""

    signals.pre_save_post_validation.connect(replace, sender=paper)
    document.title = 'new'
    cleanup._before_save(paper, document)
    document.file.save(text(), 'new.txt')
    paper.objects.update(set__file={'filename': 'new.txt'})
    cleanup._after_save(paper, document)
    assert names(memory) == ['new.txt']
