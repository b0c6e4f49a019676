"""Documents as flask-fs 0.x, flask-fs2 and flask-storage stored them, and fields declared as their documentation did."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import mongoengine  # type: ignore[import-untyped]  # MongoEngine has no type hints
import pytest

import flask_fs as fs
from flask_fs.mongo import FileField, ImageField

#: The document of an image field with max_size and thumbnails, as older packages store it.
STORED = {
    'filename': 'test.png',
    'original': 'test-original.png',
    'thumbnails': {'100': 'test-100.png', '32': 'test-32.png'},
    'bbox': [0, 0, 100, 100],
}


@pytest.fixture
def old(storage: fs.Storage) -> Any:
    """A class of documents with fields as older packages declared them, and one document of theirs in the database."""

    class Old(mongoengine.Document):  # type: ignore[misc]  # MongoEngine has no type hints
        manual = FileField(fs=storage, upload_to='manuals')
        image = ImageField(fs=storage, max_size=150, thumbnails=[100, 32])
        other = ImageField(fs=storage, thumbnails=[32], optimize=True, basename='other')

    Old._get_collection().insert_one({'manual': {'filename': 'a.txt'}, 'image': STORED})
    return Old


def test_what_was_stored_is_read(old: Any) -> None:
    document = old.objects.get()
    image = document.image
    assert (document.manual.filename, image.filename, image.original) == ('a.txt', 'test.png', 'test-original.png')
    assert (image.thumbnail(100), image.thumbnail(32)) == ('test-100.png', 'test-32.png')
    assert image.bbox == [0, 0, 100, 100]
    assert isinstance(image.bbox, list)
    assert image.thumbnails == STORED['thumbnails']
    assert image.thumbnails['100'] == image.thumbnails[100] == 'test-100.png'
    assert not document.other
    other = document.other
    assert [other.filename, other.url, other.best_url(), other.full()] == [None] * 4
    assert image.best_url(30) == image(30) == 'https://files.test/pictures/test-32.png'
    with pytest.raises(ValueError, match='no thumbnail of size 64'):
        image.thumbnail(64)


def test_without_a_size_the_main_file_is_linked(old: Any) -> None:
    """The unmodified upload, which may say where a photo was taken, is linked by its name alone."""
    image = old.objects.get().image
    assert image.best_url() == image() == 'https://files.test/pictures/test.png'
    assert image.full() == image.url == str(image) == 'https://files.test/pictures/test.png'
    assert image.fs.url(image.original) == 'https://files.test/pictures/test-original.png'


def test_without_thumbnails_the_main_file_is_linked_at_any_size(old: Any) -> None:
    old._get_collection().update_one({}, {'$unset': {'image.thumbnails': 1}})
    image = old.objects.get().image
    assert image.best_url() == image(30) == image.full() == 'https://files.test/pictures/test.png'


def test_reading_and_saving_leaves_it_as_it_was(old: Any) -> None:
    document = old.objects.get()
    document.save()
    stored = old._get_collection().find_one()
    assert (stored['manual'], stored['image']) == ({'filename': 'a.txt'}, STORED)


def test_what_is_stored_now_has_the_same_form(old: Any, picture: Callable[..., io.BytesIO]) -> None:
    document = old()
    assert document.image.save(picture(), 'test.png', bbox=(0, 0, 100, 100)) == 'test.png'
    document.save()
    assert old._get_collection().find_one({'_id': document.pk})['image'] == STORED


def test_pictures_of_legacy_packages_are_rendered_again_under_their_names(
    old: Any, storage: fs.Storage, picture: Callable[..., io.BytesIO], size_of: Callable[..., tuple[int, int]]
) -> None:
    storage.save(picture(300, 300), 'test-original.png')
    document = old.objects.get()
    document.image.rerender()
    document.save()
    assert old._get_collection().find_one()['image'] == STORED
    assert [size_of(storage, name) for name in ('test.png', 'test-100.png', 'test-32.png')] == [
        (150, 150),
        (100, 100),
        (32, 32),
    ]
