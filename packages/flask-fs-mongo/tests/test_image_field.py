"""A picture of a document, with its original and thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from mongoengine import Document
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs_images import Limits
from flask_fs_mongo import FileField, ImageField, ImageReference

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


def page_with(storage: fs.Storage, **options: Any) -> Any:
    options = {'max_size': 150, 'thumbnails': [100, 32], **options}

    class Page(Document):
        image = ImageField(fs=storage, **options)

    return Page


def test_a_saved_picture_is_found_again_through_the_document(memory: fs.Storage, picture: Any, names: Names) -> None:
    page_class = page_with(memory)
    page = page_class()
    page.image.save(picture(300, 200), 'test.png', bbox=[200, 100, 300, 200])
    page.save()

    image = page_class.objects.get().image
    assert isinstance(image, ImageReference)
    assert image.filename == 'test.png'
    assert image.original == 'test-original.png'
    assert image.thumbnail(100) == 'test-100.png'
    assert image.thumbnail(32) == image.best_url(30).rpartition('/')[2] == 'test-32.png'
    assert image.bbox == (200, 100, 300, 200)
    assert names(memory) == ALL
    assert page_class._get_collection().find_one()['image'] == {
        'filename': 'test.png',
        'original': 'test-original.png',
        'thumbnails': {'100': 'test-100.png', '32': 'test-32.png'},
        'bbox': [200, 100, 300, 200],
    }


def test_a_field_hands_its_options_to_its_references(memory: fs.Storage) -> None:
    limits = Limits(pixels=100)
    image = page_with(memory, optimize=True, limits=limits, upload_to='up', basename='name')().image
    assert (image.max_size, image.thumbnail_sizes, image.optimize, image.limits) == (
        (150, 150),
        (100, 32),
        True,
        limits,
    )
    assert (image.fs, image.upload_to, image.basename, image.name) == (memory, 'up', 'name', 'image')


def test_a_failed_save_leaves_the_document_as_it_is(
    memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(memory)(image='old.png').save()
    with faulty(memory) as backend:
        backend.fail_next('put', after_bytes=10, when=lambda name: name == 'test-32.png')
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(), 'test.png')
    assert names(memory) == []
    assert page.image.filename == 'old.png'
    assert page._get_changed_fields() == []


def test_rerender_marks_the_field_if_its_files_have_other_names(memory: fs.Storage, picture: Any) -> None:
    first = page_with(memory)()
    first.image.save(picture(), 'test.png')
    first.save()
    first.image.rerender()
    assert first._get_changed_fields() == []
    page = page_with(memory, thumbnails=[64])(image=first.image).save()
    page.image.rerender()
    assert page._get_changed_fields() == ['image']
    assert dict(page.image.thumbnails) == {64: 'test-64.png'}


@pytest.mark.parametrize('sizes', [[0], [-5, 10], [1.5], ['10'], [(10, 20)]])
def test_impossible_sizes_are_refused_in_the_declaration(sizes: Any, memory: fs.Storage) -> None:
    with pytest.raises((TypeError, ValueError)):
        ImageField(fs=memory, thumbnails=sizes)
    with pytest.raises((TypeError, ValueError)):
        ImageField(fs=memory, max_size=sizes[0] if sizes != [(10, 20)] else 0)


def test_the_same_upload_is_saved_in_several_fields(memory: fs.Storage, picture: Any) -> None:
    class Page(Document):
        image = ImageField(150, [32], fs=memory, upload_to='one')
        other = ImageField(fs=memory, upload_to='two')
        file = FileField(memory, upload_to='three')

    content = picture().getvalue()
    upload = FileStorage(io.BytesIO(b'head' + content), 'test.png')
    upload.stream.seek(4)
    page = Page()
    for reference in (page.image, page.other, page.file, page.image):
        reference.save(upload, overwrite=True)
    assert memory.read(page.image.original) == content
    assert memory.read(page.other.filename) == memory.read(page.file.filename) == content
    assert upload.stream.tell() == 4


def test_folders_and_names_without_extension_work(memory: fs.Storage, picture: Any, names: Names) -> None:
    class Page(Document):
        image = ImageField(
            fs=memory, upload_to=lambda page: f'p/{page.id}', basename='face', max_size=150, thumbnails=[32]
        )
        other = ImageField(fs=memory, upload_to='o', max_size=150, thumbnails=[32])

    page = Page(id='5' * 24)
    folder = f'p/{page.id}'
    assert page.image.save(FileStorage(picture(), 'me.PNG')) == f'{folder}/face.png'
    assert page.image.original == f'{folder}/face-original.png'
    assert page.other.save(picture(), 'a/plain', prefix='b') == 'o/b/a/plain'
    assert page.other.thumbnail(32) == 'o/b/a/plain-32'


@pytest.mark.parametrize('basename', [None, 'avatar'])
@pytest.mark.parametrize('missing', [None, '', FileStorage(io.BytesIO(), '')], ids=['None', 'text', 'upload'])
def test_a_form_without_a_file_is_refused_as_no_file(
    missing: Any, basename: str | None, memory: fs.Storage, names: Names
) -> None:
    class Page(Document):
        image = ImageField(fs=memory, thumbnails=[32], basename=basename)
        file = FileField(memory, basename=basename)

    page = Page(file='old.txt')
    for reference in (page.image, page.file):
        with pytest.raises(fs.NoFile) as caught:
            reference.save(missing)
        assert caught.value.storage == 'pictures'
    assert names(memory) == []
    assert page.file.filename == 'old.txt'
