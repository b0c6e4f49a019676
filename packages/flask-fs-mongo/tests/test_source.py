"""Documents as those that refer to files: what `flask fs gc` and `flask fs fsck` find in them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import mongoengine
import pytest
from flask import Flask
from mongoengine import Document, EmbeddedDocument, EmbeddedDocumentField, ListField, MapField, StringField

import flask_fs as fs
from flask_fs.consistency.fsck import check, repair
from flask_fs.consistency.gc import collect
from flask_fs.consistency.sources import Reference, sources_of
from flask_fs_mongo import FileField, ImageField, init_app

Names = Callable[[fs.Storage], list[str]]


def brief(found: Any) -> list[tuple[str, str | None]]:
    return sorted((finding.kind, finding.filename) for finding in found)


def source_of(app: Flask) -> Any:
    [source] = sources_of(app)
    return source


@pytest.fixture
def album(memory: fs.Storage) -> Any:
    """A class of documents that has files everywhere."""

    class Profile(EmbeddedDocument):
        picture = ImageField(fs=memory, db_field='pic')
        more = EmbeddedDocumentField('self')

    class Album(Document):
        title = StringField()
        file = FileField(memory)
        pages = ListField(FileField(memory))
        rows = ListField(ListField(FileField(memory)))
        by_name = MapField(FileField(memory))
        profile = EmbeddedDocumentField(Profile)
        profiles = ListField(EmbeddedDocumentField(Profile))
        anything = ListField(mongoengine.GenericEmbeddedDocumentField(choices=[Profile]))

    Album.Profile = Profile
    return Album


@pytest.fixture
def stored(album: Any, memory: fs.Storage) -> set[str]:
    """A document that has a file in each of its fields, and the names of these."""
    names = [f'{number}.png' for number in range(12)]
    for name in names:
        memory.write(name, 'x')
    left = iter(names)
    profile = album.Profile

    def picture() -> dict[str, Any]:
        return {'filename': next(left), 'original': next(left), 'thumbnails': {'100': next(left)}}

    album(
        file=next(left),
        pages=[next(left)],
        rows=[[], [next(left)]],
        by_name={'some name': next(left)},
        profile=profile(picture=picture(), more=profile(picture=next(left))),
        profiles=[profile(), profile(picture=picture())],
        anything=[profile(picture=next(left))],
    ).save()
    return set(names)


def test_every_reference_of_a_document_is_found(
    memory_app: Flask, memory: fs.Storage, album: Any, stored: set[str]
) -> None:
    init_app(memory_app, album)
    source = source_of(memory_app)
    found = list(source.references())
    assert {name for reference in found for name in reference.stored.files()} == stored
    document = album.objects.get()
    assert {reference.where for reference in found} >= {
        f'file of Album {document.pk}',
        f'pages.0 of Album {document.pk}',
        f'rows.1.0 of Album {document.pk}',
        f'by_name.some name of Album {document.pk}',
        f'profile.more.pic of Album {document.pk}',
        f'profiles.1.pic of Album {document.pk}',
        f'anything.0.pic of Album {document.pk}',
    }
    assert all(source.holds(reference) for reference in found)
    assert list(source.storages) == [memory]


def test_those_of_some_names_that_are_referred_to_are_found(
    memory_app: Flask, memory: fs.Storage, album: Any, stored: set[str]
) -> None:
    init_app(memory_app, album)
    source = source_of(memory_app)
    for name in stored:
        assert source.referenced(memory, ['other.png', name]) == {name}
    assert source.referenced(memory, [*stored, 'other.png']) == stored
    assert source.referenced(memory, ['x.png']) == set()
    assert source.referenced(fs.Storage('another'), list(stored)) == set()


def test_a_plain_name_and_items_of_other_types_are_read(memory_app: Flask, memory: fs.Storage, album: Any) -> None:
    init_app(memory_app, album)
    collection = album._get_collection()
    hostile = {'$where': 'true'}
    collection.insert_many(
        [
            {'_id': 1, 'file': 'a.txt', 'pages': ['b.txt', None, 7], 'by_name': {'x': 'c.txt', 'y': ['d']}},
            {'_id': 'two', 'file': hostile, 'pages': 'no list', 'profile': 'no document', 'profiles': [5, [], {}]},
            {'_id': 3, 'file': {'filename': hostile}, 'profile': {'_cls': 'Nobody', 'pic': 'e.png'}, 'anything': [{}]},
        ]
    )
    found = list(source_of(memory_app).references())
    assert {name for reference in found for name in reference.stored.files()} == {'a.txt', 'b.txt', 'c.txt', 'e.png'}
    assert sorted(reference.where for reference in found if reference.stored.problem) == [
        'by_name.y of Album 1',
        'file of Album 3',
        'pages.2 of Album 1',
    ]
    assert source_of(memory_app).referenced(memory, ['a.txt', 'b.txt', 'c.txt', 'd', 'e.png']) == {
        'a.txt',
        'b.txt',
        'c.txt',
        'e.png',
    }
    assert brief(check(memory_app))[:4] == [('malformed', None)] * 3 + [('missing', 'a.txt')]


def test_documents_of_subclasses_are_read_as_what_they_are(memory_app: Flask, memory: fs.Storage) -> None:
    class Item(Document):
        file = FileField(memory)
        meta = {'allow_inheritance': True, 'collection': 'items'}  # noqa: RUF012  # as MongoEngine declares it

    class Book(Item):
        cover = ImageField(fs=memory)

    class Note(Item):
        cover = StringField()

    init_app(memory_app, Item)
    Item(file='item.txt').save()
    Book(file='book.txt', cover='cover.png').save()
    Note(cover='no file').save()
    source = source_of(memory_app)
    assert sorted(name for each in source.references() for name in each.stored.files()) == [
        'book.txt',
        'cover.png',
        'item.txt',
    ]
    assert source.referenced(memory, ['cover.png', 'no file', 'item.txt']) == {'cover.png', 'item.txt'}


def test_a_reference_is_cleared_only_as_it_was(
    memory_app: Flask, memory: fs.Storage, album: Any, stored: set[str]
) -> None:
    init_app(memory_app, album)
    source = source_of(memory_app)
    references: dict[str, Reference] = {
        reference.where.partition(' ')[0]: reference for reference in source.references()
    }
    document = album.objects.get()
    document.file = 'another.png'
    document.save()
    assert not source.holds(references['file'])
    assert not source.clear(references['file'])
    assert source.clear(references['pages.0'])
    assert not source.clear(references['pages.0'])
    assert source.clear(references['rows.1.0'])
    assert source.clear(references['profile.pic'])
    document = album.objects.get()
    assert document.file.filename == 'another.png'
    assert [bool(page) for page in document.pages] == [False]
    assert not document.profile.picture
    assert document.profile.more.picture.filename in stored


def test_fsck_compares_documents_with_their_files(memory_app: Flask, memory: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(memory, checksum=True)

    init_app(memory_app, Paper)
    for name in ('fine.txt', 'altered.txt', 'missing.txt'):
        paper = Paper()
        paper.file.save(io.BytesIO(b'x'), name)
        paper.save()
    memory.write('orphan.txt', 'x')
    memory.remove('missing.txt')
    memory.write('altered.txt', 'y', overwrite=True)
    found = list(check(memory_app, content=True, older_than_s=0))
    assert brief(found) == [('altered', 'altered.txt'), ('missing', 'missing.txt'), ('orphan', 'orphan.txt')]
    assert sorted(outcome.action for outcome in repair(memory_app, found)) == ['cleared', 'kept', 'removed']
    assert names(memory) == ['altered.txt', 'fine.txt']
    assert [paper.file.filename for paper in Paper.objects.order_by('pk')] == ['fine.txt', 'altered.txt', None]
    assert brief(check(memory_app, older_than_s=0)) == [('altered', 'altered.txt')]


def test_what_a_queryset_deleted_is_found_by_a_scan(memory_app: Flask, memory: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(memory)

    init_app(memory_app, Paper)
    for name in ('a.txt', 'b.txt'):
        paper = Paper()
        paper.file.save(io.BytesIO(b'x'), name)
        paper.save()
    Paper.objects(file__filename='a.txt').delete()
    assert list(collect(memory_app, older_than_s=0)) == []
    assert [outcome.filename for outcome in collect(memory_app, older_than_s=0, scan=[memory])] == ['a.txt']
    assert names(memory) == ['b.txt']


def test_a_field_of_a_view_refers_to_files_of_its_storage(memory_app: Flask, memory: fs.Storage, names: Names) -> None:
    class Paper(Document):
        file = FileField(memory.scoped('papers'))

    init_app(memory_app, Paper)
    Paper(file='a.txt').save()
    for name in ('papers/a.txt', 'papers/b.txt', 'a.txt'):
        memory.write(name, 'x')
    assert brief(check(memory_app, older_than_s=0)) == [('orphan', 'a.txt'), ('orphan', 'papers/b.txt')]


def test_calling_it_again_changes_nothing(memory_app: Flask, album: Any) -> None:
    init_app(memory_app, album)
    init_app(memory_app, album, journal=True)
    assert source_of(memory_app).journal is not None
    init_app(memory_app, album)
    assert source_of(memory_app).journal is None


def test_all_classes_count_by_default(memory_app: Flask, memory: fs.Storage) -> None:
    init_app(memory_app)

    class DeclaredLater(Document):
        file = FileField(memory)

    assert memory in source_of(memory_app).storages
