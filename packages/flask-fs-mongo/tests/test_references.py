"""Fields as they are documented, and the classes of their references."""

from __future__ import annotations

import copy
import inspect
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document, ListField, StringField
from werkzeug.datastructures import FileStorage

import flask_fs as fs
import flask_fs.references
import flask_fs_images.references
from flask_fs.mongo import FileField, FileReference, ImageField, ImageReference

Names = Callable[[fs.Storage], list[str]]

#: Every documented callable, with its parameters in their order, and their defaults; ``...`` is for none.
DOCUMENTED = [
    (FileField, {'fs': None, 'upload_to': None, 'basename': None, '*args': ..., '**kwargs': ...}),
    (ImageField, {'max_size': None, 'thumbnails': None, 'optimize': None, '*args': ..., '**kwargs': ...}),
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
    assert FileReference is flask_fs.references.FileReference
    assert ImageReference is flask_fs_images.references.ImageReference
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


def test_a_storage_in_place_of_the_size_raises_an_error_that_says_how_to_fix_it(memory: fs.Storage) -> None:
    with pytest.raises(TypeError, match=r'ImageField\(fs=…\)'):
        ImageField(memory)  # type: ignore[arg-type]  # what is tested


def test_a_field_without_a_storage_says_so_when_it_is_used(database: str) -> None:
    class Page(Document):
        image = ImageField()

    page = Page().save()
    assert not page.image
    with pytest.raises(fs.ConfigurationError, match="The field 'image' has no storage"):
        page.image.save(io.BytesIO(b'x'), 'a.png')


# --- Classes of an application.


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


def test_a_field_can_use_its_own_class_of_references(memory: fs.Storage, picture: Any) -> None:
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
