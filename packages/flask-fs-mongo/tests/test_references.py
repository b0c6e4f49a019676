"""References as they are documented: what they are made from, and how they work without a field."""

from __future__ import annotations

import copy
import inspect
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document, ListField, StringField
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.mongo import FileField, FileReference, ImageField, ImageReference

Names = Callable[[fs.Storage], list[str]]

#: Every documented callable, with its parameters in their order, and their defaults; ``...`` is for none.
DOCUMENTED = [
    (FileField, {'fs': None, 'upload_to': None, 'basename': None, '*args': ..., '**kwargs': ...}),
    (ImageField, {'max_size': None, 'thumbnails': None, 'optimize': None, '*args': ..., '**kwargs': ...}),
    (
        FileReference,
        {'fs': None, 'filename': None, 'upload_to': None, 'basename': None, 'instance': None, 'name': None},
    ),
    (FileReference.save, {'self': ..., 'wfs': ..., 'filename': None}),
    (
        ImageReference,
        {
            'original': None,
            'max_size': None,
            'thumbnail_sizes': None,
            'thumbnails': None,
            'bbox': None,
            'optimize': None,
            '**kwargs': ...,
        },
    ),
    (ImageReference.save, {'self': ..., 'file_or_wfs': ..., 'filename': None, 'bbox': None, 'overwrite': None}),
    (ImageReference.best_url, {'self': ..., 'size': None, 'external': False}),
    (ImageReference.thumbnail, {'self': ..., 'size': ...}),
    (ImageReference.rerender, {'self': ...}),
    (FileField.to_python, {'self': ..., 'value': ...}),
    (FileField.to_mongo, {'self': ..., 'value': ...}),
]

_STARS = {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}


@pytest.mark.parametrize(('documented', 'expected'), DOCUMENTED, ids=lambda given: getattr(given, '__qualname__', ''))
def test_parameters_have_the_documented_names_order_and_defaults(documented: Any, expected: dict[str, Any]) -> None:
    parameters = inspect.signature(documented).parameters.values()
    found = {
        f'{_STARS.get(parameter.kind, "")}{parameter.name}': (
            ... if parameter.default is inspect.Parameter.empty else parameter.default
        )
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    }
    assert list(found.items()) == list(expected.items())


def test_fields_have_a_class_for_their_references() -> None:
    assert FileField.proxy_class is FileReference
    assert ImageField.proxy_class is ImageReference


def test_positional_arguments_go_on_to_the_field_below(memory: fs.Storage) -> None:
    class Page(Document):
        image = ImageField(150, [100], False, memory, 'folder', 'name', 'i')
        file = FileField(memory, 'folder', 'name', 'f', True)

    assert (Page.image.max_size, Page.image.thumbnails, Page.image.optimize) == ((150, 150), (100,), False)
    for field, db_field in ((Page.image, 'i'), (Page.file, 'f')):
        assert (field.fs, field.upload_to, field.basename, field.db_field) == (memory, 'folder', 'name', db_field)
    assert Page.file.required


def test_a_storage_in_the_place_of_the_size_is_a_mistake_that_says_how(memory: fs.Storage) -> None:
    with pytest.raises(TypeError, match=r'ImageField\(fs=…\)'):
        ImageField(memory)  # type: ignore[arg-type]  # what is tested


# --- Without a field.


def test_a_reference_to_nothing_has_neither_name_nor_url() -> None:
    for reference in (FileReference(), ImageReference()):
        assert not reference
        assert (reference.filename, reference.url, str(reference)) == (None, None, '')
        assert not reference.exists()
    assert (ImageReference().original, ImageReference().best_url(), ImageReference().bbox) == (None, None, None)


@pytest.mark.parametrize('make', [FileReference, ImageReference])
def test_a_reference_without_a_storage_says_what_it_lacks(make: Any) -> None:
    with pytest.raises(fs.ConfigurationError, match=rf'The {make.__name__} has no storage\. Pass it as fs='):
        make().save(io.BytesIO(b'x'), 'a.txt')
    with pytest.raises(fs.ConfigurationError, match='has no storage'):
        make(filename='a.txt').url  # noqa: B018  # what is tested


def test_a_field_without_a_storage_says_so_when_it_is_used(database: str) -> None:
    class Page(Document):
        image = ImageField()

    page = Page().save()
    assert not page.image
    with pytest.raises(fs.ConfigurationError, match="The field 'image' has no storage"):
        page.image.save(io.BytesIO(b'x'), 'a.png')


def test_a_file_is_saved_and_read_without_a_field(memory: fs.Storage) -> None:
    reference = FileReference(memory, None, 'folder', 'name')
    assert reference.save(FileStorage(io.BytesIO(b'x'), 'upload.txt')) == 'folder/name.txt'
    assert reference
    assert reference.read() == b'x'
    assert str(reference) == reference.url == memory.url('folder/name.txt')
    known = FileReference(fs=memory, filename='folder/name.txt')
    assert known == reference
    assert known.exists()
    known.delete()
    assert not known
    assert not reference.exists()


def test_functions_are_given_the_instance(memory: fs.Storage) -> None:
    class Owner:
        title = 'moon'

    def title(owner: Owner) -> str:
        return owner.title

    reference = FileReference(memory, upload_to=title, basename=title, instance=Owner(), name='file')
    assert reference.save(FileStorage(io.BytesIO(b'x'), 'upload.txt')) == 'moon/moon.txt'
    assert (reference.instance.title, reference.name) == ('moon', 'file')
    with pytest.raises(ValueError, match='pass instance='):
        FileReference(memory, upload_to=title).save(io.BytesIO(b'x'), 'a.txt')


def test_a_picture_is_saved_without_a_field(memory: fs.Storage, picture: Any, names: Names) -> None:
    reference = ImageReference(None, 150, [100, 32], fs=memory)
    assert reference.save(picture(), 'test.png', (10, 10, 60, 60)) == 'test.png'
    assert names(memory) == ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']
    assert reference(30) == memory.url('test-32.png')
    again = ImageReference(
        'test-original.png',
        thumbnail_sizes=[64],
        thumbnails={'100': 'test-100.png', 32: 'test-32.png'},
        bbox=[10, 10, 60, 60],
        fs=memory,
        filename='test.png',
    )
    assert again == reference
    again.rerender()
    assert again.thumbnails == {64: 'test-64.png'}


@pytest.mark.parametrize(
    'wrong',
    [
        {'filename': '../a'},
        {'filename': 5},
        {'original': 'a.png'},
        {'filename': 'a.png', 'thumbnails': {'x': 'b.png'}},
        {'filename': 'a.png', 'bbox': [1, 2, 3]},
        {'filename': 'a.png', 'bbox': [1, 2, 3, float('nan')]},
        {'thumbnail_sizes': [0]},
        {'max_size': -1},
    ],
)
def test_a_reference_is_not_made_of_what_is_wrong(wrong: dict[str, Any], memory: fs.Storage) -> None:
    with pytest.raises(ValueError, match=r'.'):
        ImageReference(fs=memory, **wrong)


def test_sizes_of_thumbnails_are_numbers_or_text(memory: fs.Storage) -> None:
    thumbnails = ImageReference(fs=memory, filename='a.png', thumbnails={'100': 'b.png', 32: 'c.png'}).thumbnails
    assert (thumbnails[100], thumbnails['100'], thumbnails.get('32'), thumbnails.get('5', 'x')) == (
        'b.png',
        'b.png',
        'c.png',
        'x',
    )
    assert '32' in thumbnails
    assert 32 in thumbnails
    assert 'x' not in thumbnails
    assert thumbnails == {'100': 'b.png', '32': 'c.png'} == {'32': 'c.png', '100': 'b.png'}
    assert thumbnails == {100: 'b.png', 32: 'c.png'}
    assert thumbnails != {'100': 'b.png'}
    assert thumbnails != 'text'
    assert json.loads(json.dumps(thumbnails)) == {'100': 'b.png', '32': 'c.png'}
    with pytest.raises(KeyError):
        thumbnails['5']


def test_a_bbox_equals_lists_and_tuples(memory: fs.Storage) -> None:
    bbox = ImageReference(fs=memory, filename='a.png', bbox=(1, 2, 3, 4.5)).bbox
    assert isinstance(bbox, list)
    assert bbox == [1, 2, 3, 4.5] == bbox
    assert bbox == (1, 2, 3, 4.5)
    assert (1, 2, 3, 4.5) == bbox
    assert bbox != (1, 2, 3, 4)
    assert bbox != [1, 2, 3, 4]
    assert json.dumps(bbox) == '[1, 2, 3, 4.5]'


# --- Classes of an application's own.


class Caption(ImageReference):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words = ['made']

    @property
    def caption(self) -> str:
        return f'Picture {self.filename}'


class CaptionField(ImageField):
    proxy_class = Caption


class Strict(FileReference):
    """Takes exactly what is documented."""

    def __init__(
        self,
        fs: Any = None,
        filename: Any = None,
        upload_to: Any = None,
        basename: Any = None,
        instance: Any = None,
        name: Any = None,
    ) -> None:
        super().__init__(fs, filename, upload_to, basename, instance, name)


class StrictField(FileField):
    proxy_class = Strict


def test_a_field_with_a_class_of_its_own_gives_references_of_it(memory: fs.Storage, picture: Any) -> None:
    class Page(Document):
        title = StringField()
        image = CaptionField(thumbnails=[32], fs=memory, on_replace='remove')
        images = ListField(CaptionField(fs=memory))
        file = StrictField(memory)

    page: Any = Page(images=['b.png'], file='a.txt')
    page.image.save(picture(), 'a.png')
    page.save()
    found: Any = Page.objects.get()
    assert [found.image.caption, found.images[0].caption] == ['Picture a.png', 'Picture b.png']
    assert (type(found.file), found.file.filename, found.file.name) == (Strict, 'a.txt', 'file')
    assert found.image.thumbnail(32) == 'a-32.png'
    twin = copy.deepcopy(found.image)
    assert (twin.caption, twin.words, twin.instance) == ('Picture a.png', ['made'], None)
    found.file.save(io.BytesIO(b'x'), 'b.txt')
    assert found._get_changed_fields() == ['file']


# --- What the storage says.


def test_a_field_uses_the_folder_and_basename_of_its_storage(memory_app: Flask, database: str, picture: Any) -> None:
    storage = fs.Storage(
        'titled', fs.ALL, upload_to=lambda page: f'of/{page.title}', basename=lambda page: f'the-{page.title}'
    )
    fs.init_app(memory_app, storage)

    class Page(Document):
        title = StringField()
        file = FileField(storage)
        named = FileField(storage, upload_to='more', basename='own')
        image = ImageField(fs=storage, max_size=100, thumbnails=[32])

    page = Page(title='moon')
    assert page.file.save(FileStorage(io.BytesIO(b'x'), 'up.txt')) == 'of/moon/the-moon.txt'
    assert page.file.save(io.BytesIO(b'x'), 'asked.txt') == 'of/moon/asked.txt'
    assert page.named.save(FileStorage(io.BytesIO(b'x'), 'up.txt')) == 'of/moon/more/own.txt'
    assert page.image.save(FileStorage(picture(), 'up.png')) == 'of/moon/the-moon.png'
    assert page.image.original == 'of/moon/the-moon-original.png'
    assert page.image.thumbnail(32) == 'of/moon/the-moon-32.png'


def test_without_a_document_the_storage_is_given_the_application(memory_app: Flask) -> None:
    storage = fs.Storage('named', fs.ALL, upload_to=lambda app: app.config['FOLDER'])
    memory_app.config['FOLDER'] = 'configured'
    fs.init_app(memory_app, storage)
    assert FileReference(storage).save(io.BytesIO(b'x'), 'a.txt') == 'configured/a.txt'


@pytest.mark.parametrize('folder', [None, '/up/in/'])
def test_storages_of_an_application_may_have_the_documented_parameters_alone(
    folder: str | None, memory_app: Flask, picture: Any, names: Names
) -> None:
    class Lower(fs.Storage):
        def save(  # type: ignore[override]  # what is tested
            self, file_or_wfs: Any, filename: Any = None, prefix: Any = None, overwrite: Any = None
        ) -> str:
            return super().save(file_or_wfs, filename.lower(), prefix, overwrite)

    storage, place = Lower('lower', fs.ALL, upload_to=folder), 'up/in/' if folder else ''
    fs.init_app(memory_app, storage)
    assert FileReference(storage).save(io.BytesIO(b'x'), 'A.txt') == f'{place}a.txt'
    assert ImageReference(fs=storage).save(picture(), 'C.png') == f'{place}c.png'
    ImageReference(None, 150, [32], fs=storage).save(picture(), 'b.png')
    expected = ['a.txt', 'b-32.png', 'b-original.png', 'b.png', 'c.png']
    assert names(storage) == [place + name for name in expected]
