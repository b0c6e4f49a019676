"""Values in MongoDB that are no stored files: hostile, broken, or of other programs."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from mongoengine import Document, EmbeddedDocument, EmbeddedDocumentField, IntField, ListField, MapField, StringField

import flask_fs as fs
from flask_fs_mongo import FileField, ImageField, MalformedReferenceWarning, rerender_all

NOT_A_NUMBER = float('nan')
#: Of these, nothing can be read.
UNREADABLE = [
    '../../x',
    '/etc/passwd',
    'a\0b',
    'a//b',
    'a\\b',
    'x' * 2000,
    '.fs-tmp-x',
    5,
    1.5,
    NOT_A_NUMBER,
    float('inf'),
    0,
    False,
    True,
    2**62,
    [],
    [1],
    ['a'],
    [['a'], {'filename': 'a'}],
    b'bytes',
    datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    bson.ObjectId('5' * 24),
    bson.Decimal128('1e6000'),
    bson.Int64(5),
    bson.DBRef('other', 5),
    bson.Regex('a'),
    bson.Timestamp(1, 1),
    bson.MaxKey(),
    {'filename': 5},
    {'filename': ['a']},
    {'filename': {'filename': 'a'}},
    {'filename': False},
    {'filename': '..'},
    {'original': 'a.png'},
    {'filename': None, 'thumbnails': {'8': 'a-8.png'}},
    {'_cls': 'Nothing', 'filename': 5},
]
#: Of these, the main file ``a.png`` can be read.
PARTLY_READABLE = [
    {'filename': 'a.png', 'thumbnails': [1]},
    {'filename': 'a.png', 'thumbnails': 'x'},
    {'filename': 'a.png', 'thumbnails': {'x': 'b'}},
    {'filename': 'a.png', 'thumbnails': {'8': '../b'}},
    {'filename': 'a.png', 'thumbnails': {'8': 5}},
    {'filename': 'a.png', 'thumbnails': {'8': {'9': 'b'}}},
    {'filename': 'a.png', 'thumbnails': {'0': 'b'}},
    {'filename': 'a.png', 'thumbnails': {'-8': 'b'}},
    {'filename': 'a.png', 'thumbnails': {'9' * 5000: 'b'}},
    {'filename': 'a.png', 'thumbnails': {'٨': 'b'}},
    {'filename': 'a.png', 'bbox': 'zz'},
    {'filename': 'a.png', 'bbox': '1234'},
    {'filename': 'a.png', 'bbox': 5},
    {'filename': 'a.png', 'bbox': [1, 2, 3]},
    {'filename': 'a.png', 'bbox': {'0': 1, '1': 2, '2': 3, '3': 4}},
    {'filename': 'a.png', 'bbox': [NOT_A_NUMBER] * 4},
    {'filename': 'a.png', 'bbox': [0, 0, float('inf'), 1]},
    {'filename': 'a.png', 'bbox': [None] * 4},
    {'filename': 'a.png', 'bbox': [[1], 2, 3, 4]},
    {'filename': 'a.png', 'original': 5},
    {'filename': 'a.png', 'original': '../a'},
    {'filename': 'a.png', 'original': {'x': 1}},
]
MALFORMED = [*UNREADABLE, *PARTLY_READABLE]


def same(one: Any, other: Any) -> bool:
    """Equal, and NaN equals NaN."""
    return repr(one) == repr(other)


@pytest.fixture(autouse=True)
def reported() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings, which are no errors here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        yield caught
    assert all(issubclass(warning.category, MalformedReferenceWarning) for warning in caught)


@pytest.fixture
def page(memory: fs.Storage) -> type[Any]:
    class Page(Document):
        number = IntField(primary_key=True)
        title = StringField()
        image = ImageField(fs=memory, thumbnails=[8], on_delete='remove', on_replace='remove')

    return Page


def insert(document_class: Any, value: dict[str, Any]) -> Any:
    """What MongoDB has of *value*, which may differ in types."""
    collection = document_class._get_collection()
    collection.insert_one({'_id': collection.count_documents({}), 'title': 'bad', **value})
    return collection.find_one({'title': 'bad'})


def fill(page: Any) -> dict[int, Any]:
    """One document for each malformed value, and a good one; what MongoDB then has."""
    collection = page._get_collection()
    collection.insert_many([{'_id': number, 'image': value} for number, value in enumerate(MALFORMED)])
    collection.insert_one({'_id': -1, 'image': 'good.png'})
    return {document['_id']: document['image'] for document in collection.find()}


def test_malformed_values_break_no_listing(page: Any, memory: fs.Storage, reported: list[Any]) -> None:
    fill(page)
    documents = list(page.objects.order_by('pk'))
    assert len(documents) == len(MALFORMED) + 1
    assert len(reported) == len(MALFORMED)
    assert (documents[0].image.filename, documents[0].image.malformed) == ('good.png', None)
    for document, value in zip(documents[1:], MALFORMED, strict=True):
        image, filename = document.image, None if document.pk < len(UNREADABLE) else 'a.png'
        assert image.malformed, value
        assert (image.filename, bool(image)) == (filename, filename is not None), value
        url = filename and memory.url(filename)
        assert [image.url, image.best_url(), image(8), image.full(), str(image) or None] == [url] * 5, value
        assert image.original == image.thumbnail(8) == filename, value
        assert (dict(image.thumbnails), image.bbox) == ({}, None), value
        assert document._get_changed_fields() == [], value


def test_malformed_values_are_kept_until_they_are_changed(page: Any) -> None:
    stored = fill(page)
    for document in page.objects:
        document.title = 'new'
        document.save()
        document.reload()
        document.title = 'newer'
        document.save()
        assert document.pk == -1 or same(document.to_mongo()['image'], stored[document.pk])
    report = rerender_all(page.objects(pk__gte=0), 'image')
    assert len(report.failures) == len(MALFORMED)
    assert {failure.error.partition(':')[0] for failure in report.failures} == {'malformed'}
    documents = list(page._get_collection().find())
    assert {document['title'] for document in documents} == {'newer'}
    for document in documents:
        assert same(document['image'], stored[document['_id']]), stored[document['_id']]
    for document in page.objects:
        document.image = None
        document.save()
    assert page.objects(image__exists=True).count() == 0


@pytest.mark.parametrize('one_by_one', [False, True])
def test_documents_with_malformed_values_can_be_deleted(one_by_one: bool, page: Any, memory: fs.Storage) -> None:
    for name in ('a', 'a.png', 'b', 'good.png', 'other.png'):
        memory.write(name, 'x')
    fill(page)
    for document in page.objects if one_by_one else [page.objects]:
        document.delete()
    assert page.objects.count() == 0
    assert sorted(memory.list_files()) == ['a', 'b', 'other.png']


def test_what_can_be_read_of_the_thumbnails_is_shown_and_cleaned_up(page: Any, memory: fs.Storage) -> None:
    for name in ('a.png', 'a-8.png', 'b'):
        memory.write(name, 'x')
    insert(page, {'image': {'filename': 'a.png', 'thumbnails': {'8': 'a-8.png', 'x': 'b', '9': '../b'}}})
    bad = page.objects.get()
    assert bad.image(8) == memory.url('a-8.png')
    assert bad.image.malformed.count('thumbnails:') == 2
    bad.delete()
    assert list(memory.list_files()) == ['b']


def test_a_good_file_replaces_a_malformed_value(page: Any, picture: Any) -> None:
    insert(page, {'image': {'filename': ['../x']}})
    bad = page.objects.get()
    bad.image.save(picture(), 'new.png')
    bad.save()
    found = page.objects.get()
    assert (found.image.filename, found.image.malformed) == ('new.png', None)


def test_a_file_field_reads_only_the_name(memory: fs.Storage, reported: list[Any]) -> None:
    class Paper(Document):
        number = IntField(primary_key=True)
        title = StringField()
        file = FileField(memory)

    insert(Paper, {'file': {'filename': 'a.txt', 'thumbnails': 5, 'bbox': 'x', 'original': 7}})
    assert Paper.objects.get().file.filename == 'a.txt'
    assert Paper.objects.get().file.malformed is None
    assert reported == []


def test_malformed_values_in_lists_maps_and_embedded_documents_break_nothing(memory: fs.Storage) -> None:
    class Part(EmbeddedDocument):
        file = FileField(memory, required=True)

    class Whole(Document):
        number = IntField(primary_key=True)
        title = StringField()
        files = ListField(FileField(memory))
        images = MapField(ImageField(fs=memory))
        part = EmbeddedDocumentField(Part)

    raw = {
        'files': [5, 'ok.txt', ['nested'], {'filename': 7}, '../x', None],
        'images': {'one': NOT_A_NUMBER, 'two': {'filename': 'b.png', 'bbox': 'x'}},
        'part': {'file': {'filename': ['x']}},
    }
    insert(Whole, raw)
    whole = Whole.objects.get()
    assert [file.filename for file in whole.files] == [None, 'ok.txt', None, None, None, None]
    assert [file.malformed is None for file in whole.files] == [False, True, False, False, False, True]
    assert (whole.images['one'].filename, whole.images['two'].filename) == (None, 'b.png')
    assert not whole.part.file
    whole.title = 'saved'
    whole.save()
    whole.files.append('new.txt')
    whole.part.file.save(io.BytesIO(b'x'), 'part.txt')
    whole.save()
    stored = Whole._get_collection().find_one()
    assert stored['files'] == [5, {'filename': 'ok.txt'}, *raw['files'][2:], {'filename': 'new.txt'}]
    assert same(stored['images'], raw['images'])
    assert stored['part'] == {'file': {'filename': 'part.txt'}}
    Whole.objects.delete()
    assert Whole.objects.count() == 0


@pytest.mark.parametrize('value', [5, ['a'], 'a', {'filename': 'a'}, {'a': {'filename': 5}}, True], ids=repr)
def test_something_else_than_a_list_or_map_breaks_no_listing(value: Any, memory: fs.Storage) -> None:
    class Whole(Document):
        number = IntField(primary_key=True)
        title = StringField()
        files = ListField(FileField(memory))
        named = MapField(FileField(memory))

    insert(Whole, {'files': value, 'named': value})
    whole = Whole.objects.get()
    assert whole.title == 'bad'
    whole.delete()


def test_a_default_does_not_hide_a_malformed_value(memory: fs.Storage) -> None:
    class Paper(Document):
        number = IntField(primary_key=True)
        title = StringField()
        file = FileField(memory, default='default.txt')

    insert(Paper, {'file': 5})
    paper = Paper.objects.get()
    assert not paper.file
    paper.title = 'x'
    paper.save()
    assert Paper._get_collection().find_one()['file'] == 5


def test_warnings_say_where_and_what_and_repeat_no_content(page: Any, reported: list[Any]) -> None:
    for value in ('../one', '../two'):
        insert(page, {'image': value})
    assert len(list(page.objects)) == 2
    one, two = {str(warning.message) for warning in reported}, str(reported[0].message)
    assert one == {two}
    assert two == (
        "A value of 'image' in Page is malformed, so it is treated as no file: "
        "filename: it has a '.' or '..' part, which could lead elsewhere"
    )


def test_an_application_may_make_errors_of_the_warnings(page: Any) -> None:
    insert(page, {'image': 5})
    warnings.simplefilter('error')
    with pytest.raises(MalformedReferenceWarning):
        page.objects.get()
