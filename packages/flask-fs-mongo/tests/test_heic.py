"""An image field keeps a HEIC as the original, and shows JPEGs that are made from it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from mongoengine import Document
from PIL import Image

import flask_fs as fs
from flask_fs_mongo import ImageField

pillow_heif = pytest.importorskip('pillow_heif', reason='pip install flask-fs-images[heic]')
Names = Callable[[fs.Storage], list[str]]
ALL = ['a-100.jpg', 'a-32.jpg', 'a.heic', 'a.jpg']


@pytest.fixture
def heic() -> Callable[..., io.BytesIO]:
    def encode(width: int = 300, height: int = 200, color: tuple[int, int, int] = (200, 30, 60)) -> io.BytesIO:
        file = io.BytesIO()
        pillow_heif.from_pillow(Image.new('RGB', (width, height), color)).save(file, quality=60)
        file.seek(0)
        return file

    return encode


def page_with(storage: fs.Storage, **options: Any) -> Any:
    options = {'thumbnails': [100, 32], **options}

    class Page(Document):
        image = ImageField(fs=storage, **options)

    return Page


def format_of(storage: fs.Storage, name: str) -> str | None:
    return Image.open(io.BytesIO(storage.read(name))).format


def test_the_original_keeps_its_name_and_what_is_made_are_jpegs(
    storage: fs.Storage, heic: Any, names: Names, size_of: Any
) -> None:
    page_class = page_with(storage)
    page, file = page_class(), heic()
    assert page.image.save(file, 'a.heic') == 'a.jpg'
    page.save()
    image = page_class.objects.get().image
    assert (image.filename, image.original) == ('a.jpg', 'a.heic')
    assert [image.thumbnail(size) for size in (100, 32)] == ['a-100.jpg', 'a-32.jpg']
    assert names(storage) == ALL
    assert storage.read('a.heic') == file.getvalue()
    assert ['JPEG'] * 3 == [format_of(storage, name) for name in ('a.jpg', 'a-100.jpg', 'a-32.jpg')]
    assert size_of(storage, 'a.jpg') == (300, 200)


def test_max_size_and_basename_hold(memory: fs.Storage, heic: Any, names: Names, size_of: Any) -> None:
    page = page_with(memory, max_size=150, basename='portrait', upload_to='me')()
    assert page.image.save(heic(), 'a.HEIC') == 'me/a.jpg'
    assert size_of(memory, 'me/a.jpg') == (150, 100)
    upload = heic()
    upload.name = 'IMG_0001.HEIC'
    assert page.image.save(upload) == 'me/portrait.jpg'
    assert page.image.original == 'me/portrait.heic'


def test_files_of_others_are_not_replaced_and_are_no_reason_to_refuse(
    memory: fs.Storage, heic: Any, names: Names
) -> None:
    for name in ('a.jpg', 'a-100.jpg'):
        memory.write(name, b'of others')
    page = page_with(memory)()
    page.image.save(heic(), 'a.heic', overwrite=True)
    assert (page.image.filename, page.image.original) == ('a_1.jpg', 'a.heic')
    assert page.image.thumbnail(100) == 'a_1-100.jpg'
    assert [memory.read(name) for name in ('a.jpg', 'a-100.jpg')] == [b'of others'] * 2


def test_a_name_that_is_taken_is_refused_before_anything_is_stored(memory: fs.Storage, heic: Any, names: Names) -> None:
    memory.write('a.heic', b'of others')
    page = page_with(memory)()
    with pytest.raises(fs.FileExists):
        page.image.save(heic(), 'a.heic')
    assert names(memory) == ['a.heic']
    assert not page.image


def test_saving_the_same_name_again_replaces_what_was_made(memory: fs.Storage, heic: Any, names: Names) -> None:
    page = page_with(memory)()
    page.image.save(heic(), 'a.heic')
    page.image.save(heic(color=(10, 200, 30)), 'a.heic', overwrite=True)
    assert (page.image.filename, page.image.original) == ('a.jpg', 'a.heic')
    assert names(memory) == ALL
    for name in ('a.jpg', 'a-100.jpg'):
        red, green, _ = Image.open(io.BytesIO(memory.read(name))).convert('RGB').getpixel((16, 16))  # type: ignore[misc]
        assert green > 150 > red


def test_a_jpeg_in_place_of_what_was_made_of_a_heic_is_no_heic(
    memory: fs.Storage, heic: Any, picture: Any, names: Names
) -> None:
    page = page_with(memory, max_size=150)()
    page.image.save(heic(), 'a.heic')
    before = memory.read('a.heic')
    file = io.BytesIO()
    Image.new('RGB', (300, 200), 'blue').save(file, 'JPEG')
    file.seek(0)
    page.image.save(file, 'a.jpg', overwrite=True)
    assert (page.image.filename, page.image.original) == ('a.jpg', 'a-original.jpg')
    assert memory.read('a.heic') == before


def test_a_heic_under_another_name_is_converted_all_the_same(memory: fs.Storage, heic: Any, names: Names) -> None:
    page = page_with(memory, thumbnails=[])()
    file = heic()
    assert page.image.save(file, 'a.jpg') == 'a.jpg'
    assert page.image.original == 'a-original.jpg'
    assert format_of(memory, 'a.jpg') == 'JPEG'
    assert memory.read('a-original.jpg') == file.getvalue()


def test_rerender_makes_jpegs_again(memory: fs.Storage, heic: Any, names: Names, size_of: Any) -> None:
    page = page_with(memory)()
    page.image.save(heic(), 'a.heic')
    page.save()
    smaller = page_with(memory, max_size=60, thumbnails=[32, 20])
    again = smaller.objects.get()
    again.image.rerender()
    assert (again.image.filename, again.image.original) == ('a.jpg', 'a.heic')
    assert dict(again.image.thumbnails) == {32: 'a-32.jpg', 20: 'a-20.jpg'}
    assert size_of(memory, 'a.jpg') == (60, 40)
    assert format_of(memory, 'a-20.jpg') == 'JPEG'


def test_rerender_gives_a_heic_that_was_stored_as_it_was_a_main_file(
    memory: fs.Storage, heic: Any, names: Names
) -> None:
    memory.write('a.heic', heic())
    page = page_with(memory)(image='a.heic')
    page.save()
    page.image.rerender()
    assert (page.image.filename, page.image.original) == ('a.jpg', 'a.heic')
    assert names(memory) == ALL


def test_deleting_removes_all_of_them(memory: fs.Storage, heic: Any, names: Names) -> None:
    memory.write('a_1.jpg', b'of others')
    page = page_with(memory)()
    page.image.save(heic(), 'a.heic')
    page.image.delete()
    assert names(memory) == ['a_1.jpg']


def test_nothing_stays_of_a_heic_that_is_broken(memory: fs.Storage, heic: Any, names: Names) -> None:
    page = page_with(memory)()
    with pytest.raises(fs.InvalidContent):
        page.image.save(io.BytesIO(heic().getvalue()[:-200]), 'a.heic')
    assert names(memory) == []
