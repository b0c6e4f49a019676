"""A HEIC stays the original, and JPEGs that browsers show are made from it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

import flask_fs as fs
import flask_fs.transaction

Names = Callable[[fs.Storage], list[str]]
pillow_heif = pytest.importorskip('pillow_heif', reason='pip install flask-fs-images[heic]')
ALL = ['a-100.jpg', 'a-32.jpg', 'a.heic', 'a.jpg']


@pytest.fixture
def heic() -> Callable[..., io.BytesIO]:
    def encode(width: int = 300, height: int = 200, color: tuple[int, int, int] = (200, 30, 60)) -> io.BytesIO:
        file = io.BytesIO()
        pillow_heif.from_pillow(Image.new('RGB', (width, height), color)).save(file, quality=60)
        file.seek(0)
        return file

    return encode


def format_of(storage: fs.Storage, name: str) -> str | None:
    return Image.open(io.BytesIO(storage.read(name))).format


def test_the_original_keeps_its_name_and_what_is_made_are_jpegs(
    image_in: Any, storage: fs.Storage, heic: Any, names: Names, size_of: Any
) -> None:
    image, file = image_in(storage, max_size=None), heic()
    assert image.save(file, 'a.heic') == 'a.jpg'
    assert (image.filename, image.original) == ('a.jpg', 'a.heic')
    assert [image.thumbnail(size) for size in (100, 32)] == ['a-100.jpg', 'a-32.jpg']
    assert names(storage) == ALL
    assert storage.read('a.heic') == file.getvalue()
    assert [format_of(storage, name) for name in ('a.jpg', 'a-100.jpg', 'a-32.jpg')] == ['JPEG'] * 3
    assert size_of(storage, 'a.jpg') == (300, 200)


def test_max_size_and_basename_hold(image_in: Any, memory: fs.Storage, heic: Any, names: Names, size_of: Any) -> None:
    image = image_in(memory, max_size=150, basename='portrait', upload_to='me')
    assert image.save(heic(), 'a.HEIC') == 'me/a.jpg'
    assert size_of(memory, 'me/a.jpg') == (150, 100)
    upload = heic()
    upload.name = 'IMG_0001.HEIC'
    assert image.save(upload) == 'me/portrait.jpg'
    assert image.original == 'me/portrait.heic'


def test_other_files_are_not_replaced_and_no_reason_to_refuse(
    image_in: Any, memory: fs.Storage, heic: Any, names: Names
) -> None:
    for name in ('a.jpg', 'a-100.jpg'):
        memory.write(name, b'of another user')
    image = image_in(memory, max_size=None)
    image.save(heic(), 'a.heic', overwrite=True)
    assert (image.filename, image.original) == ('a_1.jpg', 'a.heic')
    assert image.thumbnail(100) == 'a_1-100.jpg'
    assert [memory.read(name) for name in ('a.jpg', 'a-100.jpg')] == [b'of another user'] * 2


def test_an_existing_name_is_refused_before_anything_is_stored(
    image_in: Any, memory: fs.Storage, heic: Any, names: Names
) -> None:
    memory.write('a.heic', b'of another user')
    image = image_in(memory, max_size=None)
    with pytest.raises(fs.FileExists):
        image.save(heic(), 'a.heic')
    assert names(memory) == ['a.heic']
    assert not image


def test_saving_the_same_name_again_replaces_what_was_made(
    image_in: Any, memory: fs.Storage, heic: Any, names: Names
) -> None:
    image = image_in(memory, max_size=None)
    image.save(heic(), 'a.heic')
    image.save(heic(color=(10, 200, 30)), 'a.heic', overwrite=True)
    assert (image.filename, image.original) == ('a.jpg', 'a.heic')
    assert names(memory) == ALL
    for name in ('a.jpg', 'a-100.jpg'):
        red, green, _ = Image.open(io.BytesIO(memory.read(name))).convert('RGB').getpixel((16, 16))  # type: ignore[misc]
        assert green > 150 > red


def test_a_jpeg_in_place_of_what_was_made_of_a_heic_is_no_heic(
    image_in: Any, memory: fs.Storage, heic: Any, picture: Any, names: Names
) -> None:
    image = image_in(memory, max_size=150)
    image.save(heic(), 'a.heic')
    before = memory.read('a.heic')
    file = io.BytesIO()
    Image.new('RGB', (300, 200), 'blue').save(file, 'JPEG')
    file.seek(0)
    image.save(file, 'a.jpg', overwrite=True)
    assert (image.filename, image.original) == ('a.jpg', 'a-original.jpg')
    assert memory.read('a.heic') == before


def test_a_heic_under_another_name_is_converted_all_the_same(
    image_in: Any, memory: fs.Storage, heic: Any, names: Names
) -> None:
    image = image_in(memory, max_size=None, thumbnail_sizes=[])
    file = heic()
    assert image.save(file, 'a.jpg') == 'a.jpg'
    assert image.original == 'a-original.jpg'
    assert format_of(memory, 'a.jpg') == 'JPEG'
    assert memory.read('a-original.jpg') == file.getvalue()


def test_rerender_makes_jpegs_again(image_in: Any, memory: fs.Storage, heic: Any, names: Names, size_of: Any) -> None:
    image = image_in(memory, max_size=None)
    image.save(heic(), 'a.heic')
    again = image_in(memory, stored=image.stored, max_size=60, thumbnail_sizes=[32, 20])
    again.rerender()
    assert (again.filename, again.original) == ('a.jpg', 'a.heic')
    assert dict(again.thumbnails) == {32: 'a-32.jpg', 20: 'a-20.jpg'}
    assert size_of(memory, 'a.jpg') == (60, 40)
    assert format_of(memory, 'a-20.jpg') == 'JPEG'


def test_rerender_makes_a_main_file_for_a_heic_that_had_none(
    image_in: Any, memory: fs.Storage, heic: Any, names: Names
) -> None:
    memory.write('a.heic', heic())
    image = image_in(memory, stored='a.heic', max_size=None)
    image.rerender()
    assert (image.filename, image.original) == ('a.jpg', 'a.heic')
    assert names(memory) == ALL


def test_deleting_removes_all_of_them(image_in: Any, memory: fs.Storage, heic: Any, names: Names) -> None:
    memory.write('a_1.jpg', b'of another user')
    image = image_in(memory, max_size=None)
    image.save(heic(), 'a.heic')
    image.delete()
    assert names(memory) == ['a_1.jpg']


def test_nothing_stays_of_a_heic_that_is_broken(image_in: Any, memory: fs.Storage, heic: Any, names: Names) -> None:
    image = image_in(memory, max_size=None)
    with pytest.raises(fs.InvalidContent):
        image.save(io.BytesIO(heic().getvalue()[:-200]), 'a.heic')
    assert names(memory) == []
