"""References to pictures as they are documented: what they are created from, and what they give."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs_images.references import ImageReference

Names = Callable[[fs.Storage], list[str]]


@pytest.mark.parametrize(
    ('documented', 'expected'),
    [
        (
            ImageReference,
            {
                'original': None,
                'max_size': None,
                'thumbnail_sizes': None,
                'thumbnails': None,
                'bbox': None,
                'optimize': None,
                'kwargs': ...,
            },
        ),
        (ImageReference.save, {'self': ..., 'file_or_wfs': ..., 'filename': None, 'bbox': None, 'overwrite': None}),
        (ImageReference.best_url, {'self': ..., 'size': None, 'external': False}),
        (ImageReference.thumbnail, {'self': ..., 'size': ...}),
        (ImageReference.rerender, {'self': ...}),
    ],
    ids=lambda given: getattr(given, '__qualname__', ''),
)
def test_parameters_have_the_documented_names_order_and_defaults(documented: Any, expected: dict[str, Any]) -> None:
    found = {
        parameter.name: ... if parameter.default is inspect.Parameter.empty else parameter.default
        for parameter in inspect.signature(documented).parameters.values()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    }
    assert list(found.items()) == list(expected.items())


def test_a_reference_to_nothing_has_neither_names_nor_urls() -> None:
    reference = ImageReference()
    assert not reference
    assert (reference.filename, reference.url, str(reference)) == (None, None, '')
    assert not reference.exists()
    assert (reference.original, reference.best_url(), reference.bbox) == (None, None, None)


def test_a_reference_without_a_storage_says_what_it_lacks() -> None:
    with pytest.raises(fs.ConfigurationError, match=r'The ImageReference has no storage\. Pass it as fs='):
        ImageReference().save(io.BytesIO(b'x'), 'a.png')


def test_a_picture_is_saved_and_rendered_again(memory: fs.Storage, picture: Any, names: Names) -> None:
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
    assert bbox == (1, 2, 3, 4.5)
    assert bbox != (1, 2, 3, 4)
    assert bbox != [1, 2, 3, 4]
    assert json.dumps(bbox) == '[1, 2, 3, 4.5]'


def test_the_folder_and_basename_of_the_storage_are_used(memory_app: Flask, picture: Any) -> None:
    storage = fs.Storage('titled', upload_to=lambda page: f'of/{page}', basename=lambda page: f'the-{page}')
    fs.init_app(memory_app, storage)
    upload = picture()
    upload.name = 'up.png'
    image = ImageReference(None, 100, [32], fs=storage, instance='moon')
    assert image.save(upload) == 'of/moon/the-moon.png'
    assert image.original == 'of/moon/the-moon-original.png'
    assert image.thumbnail(32) == 'of/moon/the-moon-32.png'


@pytest.mark.parametrize('missing', [None, ''])
def test_a_form_without_a_file_is_refused(missing: Any, image_in: Any, memory: fs.Storage, names: Names) -> None:
    image = image_in(memory, 'old.png')
    with pytest.raises(fs.NoFile):
        image.save(missing)
    assert names(memory) == []
    assert image.filename == 'old.png'


@pytest.mark.parametrize('folder', [None, '/up/in/'])
def test_storages_of_an_application_may_have_the_documented_parameters_only(
    folder: str | None, memory_app: Flask, picture: Any, names: Names
) -> None:
    class Lower(fs.Storage):
        def save(  # type: ignore[override]  # what is tested
            self, file_or_wfs: Any, filename: Any = None, prefix: Any = None, overwrite: Any = None
        ) -> str:
            return super().save(file_or_wfs, filename.lower(), prefix, overwrite)

    storage, prefix = Lower('lower', fs.ALL, upload_to=folder), 'up/in/' if folder else ''
    fs.init_app(memory_app, storage)
    assert ImageReference(fs=storage).save(picture(), 'C.png') == f'{prefix}c.png'
    ImageReference(None, 150, [32], fs=storage).save(picture(), 'b.png')
    expected = ['b-32.png', 'b-original.png', 'b.png', 'c.png']
    assert names(storage) == [prefix + name for name in expected]
