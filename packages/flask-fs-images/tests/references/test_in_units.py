"""Pictures whose files belong to a unit of work, as those of rows do."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

import flask_fs as fs
from flask_fs.references import FileReference, Owner
from flask_fs.transaction import FileTransaction
from flask_fs_images.references import ImageReference

ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


class InUnit(Owner):
    """An owner whose references belong to a unit."""

    def __init__(self, unit: fs.UnitOfWork) -> None:
        self._unit = unit

    def transaction(self, reference: FileReference) -> FileTransaction:
        return self._unit.transaction(reference.fs)


@pytest.fixture
def unit() -> fs.UnitOfWork:
    return fs.unit()


@pytest.fixture
def image(image_in: Any, memory: fs.Storage, unit: fs.UnitOfWork) -> ImageReference:
    """An empty reference, whose pictures have a main file, an original, and thumbnails of 100 and 32 pixels."""
    image: ImageReference = image_in(memory)
    image.owner = InUnit(unit)
    return image


@pytest.fixture
def saved(image: ImageReference, picture: Any, unit: fs.UnitOfWork) -> ImageReference:
    """The same with a picture, which is committed."""
    image.save(picture(), 'test.png')
    unit.commit()
    return image


def contents(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in sorted(storage.list_files())}


def test_all_files_go_if_the_unit_is_rolled_back(
    image: ImageReference, picture: Any, memory: fs.Storage, unit: fs.UnitOfWork
) -> None:
    image.save(picture(), 'test.png')
    assert list(contents(memory)) == ALL
    unit.roll_back()
    assert contents(memory) == {}


@pytest.mark.parametrize('number', range(4))
@pytest.mark.parametrize('error', [fs.Unavailable, KeyboardInterrupt])
def test_when_storing_any_part_fails_none_is_left(
    error: type[BaseException],
    number: int,
    saved: ImageReference,
    picture: Any,
    memory: fs.Storage,
    unit: fs.UnitOfWork,
    faulty: Any,
) -> None:
    before, stored = contents(memory), saved.stored
    failing = ['test_1-100.png', 'test_1-32.png', 'test-original_1.png', 'test_1.png'][number]
    with faulty(memory) as backend:
        backend.fail_next('put', error, after_bytes=10, when=failing.__eq__)
        with pytest.raises(error):
            saved.save(picture(200, 400), 'test.png', overwrite=True)
        assert backend.planned == []
    assert saved.stored is stored
    assert contents(memory) == before
    unit.commit()
    assert contents(memory) == before


def test_all_files_are_replaced_by_ones_of_other_names(
    saved: ImageReference, picture: Any, memory: fs.Storage, unit: fs.UnitOfWork, size_of: Any
) -> None:
    before = contents(memory)
    assert saved.save(picture(200, 400), 'test.png', overwrite=True) == 'test_1.png'
    assert (saved.original, saved.thumbnails) == ('test-original_1.png', {100: 'test_1-100.png', 32: 'test_1-32.png'})
    assert {name: contents(memory)[name] for name in before} == before
    unit.commit()
    assert list(contents(memory)) == sorted([saved.filename, saved.original, *saved.thumbnails.values()])
    assert size_of(memory, saved.original) == (200, 400)


def test_a_roll_back_keeps_what_was_replaced(
    saved: ImageReference, picture: Any, memory: fs.Storage, unit: fs.UnitOfWork
) -> None:
    before = contents(memory)
    saved.save(picture(200, 400), 'test.png', overwrite=True)
    unit.roll_back()
    assert contents(memory) == before


@pytest.mark.parametrize('is_committed_each_time', [True, False])
@pytest.mark.parametrize('name', ['test.png', 'IMG_1.png'])
def test_replacing_and_rerendering_again_and_again_leaves_one_picture_with_short_names(
    name: str,
    is_committed_each_time: bool,
    image: ImageReference,
    picture: Any,
    memory: fs.Storage,
    unit: fs.UnitOfWork,
) -> None:
    for width in (300, 310, 320, 330):
        image.save(picture(width, 200), name, overwrite=True)
        for side in (100, 120):
            image.max_size = (side, side)
            image.rerender()
            if is_committed_each_time:
                unit.commit()
    unit.commit()
    mine = [*image.stored.files()]
    assert sorted(mine) == list(contents(memory))
    assert all(len(one) <= len(name) + len('-original_10') for one in mine)


def test_rerendering_makes_files_of_other_names(
    saved: ImageReference, memory: fs.Storage, unit: fs.UnitOfWork, size_of: Any
) -> None:
    before = contents(memory)
    saved.max_size, saved.thumbnail_sizes = (120, 120), (50, 100)
    saved.rerender()
    assert saved.filename == 'test_1.png'
    assert saved.original == 'test-original.png'
    assert saved.thumbnails == {50: 'test_1-50.png', 100: 'test_1-100.png'}
    assert {name: contents(memory)[name] for name in before} == before
    unit.commit()
    # The size that is not declared any more stays, as outside of a unit: on_replace decides.
    made = ['test-32.png', 'test-original.png', 'test_1-100.png', 'test_1-50.png', 'test_1.png']
    assert list(contents(memory)) == made
    assert size_of(memory, 'test_1.png') == (120, 80)


def test_rerendering_is_rolled_back(saved: ImageReference, memory: fs.Storage, unit: fs.UnitOfWork) -> None:
    before = contents(memory)
    saved.max_size = (120, 120)
    saved.rerender()
    unit.roll_back()
    assert contents(memory) == before


def test_a_picture_that_becomes_too_large_gets_a_main_file_and_is_its_original(
    image_in: Any, memory: fs.Storage, picture: Any, unit: fs.UnitOfWork
) -> None:
    image = image_in(memory, max_size=None, thumbnail_sizes=[32])
    image.owner = InUnit(unit)
    image.save(picture(), 'test.png')
    unit.commit()
    image.max_size = (100, 100)
    image.rerender()
    unit.commit()
    assert (image.filename, image.original, image.thumbnails) == (
        'test-main.png',
        'test.png',
        {32: 'test-main-32.png'},
    )
    assert list(contents(memory)) == ['test-main-32.png', 'test-main.png', 'test.png']
    image.rerender()
    unit.commit()
    assert sorted(image.stored.files()) == list(contents(memory))
    assert image.filename == 'test-main_1.png'


def test_a_heic_is_replaced_with_its_main_file(image: ImageReference, memory: fs.Storage, unit: fs.UnitOfWork) -> None:
    pillow_heif = pytest.importorskip('pillow_heif', reason='pip install flask-fs-images[heic]')
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new('RGB', (300, 200), 'navy')).save(file)
    for _ in range(3):
        file.seek(0)
        image.save(file, 'a.heic', overwrite=True)
        unit.commit()
        assert sorted(image.stored.files()) == list(contents(memory))
    image.rerender()
    unit.commit()
    assert sorted(image.stored.files()) == list(contents(memory))


def test_a_picture_that_is_deleted_goes_with_the_commit(
    saved: ImageReference, memory: fs.Storage, unit: fs.UnitOfWork
) -> None:
    saved.delete()
    assert list(contents(memory)) == ALL
    unit.commit()
    assert contents(memory) == {}
