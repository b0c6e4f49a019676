"""Pictures, boxes and files that are refused."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
import flask_fs.transaction
import flask_fs_images.derivatives
import flask_fs_images.references
from flask_fs_images import Limits
from flask_fs_images.concurrency import decoding

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


@pytest.mark.parametrize('bbox', [[1, 2, 3], [5, 5, 1, 1], [900, 900, 950, 950], ['a', 0, 1, 1]])
def test_an_impossible_bbox_stores_nothing(
    image_in: Any, bbox: Any, memory: fs.Storage, picture: Any, names: Names
) -> None:
    image = image_in(memory)
    with pytest.raises(ValueError, match=r'.'):
        image.save(picture(), 'test.png', bbox)
    assert names(memory) == []
    assert not image


def test_hostile_pictures_are_refused_and_nothing_is_stored(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names
) -> None:
    image = image_in(storage)
    whole = picture(kind='JPEG').getvalue()
    for content in (b'', b'no picture', b'<html></html>', whole[: len(whole) // 2], whole[:30]):
        with pytest.raises(
            fs.InvalidContent, match=r"'test\.png' has content that is not allowed in storage 'pictures'"
        ):
            image.save(io.BytesIO(content), 'test.png')
    assert names(storage) == []
    assert not image


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'WEBP', 'BMP'])
def test_a_broken_picture_is_refused_even_if_nothing_is_made_from_it(
    image_in: Any, kind: str, memory: fs.Storage, picture: Any
) -> None:
    whole = picture(kind=kind).getvalue()
    with pytest.raises(fs.InvalidContent):
        image_in(memory, max_size=None, thumbnail_sizes=[]).save(io.BytesIO(whole[:-400]), f'test.{kind.lower()}')


def test_its_limits_hold(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    with pytest.raises(fs.InvalidContent, match='pixels'):
        image_in(memory, limits=Limits(pixels=100)).save(picture(), 'test.png')


def test_the_storage_says_how_many_pixels_a_picture_may_have(image_in: Any, memory_app: Flask, picture: Any) -> None:
    memory_app.config['FS_IMAGES_MAX_PIXELS'] = '100'
    storage = fs.Storage('small', fs.IMAGES)
    fs.init_app(memory_app, storage)
    with pytest.raises(fs.InvalidContent, match='the limit of 100 pixels'):
        image_in(storage).save(picture(20, 20), 'test.png')
    image_in(storage, limits=Limits()).save(picture(20, 20), 'test.png')


def test_the_storage_says_how_many_pictures_are_decoded_at_once(
    image_in: Any, memory_app: Flask, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_app.config['FS_IMAGES_CONCURRENCY'] = '1'
    storage = fs.Storage('small', fs.IMAGES)
    fs.init_app(memory_app, storage)
    monkeypatch.setattr(flask_fs_images.references, 'Limits', functools.partial(Limits, timeout_s=0.01))
    with decoding.slot(None, 0, None):
        with pytest.raises(fs.Unavailable, match='1 other images were being decoded'):
            image_in(storage).save(picture(20, 20), 'test.png')
        image_in(storage, limits=Limits(concurrency=2)).save(picture(20, 20), 'test.png')
    image_in(storage).save(picture(20, 20), 'other.png')


def test_types_that_the_storage_does_not_allow_are_refused(image_in: Any, memory_app: Flask, picture: Any) -> None:
    storage = fs.Storage('jpegs', ('jpg',))
    fs.init_app(memory_app, storage)
    with pytest.raises(fs.UnauthorizedFileType):
        image_in(storage).save(picture(), 'test.png')
    assert list(storage.list_files()) == []


class Opaque:
    """A file whose size is not known before it was read.

    :param seekable: Whether it can be read twice.
    """

    def __init__(self, content: bytes, *, seekable: bool) -> None:
        self._file, self._seekable, self.read_bytes = io.BytesIO(content), seekable, 0

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.read_bytes += len(chunk)
        return chunk


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: Any, **__: Any) -> Any:
        raise AssertionError('decoded before it was refused')

    monkeypatch.setattr(flask_fs_images.derivatives, 'open_image', decode)
    monkeypatch.setattr(flask_fs_images.derivatives, 'render', decode)


@pytest.mark.parametrize('kind', ['upload', 'file', 'path', 'opaque', 'once'])
def test_nothing_is_decoded_of_what_the_storage_refuses(
    image_in: Any, kind: str, memory_app: Flask, picture: Any, tmp_path: Path, undecoded: None
) -> None:
    memory_app.config['PICTURES_FS_MAX_BYTES'] = 5000
    storage = fs.Storage('pictures', ('png',))
    fs.init_app(memory_app, storage)
    content = picture().getvalue() + bytes(5_000_000)
    (tmp_path / 'a.png').write_bytes(content)
    file: Any = {
        'upload': lambda: FileStorage(io.BytesIO(content), 'a.png'),
        'file': lambda: io.BytesIO(content),
        'path': lambda: tmp_path / 'a.png',
        'opaque': lambda: Opaque(content, seekable=True),
        'once': lambda: Opaque(content, seekable=False),
    }[kind]()
    image = image_in(storage)
    with pytest.raises(fs.UnauthorizedFileType):
        image.save(file, 'a.gif')
    with pytest.raises(fs.FileTooLarge, match='at most 5000 bytes'):
        image.save(file, 'a.png')
    assert list(storage.list_files()) == []
    if isinstance(file, Opaque):
        # No more is read, and kept in memory, than is needed to refuse it.
        assert file.read_bytes == 5001


def test_a_file_of_unknown_size_is_saved_from_its_position(image_in: Any, memory_app: Flask, picture: Any) -> None:
    memory_app.config['PICTURES_FS_MAX_BYTES'] = 5000
    storage = fs.Storage('pictures', ('png',))
    fs.init_app(memory_app, storage)
    content = picture().getvalue()
    file = Opaque(b'before' + content, seekable=True)
    file.seek(6)
    image_in(storage).save(file, 'a.png')
    assert storage.read('a-original.png') == content
    assert file.tell() == 6


@pytest.mark.parametrize('upload', [42, ['a.png']], ids=repr)
def test_what_cannot_be_read_raises_an_error_and_stores_nothing(
    image_in: Any, memory: fs.Storage, names: Names, upload: Any
) -> None:
    image = image_in(memory)
    with pytest.raises(TypeError, match=rf'{type(upload).__name__}.*read\(\)'):
        image.save(upload, 'test.png')
    assert names(memory) == []
    assert not image
