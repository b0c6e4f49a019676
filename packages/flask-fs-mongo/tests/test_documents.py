"""Files wherever a document can have them: lists, maps, embedded documents, and what MongoEngine does with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import mongoengine
import pytest
from mongoengine import (
    Document,
    DynamicDocument,
    EmbeddedDocument,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    GenericEmbeddedDocumentField,
    IntField,
    ListField,
    MapField,
    StringField,
    ValidationError,
)
from mongoengine.context_managers import no_dereference
from mongoengine.pymongo_support import LEGACY_JSON_OPTIONS
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs_mongo import FileField, ImageField
from flask_fs_mongo.traversal import file_fields

Names = Callable[[fs.Storage], list[str]]
STORED = {'filename': 'a.png', 'original': 'a-original.png', 'thumbnails': {'32': 'a-32.png'}, 'bbox': [1, 2, 3, 4]}


def text(content: bytes = b'x') -> io.BytesIO:
    return io.BytesIO(content)


def upload() -> FileStorage:
    return FileStorage(text(), 'x.txt')


@pytest.fixture
def page(memory: fs.Storage) -> type[Any]:
    class Page(Document):
        title = StringField()
        image = ImageField(fs=memory, thumbnails=[32])

    return Page


@pytest.fixture
def folder(memory: fs.Storage) -> type[Any]:
    class Folder(Document):
        title = StringField()
        files = ListField(FileField(memory, upload_to=lambda folder: folder.title))
        named = MapField(FileField(memory), db_field='n')

    return Folder


@pytest.fixture
def book(memory: fs.Storage) -> type[Any]:
    class Chapter(EmbeddedDocument):
        heading = StringField()
        file = FileField(memory, basename=lambda chapter: chapter.heading)
        more = ListField(FileField(memory))

    class Book(Document):
        title = StringField()
        preface = EmbeddedDocumentField(Chapter)
        chapters = EmbeddedDocumentListField(Chapter)
        generic = GenericEmbeddedDocumentField()

    Book.chapter = Chapter
    return Book


# --- Queries.


def test_queries_use_keys_of_the_stored_form(page: Any) -> None:
    page(title='with', image=STORED).save()
    page(title='without').save()
    for query in (
        {'image__filename': 'a.png'},
        {'image__filename__startswith': 'a.'},
        {'image__filename__in': ['a.png', 'b.png']},
        {'image__original': 'a-original.png'},
        {'image__thumbnails__32': 'a-32.png'},
        {'image__bbox__exists': True},
        {'image__exists': True},
        {'image__ne': None},
        {'image': STORED},
    ):
        assert [found.title for found in page.objects(**query)] == ['with'], query
    assert page.objects(image=page.objects.get(title='with').image).count() == 1
    assert page.objects(image__in=[STORED]).count() == 1
    assert page.objects(image__exists=False).get().title == 'without'
    assert page.objects(image=None).get().title == 'without'
    assert [found.title for found in page.objects.order_by('-image__filename')] == ['with', 'without']
    with pytest.raises(mongoengine.errors.InvalidQueryError):
        page.objects(image__nonsense=1).count()


def test_updates_take_what_can_be_assigned(page: Any) -> None:
    document = page().save()
    page.objects.update(set__image='b.png')
    assert document.reload().image.filename == 'b.png'
    page.objects.update(image=STORED)
    assert document.reload().image.thumbnail(32) == 'a-32.png'
    document.update(unset__image=1)
    assert not document.reload().image
    with pytest.raises(ValidationError):
        page.objects.update(set__image=5)


def test_lists_and_embedded_documents_are_queried_the_same_way(folder: Any, book: Any) -> None:
    folder(files=['a.txt', 'b.txt'], named={'one': 'c.txt'}).save()
    assert folder.objects(files__filename='b.txt').count() == 1
    assert folder.objects(files__0__filename='a.txt').count() == 1
    assert folder.objects(named__one__filename='c.txt').count() == 1
    book(chapters=[book.chapter(file='a.txt')], preface=book.chapter(file='p.txt')).save()
    assert book.objects(chapters__file__filename='a.txt').count() == 1
    assert book.objects(preface__file__filename='p.txt').count() == 1
    folder.objects.update(push__files='z.txt')
    assert [file.filename for file in folder.objects.get().files] == ['a.txt', 'b.txt', 'z.txt']


# --- Loading.


def test_only_and_exclude_leave_files_out(page: Any) -> None:
    page(title='x', image=STORED).save()
    for partial in (page.objects.only('title').get(), page.objects.exclude('image').get()):
        assert not partial.image
        partial.title = 'y'
        partial.save()
    assert page.objects.only('image').get().image.original == 'a-original.png'
    assert page.objects.scalar('image').get().filename == 'a.png'
    assert page.objects.clone().get().image.filename == 'a.png'
    assert page.objects.as_pymongo().get()['image'] == STORED


def test_loading_and_reading_changes_nothing(page: Any, folder: Any, book: Any) -> None:
    documents = [
        page(image=STORED).save(),
        folder(files=['a.txt'], named={'one': 'c.txt'}).save(),
        book(preface=book.chapter(file='p.txt'), chapters=[book.chapter()]).save(),
        page().save(),
    ]
    for document in documents:
        found = type(document).objects.get(pk=document.pk)
        for name in found:
            str(getattr(found, name))
        assert found._get_changed_fields() == []
        assert found._delta() == ({}, {})
        assert found.to_mongo() == document.to_mongo()


def test_documents_are_converted_to_json_and_back(page: Any, folder: Any) -> None:
    document = page(title='x', image=STORED).save()
    again = page.from_json(document.to_json(json_options=LEGACY_JSON_OPTIONS), json_options=LEGACY_JSON_OPTIONS)
    assert again.image == document.image
    assert again.to_mongo() == document.to_mongo()
    files = folder(files=['a.txt'], named={'one': 'c.txt'})
    again = folder.from_json(files.to_json(json_options=LEGACY_JSON_OPTIONS), json_options=LEGACY_JSON_OPTIONS)
    assert again.files == files.files
    assert again.named == files.named


def test_reload_reads_what_mongodb_has(page: Any, folder: Any) -> None:
    document = page(image='a.png').save()
    page.objects.update(set__image='b.png')
    document.image = 'c.png'
    document.reload()
    assert document.image.filename == 'b.png'
    assert document._get_changed_fields() == []
    page.objects.update(set__image='d.png')
    document.title = 'x'
    document.save()
    assert page.objects.get().image.filename == 'd.png'

    files = folder(title='t', files=['a.txt']).save()
    files.files[0] = 'z.txt'
    files.reload()
    assert files.files[0].filename == 'a.txt'
    files.files[0].save(text(), 'b.txt')
    files.save()
    assert folder.objects.get().files[0].filename == 't/b.txt'
    files.files[0] = 'z.txt'
    files.reload()
    files.save()
    assert folder.objects.get().files[0].filename == 't/b.txt'


def test_what_was_reloaded_in_part_is_saved_with_the_document(folder: Any) -> None:
    document = folder(title='t', files=['a.txt'], named={'one': 'a.txt'}).save()
    document.reload('named')
    document.named['one'].save(text(), 'b.txt')
    document.save()
    assert folder.objects.get().named['one'].filename == 'b.txt'


def test_modify_reads_what_mongodb_has(page: Any) -> None:
    document = page(image='a.png').save()
    document.modify(set__image=STORED)
    assert document.image.original == 'a-original.png'


def test_it_works_without_dereferencing(page: Any, folder: Any, book: Any) -> None:
    page(image=STORED).save()
    folder(title='t', files=['a.txt']).save()
    book(preface=book.chapter(heading='h')).save()
    assert page.objects.no_dereference().get().image.filename == 'a.png'
    found = folder.objects.no_dereference().get()
    found.files[0].save(text(), 'b.txt')
    found.save()
    with no_dereference(folder):
        assert folder.objects.get().files[0].filename == 't/b.txt'
    one = book.objects.no_dereference().get()
    one.preface.file.save(upload())
    one.save()
    assert book.objects.get().preface.file.filename == 'h.txt'


def test_inserting_many_documents_stores_their_files(page: Any, folder: Any) -> None:
    page.objects.insert([page(image='a.png'), page(image='b.png')])
    assert sorted(found.image.filename for found in page.objects) == ['a.png', 'b.png']
    files = folder(title='t')
    files.files.append('plain.txt')
    folder.objects.insert(files)
    assert folder.objects.get().files[0].filename == 'plain.txt'


# --- Inheritance.


def test_subclasses_have_the_field_too(memory: fs.Storage) -> None:
    class Mixin:
        image = ImageField(fs=memory)

    class Base(Document):
        meta = {'allow_inheritance': True}  # noqa: RUF012  # as MongoEngine declares it
        file = FileField(memory, upload_to=lambda document: type(document).__name__)

    class Derived(Mixin, Base):
        second = FileField(memory)

    derived = Derived()
    derived.file.save(text(), 'a.txt')
    derived.second = 'b.txt'
    derived.image = 'c.png'
    derived.save()
    found = Base.objects.get()
    assert (found.file.filename, found.second.filename, found.image.filename) == ('Derived/a.txt', 'b.txt', 'c.png')
    assert Base.objects(second__filename='b.txt').count() == 1


def test_abstract_and_dynamic_documents_work(memory: fs.Storage) -> None:
    class Abstract(Document):
        meta = {'abstract': True}  # noqa: RUF012  # as MongoEngine declares it
        file = FileField(memory)

    class Real(Abstract):
        pass

    class Loose(DynamicDocument):
        file = FileField(memory)

    for kind in (Real, Loose):
        document = kind(file='a.txt').save()
        document.file.save(text(), f'{kind.__name__}.txt')
        document.save()
        assert kind.objects.get().file.filename == f'{kind.__name__}.txt'
    Loose(extra=5, file='x.txt').save()
    assert Loose.objects(extra=5).get().file.filename == 'x.txt'


# --- Lists and maps.


def test_files_in_a_list_are_saved_in_place(folder: Any, memory: fs.Storage) -> None:
    document = folder(title='t', files=['a.txt', 'b.txt']).save()
    for found in (document, folder.objects.get()):
        found.files[1].save(text(), 'new.txt', overwrite=True)
        assert found._get_changed_fields() == ['files.1']
        found.save()
        assert found._get_changed_fields() == []
        assert [file.filename for file in folder.objects.get().files] == ['a.txt', 't/new.txt']
        found.files[1] = 'b.txt'
        found.save()


def test_files_are_appended_by_reference_or_name(folder: Any, memory: fs.Storage) -> None:
    document = folder(title='t').save()
    one = folder.files.field.reference(document=document)
    one.save(text(b'1'), 'one.txt')
    document.files.append(one)
    document.files.append('two.txt')
    document.save()
    assert [file.filename for file in document.files] == ['t/one.txt', 'two.txt']
    document.files[1].save(text(b'2'), 'two.txt')
    one.save(text(b'3'), 'three.txt')
    assert document._get_changed_fields() == ['files.1', 'files.0']
    document.save()
    assert [file.filename for file in folder.objects.get().files] == ['t/three.txt', 't/two.txt']


def test_a_reference_without_a_document_cannot_pass_it_to_functions(
    folder: Any, memory: fs.Storage, names: Names
) -> None:
    with pytest.raises(ValueError, match=r'reference\(document=…\)'):
        folder.files.field.reference().save(text(), 'a.txt')
    assert names(memory) == []


def test_files_in_a_map_are_saved_in_place(folder: Any) -> None:
    folder(title='t', named={'one': 'a.txt', 'two': 'b.txt'}).save()
    document = folder.objects.get()
    document.named['two'].save(text(), 'new.txt')
    assert document._get_changed_fields() == ['n.two']
    document.named['three'] = 'c.txt'
    document.save()
    stored = folder._get_collection().find_one()['n']
    assert stored == {'one': {'filename': 'a.txt'}, 'two': {'filename': 'new.txt'}, 'three': {'filename': 'c.txt'}}
    assert document.named['three'].url.endswith('/c.txt')


def test_plain_strings_in_lists_are_replaced_whole(folder: Any) -> None:
    folder._get_collection().insert_one({'title': 't', 'files': ['a.txt', None], 'n': {'one': 'b.txt'}})
    document = folder.objects.get()
    assert [file.filename for file in document.files] == ['a.txt', None]
    document.files[1].save(text(), 'x.txt')
    document.named['one'].delete()
    document.save()
    stored = folder._get_collection().find_one()
    assert stored['files'] == ['a.txt', {'filename': 't/x.txt'}]
    assert stored['n'] == {}


def test_emptied_items_of_a_list_keep_their_index(folder: Any) -> None:
    document = folder(files=['a.txt', 'b.txt', 'c.txt']).save()
    document.files[1].delete()
    assert document._delta() == ({}, {'files.1': 1})
    document.save()
    if not type(folder._get_collection()).__module__.startswith('mongomock'):
        # mongomock takes no notice of $unset within lists.
        assert [file.filename for file in folder.objects.get().files] == ['a.txt', None, 'c.txt']


def test_the_reference_of_an_attribute_is_copied_into_a_list(memory: fs.Storage) -> None:
    class Album(Document):
        cover = FileField(memory)
        files = ListField(FileField(memory))

    album = Album(cover='a.txt')
    album.files.append(album.cover)
    album.save()
    album.files[0].save(text(), 'b.txt')
    album.save()
    assert album.cover.filename == 'a.txt'
    found = Album.objects.get()
    assert (found.cover.filename, found.files[0].filename) == ('a.txt', 'b.txt')


def test_documents_do_not_share_the_references_of_their_lists(folder: Any) -> None:
    one = folder(title='one', files=['a.txt']).save()
    other = folder(title='other', files=[one.files[0]]).save()
    other.files[0].save(text(), 'b.txt')
    assert one.files[0].filename == 'a.txt'
    assert other.files[0].filename == 'other/b.txt'


def test_a_file_field_keeps_only_the_name_of_a_picture(memory: fs.Storage, page: Any) -> None:
    class Download(Document):
        file = FileField(memory)

    download = Download(file=page(image=STORED).image)
    assert download.to_mongo()['file'] == {'filename': 'a.png'}
    assert Download(file=STORED).to_mongo()['file'] == {'filename': 'a.png'}


def test_keys_of_other_programs_stay(memory: fs.Storage, picture: Any) -> None:
    class Album(Document):
        cover = ImageField(fs=memory, thumbnails=[32])
        pictures = ListField(ImageField(fs=memory))
        files = MapField(FileField(memory))

    stored = {'filename': 'a.png', 'alt': 'a lamp', 'more': {'by': ['ada']}}
    collection = Album._get_collection()
    collection.insert_one({'cover': stored, 'pictures': [stored], 'files': {'a': stored}})
    memory.write('a.png', picture().getvalue())
    album = Album.objects.get()
    album.pictures.append('b.png')
    album.files = {**album.files, 'b': 'b.txt'}
    album.cover.rerender()
    album.save()
    found = collection.find_one()
    assert found['cover'] == {**stored, 'thumbnails': {'32': 'a-32.png'}}
    assert found['pictures'] == [stored, {'filename': 'b.png'}]
    assert found['files'] == {'a': stored, 'b': {'filename': 'b.txt'}}
    # It belongs to the file that was there.
    album.cover.save(picture(20, 20), 'c.png')
    album.save()
    assert set(collection.find_one()['cover']) == {'filename', 'thumbnails'}


def test_an_original_that_is_the_main_file_is_no_other_one(page: Any) -> None:
    document = page(image={'filename': 'a.png', 'original': 'a.png', 'thumbnails': {}, 'bbox': None})
    assert document.image.original == 'a.png'
    assert document.to_mongo()['image'] == {'filename': 'a.png'}


def test_lists_of_lists_and_required_items_work(memory: fs.Storage) -> None:
    class Grid(Document):
        cells = ListField(ListField(FileField(memory)))
        needed = ListField(FileField(memory, required=True))

    Grid(cells=[['a.txt'], ['b.txt', 'c.txt']]).save()
    grid = Grid.objects.get()
    grid.cells[1][0].save(text(), 'new.txt')
    assert grid._get_changed_fields() == ['cells.1.0']
    grid.save()
    stored = Grid._get_collection().find_one()['cells']
    assert stored == [[{'filename': 'a.txt'}], [{'filename': 'new.txt'}, {'filename': 'c.txt'}]]
    grid.needed.append('')
    with pytest.raises(ValidationError, match='Field is required'):
        grid.save()


def test_a_list_that_is_null_has_no_files(memory: fs.Storage) -> None:
    class Gallery(Document):
        files = ListField(FileField(memory), null=True)

    Gallery(files=['a.txt']).save()
    found = Gallery.objects.get()
    found.files = None
    found.save()
    assert not Gallery.objects.get().files
    found.files = ['b.txt']
    found.save()
    assert [file.filename for file in Gallery.objects.get().files] == ['b.txt']


def test_a_reference_stays_the_same_until_it_belongs_to_an_attribute(page: Any) -> None:
    field = page.image
    free = field.to_python('a.txt')
    assert field.to_python(free) is free
    held = page(image='a.txt').image
    copied = field.to_python(held)
    assert copied is not held
    assert held.filename == copied.filename == 'a.txt'


def test_uploads_cannot_be_put_into_a_list(folder: Any) -> None:
    document = folder()
    document.files.append(text())
    with pytest.raises(ValidationError, match='store it with'):
        document.save()


def test_images_in_lists_have_their_thumbnails(memory: fs.Storage, picture: Any) -> None:
    class Gallery(Document):
        images = ListField(ImageField(fs=memory, thumbnails=[32]))

    gallery = Gallery().save()
    image = Gallery.images.field.reference()
    image.save(picture(), 'a.png')
    gallery.images.append(image)
    gallery.save()
    found = Gallery.objects.get()
    assert found.images[0].thumbnail(32) == 'a-32.png'
    assert Gallery.objects(images__thumbnails__32='a-32.png').count() == 1


# --- Embedded documents.


def test_files_of_embedded_documents_change_the_document_that_is_saved(book: Any) -> None:
    chapters = [book.chapter(heading='one'), book.chapter(heading='two')]
    book(preface=book.chapter(heading='pre'), chapters=chapters, generic=book.chapter(heading='gen')).save()
    document = book.objects.get()
    assert document.preface.file.save(upload()) == 'pre.txt'
    document.chapters[1].file.save(upload())
    document.generic.file.save(upload())
    assert sorted(document._get_changed_fields()) == ['chapters.1.file', 'generic.file', 'preface.file']
    document.save()
    assert document._get_changed_fields() == []
    found = book.objects.get()
    assert found.preface.file.filename == 'pre.txt'
    assert [chapter.file.filename for chapter in found.chapters] == [None, 'two.txt']
    assert found.generic.file.filename == 'gen.txt'
    found.chapters[1].file = None
    found.save()
    assert 'file' not in book._get_collection().find_one()['chapters'][1]


def test_lists_in_embedded_documents_in_lists_are_followed(book: Any) -> None:
    book(chapters=[book.chapter(more=['a.txt', 'b.txt'])]).save()
    document = book.objects.get()
    document.chapters[0].more[1].save(text(), 'new.txt')
    assert document._get_changed_fields() == ['chapters.0.more.1']
    document.save()
    document.chapters[0].more.append('c.txt')
    document.save()
    document.chapters[0].more[2].save(text(), 'd.txt')
    document.save()
    assert [file.filename for file in book.objects.get().chapters[0].more] == ['a.txt', 'new.txt', 'd.txt']


def test_an_embedded_document_can_be_made_and_filled_before_it_is_put_in(book: Any) -> None:
    chapter = book.chapter(heading='later')
    chapter.file.save(upload())
    document = book().save()
    document.chapters.append(chapter)
    document.save()
    assert book.objects.get().chapters[0].file.filename == 'later.txt'
    assert book.objects.get().chapters[0] == chapter


def test_required_holds_in_embedded_documents(memory: fs.Storage) -> None:
    class Part(EmbeddedDocument):
        number = IntField()
        file = FileField(memory, required=True)

    class Whole(Document):
        parts = EmbeddedDocumentListField(Part)

    with pytest.raises(ValidationError, match='Field is required'):
        Whole(parts=[Part(number=1)]).save()
    Whole(parts=[Part(number=1, file='a.txt')]).save()


def test_fields_of_documents_that_may_hold_one_another_are_found_at_once() -> None:
    """Each class of eleven may be in each other one: there are more ways through them than can be walked."""
    for number in range(10):
        type(f'Mutual{number}', (EmbeddedDocument,), {'items': ListField(GenericEmbeddedDocumentField())})

    class MutualWithFile(EmbeddedDocument):
        items = ListField(GenericEmbeddedDocumentField())
        file = FileField()

    class Holder(Document):
        first = ListField(GenericEmbeddedDocumentField())
        second = GenericEmbeddedDocumentField()

    found = file_fields(Holder)
    assert MutualWithFile.file in found['first']
    assert MutualWithFile.file in found['second']
