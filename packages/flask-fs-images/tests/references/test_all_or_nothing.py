"""All files of a picture are stored, or none: also when the store fails, and when several are saved at once."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from PIL import Image

import flask_fs as fs
import flask_fs.transaction
import flask_fs_images.derivatives
import flask_fs_images.references

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


@pytest.mark.parametrize('number', [1, 2, 3, 4])
def test_when_storing_any_part_fails_none_is_left(
    image_in: Any, number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(storage, stored='old.png')
    failing = ALL[number - 1]
    with faulty(storage) as backend:
        backend.fail_next('put', after_bytes=10, when=lambda name: name == failing)
        with pytest.raises(fs.Unavailable):
            image.save(picture(), 'test.png')
        assert backend.planned == []
    assert names(storage) == []
    assert image.filename == 'old.png'
    assert image.owner.changes == []


def test_when_rendering_fails_nothing_is_stored(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise MemoryError('at the second thumbnail')

    monkeypatch.setattr(flask_fs_images.derivatives, 'render', failing)
    image = image_in(memory, stored='old.png')
    with pytest.raises(MemoryError):
        image.save(picture(), 'test.png')
    assert names(memory) == []
    assert image.filename == 'old.png'


def test_an_interrupted_save_leaves_nothing_either(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(memory)
    with faulty(memory) as backend:
        backend.fail_next('put', KeyboardInterrupt, when=lambda name: name == 'test-32.png')
        with pytest.raises(KeyboardInterrupt):
            image.save(picture(), 'test.png')
    assert names(memory) == []


def test_a_storage_that_overwrites_does_not_if_the_call_says_so(
    image_in: Any, memory_app: Flask, picture: Any, names: Names
) -> None:
    storage = fs.Storage('overwriting', fs.IMAGES, overwrite=True)
    fs.init_app(memory_app, storage)
    storage.write('test.png', b'of another user')
    image = image_in(storage)
    with pytest.raises(fs.FileExists):
        image.save(picture(), 'test.png', overwrite=False)
    assert names(storage) == ['test.png']
    image.save(picture(), 'test.png')
    assert names(storage) == ALL
    assert storage.read('test.png') != b'of another user'


def test_an_existing_main_file_stops_the_save(image_in: Any, storage: fs.Storage, picture: Any, names: Names) -> None:
    storage.write('test.png', b'of another user')
    image = image_in(storage)
    with pytest.raises(fs.FileExists, match=r"'test\.png'"):
        image.save(picture(), 'test.png')
    assert names(storage) == ['test.png']
    assert storage.read('test.png') == b'of another user'
    assert not image


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('existing', ALL[:3])
def test_files_made_from_a_picture_get_available_names(
    image_in: Any, existing: str, overwrite: bool, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """The user did not choose them, so they are neither refused nor replace the files of others."""
    storage.write(existing, b'of another user')
    image = image_in(storage)
    assert image.save(picture(), 'test.png', overwrite=overwrite) == 'test.png'
    available = existing.replace('.png', '_1.png')
    assert names(storage) == sorted([*ALL, available])
    assert storage.read(existing) == b'of another user'
    assert available in [image.original, *image.thumbnails.values()]
    image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == sorted([*ALL, available])
    assert storage.read(existing) == b'of another user'
    assert size_of(storage, image.original) == (200, 400)
    image.delete()
    assert names(storage) == [existing]


def test_pictures_do_not_lose_a_thumbnail_to_the_name_of_another(
    image_in: Any, memory: fs.Storage, picture: Any
) -> None:
    one, other = image_in(memory, thumbnail_sizes=[80]), image_in(memory, thumbnail_sizes=[80])
    one.save(picture(100, 100, color='red'), 'a-80.png')
    other.save(picture(100, 100), 'a.png')
    assert (one.filename, one.thumbnail(80)) == ('a-80.png', 'a-80-80.png')
    assert (other.filename, other.thumbnail(80)) == ('a.png', 'a-80_1.png')


def test_an_available_name_that_another_writer_takes_is_left_to_it(
    image_in: Any, memory: fs.Storage, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.write('test-32.png', b'first')
    resolve_conflict, rivals = memory.resolve_conflict, ['second', 'third']

    def slow(folder: str, basename: str) -> str:
        available = resolve_conflict(folder, basename)
        if rivals:
            memory.write(available, rivals.pop(0))
        return available

    monkeypatch.setattr(memory, 'resolve_conflict', slow)
    image = image_in(memory)
    image.save(picture(), 'test.png')
    assert image.thumbnail(32) == 'test-32_3.png'
    assert [memory.read(f'test-32{end}.png') for end in ('', '_1', '_2')] == [b'first', b'second', b'third']


def test_the_search_for_an_available_name_ends(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.write('test-32.png', b'of another user')
    monkeypatch.setattr(memory, 'resolve_conflict', lambda folder, basename: basename)
    with pytest.raises(fs.FileExists):
        image_in(memory).save(picture(), 'test.png')
    assert names(memory) == ['test-32.png']


def test_replacing_files_leaves_no_stray_files(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    image = image_in(storage)
    image.save(picture(), 'test.png')
    image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == ALL
    assert size_of(storage, 'test.png') == (75, 150)
    assert size_of(storage, 'test-original.png') == (200, 400)


@pytest.mark.parametrize('number', [0, 1, 2, 3])
def test_when_replacing_fails_all_old_files_are_as_they_were(
    image_in: Any, number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(storage)
    image.save(picture(), 'test.png')
    before = {name: storage.read(name) for name in names(storage)}
    seen: list[str] = []

    def is_the_one(name: str) -> bool:
        seen.append(name)
        return len(seen) == number + 1

    with faulty(storage) as backend:
        backend.fail_next('put', after_bytes=10, when=is_the_one)
        with pytest.raises(fs.Unavailable):
            image.save(picture(200, 400, color='red'), 'test.png', overwrite=True)
    assert {name: storage.read(name) for name in names(storage)} == before


@pytest.mark.parametrize('number', [0, 1, 2, 3])
def test_no_file_is_missing_or_left_over_when_putting_in_place_fails(
    image_in: Any, number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(storage)
    image.save(picture(), 'test.png')
    moved: list[str] = []

    def is_the_one(name: str) -> bool:
        moved.append(name)
        return len(moved) == number + 1

    with faulty(storage) as backend:
        backend.fail_next('move', when=is_the_one)
        with pytest.raises(fs.Unavailable):
            image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == ALL


def test_no_file_is_changed_when_the_store_fails_before_the_first_move(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(memory)
    image.save(picture(), 'test.png')
    before = {name: memory.read(name) for name in ALL}
    with faulty(memory) as backend:
        backend.fail_next('stat', when=lambda name: name == 'test-32.png')
        with pytest.raises(fs.Unavailable):
            image.save(picture(200, 400, color='red'), 'test.png', overwrite=True)
        assert backend.planned == []
    assert {name: memory.read(name) for name in names(memory)} == before


@pytest.mark.parametrize('number', range(8))
@pytest.mark.parametrize('change', ['save', 'rerender'])
def test_a_process_that_dies_leaves_no_file_missing(
    image_in: Any,
    change: str,
    number: int,
    memory: fs.Storage,
    picture: Any,
    names: Names,
    faulty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the document, as it was saved before, still refers to files that are there."""
    image = image_in(memory)
    image.save(picture(), 'test.png')
    calls: list[str] = []

    def dies_now(name: str) -> bool:
        calls.append(name)
        return len(calls) == number + 1

    monkeypatch.setattr(flask_fs.transaction, 'discard', lambda *_: None)
    with faulty(memory) as backend:
        for hook in ('put', 'move'):
            backend.fail_next(hook, SystemExit, when=dies_now)
        with contextlib.suppress(SystemExit):
            if change == 'save':
                image.save(picture(200, 400), 'test.png', overwrite=True)
            else:
                image.rerender()
        assert len(calls) >= min(number + 1, 6)
    assert set(ALL) <= set(names(memory))


def test_putting_in_place_removes_what_it_made_when_it_fails(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    image = image_in(memory)
    memory.write('test-32.png', b'of another user')
    with faulty(memory) as backend:
        backend.fail_next('move', when=lambda name: name.startswith('test'))
        with pytest.raises(fs.Unavailable):
            image.save(picture(), 'test.png', overwrite=True)
    assert names(memory) == ['test-32.png']


def test_cleaning_up_removes_exactly_what_was_made(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    """A file without an extension may have the name of a folder, in stores that have no folders."""
    others = ['photos-100/a', 'photos-32/a', 'photos-original/a', 'photos/a']
    for name in others:
        memory.write(name, b'of another user')
    image = image_in(memory)
    with faulty(memory) as backend:
        backend.fail_next('put', when=lambda name: name == 'photos-32')
        with pytest.raises(fs.Unavailable):
            image.save(picture(), 'photos')
    assert names(memory) == others
    image.save(picture(), 'photos')
    assert len(names(memory)) == 8
    image.delete()
    assert names(memory) == others


def test_what_cannot_be_removed_is_logged_and_the_first_error_is_raised(
    image_in: Any, memory: fs.Storage, picture: Any, faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    image = image_in(memory)
    with faulty(memory) as backend:
        backend.fail_next('put', fs.PermissionDenied, when=lambda name: name == 'test-32.png')
        backend.fail_next('remove', fs.Unavailable, times=None)
        with pytest.raises(fs.PermissionDenied):
            image.save(picture(), 'test.png')
    assert "'test-original.png' stays in storage 'pictures'" in caplog.text


def test_a_receiver_that_raises_does_not_end_cleaning_up(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names, faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(*_: Any, **__: Any) -> None:
        raise RuntimeError('the receiver fails')

    image = image_in(memory)
    with faulty(memory) as backend, fs.file_deleted.connected_to(raising, memory):
        backend.fail_next('put', when=lambda name: name == 'test-32.png')
        with pytest.raises(fs.Unavailable):
            image.save(picture(), 'test.png')
    assert names(memory) == []
    assert 'the receiver fails' in caplog.text


def test_concurrent_saves_of_one_name_have_one_winner(
    image_in: Any, app: Flask, storage: fs.Storage, picture: Any, names: Names
) -> None:
    images, errors = [image_in(storage) for _ in range(4)], []
    start = threading.Barrier(len(images))

    def save(image: Any, width: int) -> None:
        file = picture(width, 200)
        start.wait()
        with app.app_context():
            try:
                image.save(file, 'test.png')
            except fs.FileExists as error:
                errors.append(error)

    threads = [threading.Thread(target=save, args=(image, 300 + number)) for number, image in enumerate(images)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, image in enumerate(images) if image]
    assert len(winners) == 1
    assert len(errors) == 3
    winner = images[winners[0]]
    assert names(storage) == sorted(winner.stored.files())
    with Image.open(io.BytesIO(storage.read(winner.original))) as image:
        assert image.size == (300 + winners[0], 200)


@pytest.mark.parametrize('app', ['local', 'memory'], indirect=True)
def test_pictures_whose_derived_names_meet_are_all_stored_at_once(
    image_in: Any, app: Flask, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """Of names that differ at their end only, nothing different is left once they are shortened."""
    images = {width: image_in(storage) for width in (301, 302, 303, 304)}
    start, errors = threading.Barrier(len(images)), []

    def save(width: int) -> None:
        file = picture(width, 200)
        start.wait()
        with app.app_context():
            try:
                images[width].save(file, f'{"x" * 248}{width}.png')
            except Exception as error:  # noqa: BLE001  # shown below
                errors.append(error)

    threads = [threading.Thread(target=save, args=(width,)) for width in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stored = [name for image in images.values() for name in image.stored.files()]
    assert sorted(stored) == names(storage)
    assert len(set(stored)) == 16
    assert {width: size_of(storage, image.original)[0] for width, image in images.items()} == {
        width: width for width in images
    }
