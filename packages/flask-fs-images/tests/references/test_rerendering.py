"""Derived files made again from the original."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import flask_fs as fs
import flask_fs.transaction
import flask_fs_images.derivatives
import flask_fs_images.references

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


def test_rerender_makes_the_files_that_are_declared_now(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    first = image_in(storage)
    first.save(picture(), 'test.png')
    original = storage.read('test-original.png')
    image = image_in(storage, max_size=120, thumbnail_sizes=[100, 64], stored=first.stored)
    image.rerender()
    assert image.owner.changes == [image.stored]
    assert size_of(storage, 'test.png') == (120, 80)
    assert size_of(storage, 'test-64.png') == (64, 64)
    assert storage.read('test-original.png') == original
    assert dict(image.thumbnails) == {100: 'test-100.png', 64: 'test-64.png'}
    assert names(storage) == sorted([*ALL, 'test-64.png'])


def test_rerender_with_an_unchanged_declaration_reports_no_change(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names
) -> None:
    image = image_in(memory)
    image.save(picture(), 'test.png', bbox=(10, 10, 60, 60))
    image.owner.changes.clear()
    memory.write('test-32.png', b'spoilt', overwrite=True)
    good = memory.read('test.png')
    image.rerender()
    assert image.owner.changes == []
    assert memory.read('test-32.png') != b'spoilt'
    assert memory.read('test.png') == good
    assert names(memory) == ALL


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'BMP'])
def test_rerender_opens_and_decodes_the_original_once(
    image_in: Any, memory: fs.Storage, picture: Any, counts: dict[str, int], kind: str
) -> None:
    image = image_in(memory)
    image.save(picture(kind=kind), f'test.{kind.lower()}')
    counts.update(opened=0, decoded=0)
    image.rerender()
    assert counts == {'opened': 1, 'decoded': 1}


def test_rerender_keeps_the_stored_file_when_a_smaller_one_is_wanted_now(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """A document that is not saved afterwards still refers to the unmodified file."""
    file = picture(140, 140)
    first = image_in(memory)
    first.save(file, 'test.png')
    image = image_in(memory, max_size=50, stored=first.stored)
    image.rerender()
    assert memory.read('test.png') == file.getvalue()
    assert (image.filename, image.original) == ('test-main.png', 'test.png')
    assert size_of(memory, 'test-main.png') == (50, 50)
    image.rerender()
    assert (image.filename, image.original) == ('test-main.png', 'test.png')
    assert names(memory) == ['test-100.png', 'test-32.png', 'test-main.png', 'test.png']


def test_rerender_makes_a_main_file_again_even_if_the_picture_fits_now(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    first = image_in(memory)
    first.save(picture(300, 200), 'test.png')
    image = image_in(memory, max_size=None, stored=first.stored)
    image.rerender()
    assert (image.filename, image.original) == ('test.png', 'test-original.png')
    assert size_of(memory, 'test.png') == (300, 200)
    assert names(memory) == ALL


def test_sizes_that_shared_a_file_get_their_own(image_in: Any, memory: fs.Storage, picture: Any, size_of: Any) -> None:
    memory.write('a.png', picture().getvalue())
    image = image_in(memory, stored={'filename': 'a.png', 'thumbnails': {'100': 'small.png', '32': 'small.png'}})
    image.rerender()
    assert [size_of(memory, image.thumbnail(size)) for size in (100, 32)] == [(100, 100), (32, 32)]


def test_rerender_spares_other_files(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    memory.write('test-64.png', b'of another user')
    image = image_in(memory, thumbnail_sizes=[64], stored='test.png')
    memory.write('test.png', picture(100, 100).getvalue())
    image.rerender()
    assert image.thumbnail(64) == 'test-64_1.png'
    assert memory.read('test-64.png') == b'of another user'


@pytest.mark.parametrize('hook', ['put', 'move'])
def test_a_failing_rerender_changes_no_reference_and_loses_no_file(
    image_in: Any, hook: str, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    first = image_in(storage)
    first.save(picture(), 'test.png')
    before = {name: storage.read(name) for name in names(storage)}
    image = image_in(storage, max_size=90, thumbnail_sizes=[100, 64, 32], stored=first.stored)
    with faulty(storage) as backend:
        backend.fail_next(hook, when=lambda name: '-32' in name)
        with pytest.raises(fs.Unavailable):
            image.rerender()
    assert image == first
    assert names(storage) == ALL
    if hook == 'put':
        assert {name: storage.read(name) for name in names(storage)} == before


def test_rerender_raises_if_the_original_is_missing(image_in: Any, memory: fs.Storage) -> None:
    with pytest.raises(fs.FileNotFound):
        image_in(memory, stored='gone.png').rerender()


@pytest.mark.parametrize('change', ['removed', 'replaced'])
def test_rerender_does_not_bring_a_former_picture_back(
    image_in: Any, change: str, storage: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_in(storage)
    image.save(picture(), 'test.png')
    make, other, after = flask_fs_images.references.derive, copy.copy(image), {}

    def make_slowly(*args: Any, **kwargs: Any) -> Any:
        made = make(*args, **kwargs)
        monkeypatch.undo()
        if change == 'removed':
            other.delete()
        else:
            other.save(picture(color='red'), 'test.png', overwrite=True)
        after.update({name: storage.read(name) for name in names(storage)})
        return made

    monkeypatch.setattr(flask_fs_images.references, 'derive', make_slowly)
    with pytest.raises(fs.FileNotFound if change == 'removed' else fs.Replaced):
        image.rerender()
    assert sorted(after) == ([] if change == 'removed' else ALL)
    assert {name: storage.read(name) for name in names(storage)} == after
