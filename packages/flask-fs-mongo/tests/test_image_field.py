"""A picture of a document, with its original and thumbnails."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document
from PIL import Image
from werkzeug.datastructures import FileStorage

import flask_fs as fs
import flask_fs.transaction
import flask_fs_images.derivatives
import flask_fs_images.references
from flask_fs_images import Limits
from flask_fs_images.concurrency import decoding
from flask_fs_mongo import FileField, ImageField, ImageReference

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


def page_with(storage: fs.Storage, **options: Any) -> Any:
    options = {'max_size': 150, 'thumbnails': [100, 32], **options}

    class Page(Document):
        image = ImageField(fs=storage, **options)

    return Page


def test_a_large_picture_gives_a_main_file_an_original_and_thumbnails(
    storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    page_class = page_with(storage)
    page, file = page_class(), picture(300, 200)
    assert page.image.save(file, 'test.png') == 'test.png'
    page.save()

    image = page_class.objects.get().image
    assert isinstance(image, ImageReference)
    assert image.filename == 'test.png'
    assert image.original == 'test-original.png'
    assert image.thumbnail(100) == 'test-100.png'
    assert image.thumbnail(32) == 'test-32.png'
    assert names(storage) == ALL
    assert size_of(storage, 'test.png') == (150, 100)
    assert size_of(storage, 'test-100.png') == (100, 100)
    assert size_of(storage, 'test-32.png') == (32, 32)
    assert storage.read('test-original.png') == file.getvalue()
    assert page_class._get_collection().find_one()['image'] == {
        'filename': 'test.png',
        'original': 'test-original.png',
        'thumbnails': {'100': 'test-100.png', '32': 'test-32.png'},
    }


@pytest.mark.parametrize(
    ('size', 'filename'),
    [
        (None, 'test.png'),
        (200, 'test.png'),
        (150, 'test.png'),
        (101, 'test.png'),
        (100, 'test-100.png'),
        (90, 'test-100.png'),
        (33, 'test-100.png'),
        (32, 'test-32.png'),
        (30, 'test-32.png'),
    ],
)
def test_best_url_is_the_smallest_that_fills_the_size_or_the_main_file(
    size: int | None, filename: str, memory: fs.Storage, picture: Any
) -> None:
    page = page_with(memory)()
    page.image.save(picture(300, 200), 'test.png')
    assert page.image.best_url(size) == page.image(size) == memory.url(filename)
    assert page.image.full() == memory.url('test.png')


def test_urls_can_be_full(memory_app: Flask, database: str, picture: Any) -> None:
    memory_app.config.update(FS_URL=None, SERVER_NAME='site.test')
    storage = fs.Storage('own', fs.IMAGES)
    fs.init_app(memory_app, storage)
    page = page_with(storage)()
    page.image.save(picture(300, 200), 'test.png')
    with memory_app.test_request_context():
        assert page.image.url == storage.url('test.png')
        for full, name in (
            (page.image(32, external=True), 'test-32.png'),
            (page.image.best_url(external=True), 'test.png'),
            (page.image.full(external=True), 'test.png'),
        ):
            assert full == storage.url(name, external=True)
            assert full.startswith('http://site.test/')


def test_an_empty_image_has_no_names_and_no_addresses(memory: fs.Storage) -> None:
    image = page_with(memory)().image
    assert not image
    assert (image.filename, image.original, image.thumbnail(32), image.bbox) == (None, None, None, None)
    assert (image(), image(32), image.full(), str(image)) == (None, None, None, '')
    image.rerender()


def test_a_size_that_is_not_declared_has_no_thumbnail(memory: fs.Storage, picture: Any) -> None:
    page = page_with(memory)()
    page.image.save(picture(), 'test.png')
    with pytest.raises(ValueError, match=r'no thumbnail of size 50 \(declared: 100, 32\)'):
        page.image.thumbnail(50)


def test_a_declared_size_that_was_not_made_yet_gives_the_next_best(memory: fs.Storage) -> None:
    page = page_with(memory, thumbnails=[100, 64, 32])(
        image={'filename': 'test.png', 'thumbnails': {'100': 'test-100.png'}}
    )
    assert page.image.thumbnail(64) == 'test-100.png'
    assert page.image.thumbnail(32) == 'test-100.png'
    page.image = 'plain.png'
    assert page.image.thumbnail(64) == 'plain.png'


@pytest.mark.parametrize('size', [(150, 100), (20, 20), (1, 1)])
def test_a_picture_that_fits_is_stored_as_it_is(
    size: tuple[int, int], memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    page, file = page_with(memory)(), picture(*size)
    page.image.save(file, 'test.png')
    assert page.image.original == page.image.filename == 'test.png'
    assert memory.read('test.png') == file.getvalue()
    assert names(memory) == ['test-100.png', 'test-32.png', 'test.png']
    assert size_of(memory, 'test-32.png') == (min(32, *size),) * 2


def test_a_field_that_makes_nothing_stores_the_upload_alone(storage: fs.Storage, picture: Any, names: Names) -> None:
    page, file = page_with(storage, max_size=None, thumbnails=None)(), picture(3000, 20)
    page.image.save(file, 'test.png')
    assert storage.read('test.png') == file.getvalue()
    assert names(storage) == ['test.png']
    page.image.save(picture(30, 20), 'test.png', overwrite=True)
    assert names(storage) == ['test.png']


def test_what_is_made_holds_no_metadata_and_the_original_all(memory: fs.Storage, picture: Any) -> None:
    exif = Image.Exif()
    exif[0x010F] = 'A camera'
    page = page_with(memory)()
    page.image.save(picture(300, 200, 'JPEG', exif=exif), 'test.jpg')
    assert b'A camera' in memory.read('test-original.jpg')
    for filename in ('test.jpg', 'test-100.jpg', 'test-32.jpg'):
        assert b'A camera' not in memory.read(filename)


def test_optimizing_makes_the_main_file_anew_and_keeps_the_upload(
    memory: fs.Storage, picture: Any, names: Names
) -> None:
    page, file = page_with(memory, optimize=True, thumbnails=[])(), picture(100, 100, compress_level=0)
    page.image.save(file, 'test.png')
    assert names(memory) == ['test-original.png', 'test.png']
    assert len(memory.read('test.png')) < len(file.getvalue())
    assert memory.read('test-original.png') == file.getvalue()


@pytest.mark.parametrize(
    ('setting', 'optimize', 'expected'), [(True, None, True), (False, None, False), (True, False, False)]
)
def test_the_storage_says_whether_to_optimize_unless_the_field_does(
    setting: bool, optimize: bool | None, expected: bool, memory_app: Flask, database: str, picture: Any, names: Names
) -> None:
    memory_app.config['FS_IMAGES_OPTIMIZE'] = setting
    storage = fs.Storage('optimized', fs.IMAGES)
    fs.init_app(memory_app, storage)
    page_with(storage, optimize=optimize, thumbnails=[])().image.save(picture(100, 100), 'test.png')
    assert ('test-original.png' in names(storage)) is expected


def test_whether_to_optimize_is_asked_at_each_save(
    memory_app: Flask, memory: fs.Storage, picture: Any, names: Names
) -> None:
    page = page_with(memory, max_size=None, thumbnails=[])()
    for number, setting in enumerate((True, False, True)):
        memory_app.config['FS_IMAGES_OPTIMIZE'] = setting
        page.image.save(picture(), f'{number}.png')
    assert names(memory) == ['0-original.png', '0.png', '1.png', '2-original.png', '2.png']


def test_a_list_for_bbox_works_and_is_stored(memory: fs.Storage) -> None:
    page_class = page_with(memory)
    page, file = page_class(), io.BytesIO()
    image = Image.new('RGB', (300, 200), 'white')
    image.paste('red', (200, 100, 300, 200))
    image.save(file, 'PNG')
    file.seek(0)
    page.image.save(file, 'test.png', bbox=[200, 100, 300, 200])
    page.save()
    assert page_class._get_collection().find_one()['image']['bbox'] == [200, 100, 300, 200]
    assert page_class.objects.get().image.bbox == (200, 100, 300, 200)
    with Image.open(io.BytesIO(memory.read('test-32.png'))) as thumbnail:
        assert thumbnail.convert('RGB').getpixel((16, 16)) == (255, 0, 0)


@pytest.mark.parametrize('bbox', [[1, 2, 3], [5, 5, 1, 1], [900, 900, 950, 950], ['a', 0, 1, 1]])
def test_an_impossible_bbox_stores_nothing(bbox: Any, memory: fs.Storage, picture: Any, names: Names) -> None:
    page = page_with(memory)()
    with pytest.raises(ValueError, match=r'.'):
        page.image.save(picture(), 'test.png', bbox)
    assert names(memory) == []
    assert not page.image


def test_the_declared_sizes_are_left_in_their_order(memory: fs.Storage, picture: Any) -> None:
    sizes = [32, 100, 64]
    page = page_with(memory, thumbnails=sizes)()
    page.image.save(picture(), 'test.png')
    assert sizes == [32, 100, 64]
    assert page.image(40) == memory.url('test-64.png')
    assert list(page.image.thumbnails) == [32, 100, 64]


@pytest.mark.parametrize('sizes', [[0], [-5, 10], [1.5], ['10'], [(10, 20)]])
def test_impossible_sizes_are_refused_in_the_declaration(sizes: Any, memory: fs.Storage) -> None:
    with pytest.raises((TypeError, ValueError)):
        ImageField(fs=memory, thumbnails=sizes)
    with pytest.raises((TypeError, ValueError)):
        ImageField(fs=memory, max_size=sizes[0] if sizes != [(10, 20)] else 0)


def test_max_size_may_be_a_width_and_a_height(memory: fs.Storage, picture: Any, size_of: Any) -> None:
    page = page_with(memory, max_size=(400, 50))()
    page.image.save(picture(300, 200), 'test.png')
    assert size_of(memory, 'test.png') == (75, 50)


def test_an_svg_stands_for_all_its_sizes(memory: fs.Storage, svg: io.BytesIO, names: Names) -> None:
    page = page_with(memory)()
    page.image.save(svg, 'drawing.svg')
    page.save()
    assert names(memory) == ['drawing.svg']
    assert page.image.original == page.image.thumbnail(32) == 'drawing.svg'
    assert page.image(30) == memory.url('drawing.svg')
    page.image.rerender()
    assert names(memory) == ['drawing.svg']


def test_an_animation_stays_one(memory: fs.Storage) -> None:
    frames = [Image.new('P', (200, 200), number) for number in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    frames = [frame.copy() for frame in frames]
    for frame in frames:
        frame.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    frames[0].save(file, 'GIF', save_all=True, append_images=frames[1:], duration=100, loop=0)
    file.seek(0)
    page = page_with(memory)()
    page.image.save(file, 'test.gif')
    for filename in ('test.gif', 'test-100.gif', 'test-32.gif'):
        with Image.open(io.BytesIO(memory.read(filename))) as image:
            assert getattr(image, 'n_frames', 1) == 3


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


def test_the_storages_own_folder_comes_first(memory_app: Flask, database: str, picture: Any, names: Names) -> None:
    folders = iter('abcdef')
    storage = fs.Storage('dated', fs.IMAGES, upload_to=lambda: next(folders))
    fs.init_app(memory_app, storage)
    page_with(storage)().image.save(picture(), 'test.png')
    assert names(storage) == [f'a/{name}' for name in ALL]


class OnlyRead:
    def __init__(self, file: io.BytesIO) -> None:
        self.read = file.read


def test_what_can_be_read_only_once_is_enough(storage: fs.Storage, picture: Any, names: Names) -> None:
    file = picture()
    page_with(storage)().image.save(OnlyRead(file), 'test.png')
    assert names(storage) == ALL
    assert storage.read('test-original.png') == file.getvalue()


def test_a_path_works_and_a_file_is_read_from_where_it_stands(
    memory: fs.Storage, picture: Any, tmp_path: Any, names: Names
) -> None:
    path = tmp_path / 'test.png'
    path.write_bytes(picture().getvalue())
    page_with(memory)().image.save(path)
    assert names(memory) == ALL
    shifted = io.BytesIO(b'12345' + picture().getvalue())
    shifted.seek(5)
    page = page_with(memory)()
    page.image.save(shifted, 'b.png')
    assert not shifted.closed
    assert memory.read('b-original.png') == picture().getvalue()


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


def test_derived_names_fit_where_that_of_the_upload_does(storage: fs.Storage, picture: Any, names: Names) -> None:
    for stem in ('п' * 200, 'x' * 251):
        page = page_with(storage)()
        filename = page.image.save(FileStorage(picture(), f'{stem}.png'))
        assert filename == fs.names.clean(f'{stem}.png')
        made = list(page.image.stored.files())
        assert len(made) == 4
        for name in made:
            assert len(name.encode()) <= 255
            assert name in names(storage)
        assert page.image.thumbnail(32).endswith('-32.png')
        page.image.save(FileStorage(picture(), f'{stem}.png'), overwrite=True)
        assert list(page.image.stored.files()) == made
        page.image.delete()
        assert names(storage) == []


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('ending', ['-original.png', '-100.png'])
def test_a_derived_name_is_never_that_of_the_upload(
    ending: str, overwrite: bool, memory: fs.Storage, picture: Any, names: Names
) -> None:
    """What is shortened to make room for its ending may be the same name again."""
    name, upload = 'n' * (255 - len(ending)) + ending, picture()
    page = page_with(memory)()
    assert page.image.save(upload, name, overwrite=overwrite) == name
    assert len(names(memory)) == 4
    assert memory.read(page.image.original) == upload.getvalue()


def test_each_file_costs_one_request_and_a_taken_main_file_two(memory: fs.Storage, picture: Any, recorded: Any) -> None:
    page_class = page_with(memory)
    with recorded(memory) as backend:
        page_class().image.save(picture(), 'test.png')
        assert backend.hooks() == ['put'] * 4
        backend.calls.clear()
        with pytest.raises(fs.FileExists):
            page_class().image.save(picture(), 'test.png')
        assert [(call.hook, call.name) for call in backend.calls] == [('put', 'test-original.png'), ('put', 'test.png')]


def test_one_decode_serves_all_sizes(memory: fs.Storage, picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    render = flask_fs_images.derivatives.render

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return render(*args, **kwargs)

    monkeypatch.setattr(flask_fs_images.derivatives, 'render', counted)
    page_with(memory)().image.save(picture(), 'test.png')
    assert len(calls) == 1


# --- What is no good.


def test_hostile_pictures_are_refused_and_nothing_is_stored(storage: fs.Storage, picture: Any, names: Names) -> None:
    page = page_with(storage)()
    whole = picture(kind='JPEG').getvalue()
    for content in (b'', b'no picture', b'<html></html>', whole[: len(whole) // 2], whole[:30]):
        with pytest.raises(
            fs.InvalidContent, match=r"'test\.png' has content that is not allowed in storage 'pictures'"
        ):
            page.image.save(io.BytesIO(content), 'test.png')
    assert names(storage) == []
    assert not page.image


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'WEBP', 'BMP'])
def test_a_broken_picture_is_refused_even_if_nothing_is_made_from_it(
    kind: str, memory: fs.Storage, picture: Any
) -> None:
    whole = picture(kind=kind).getvalue()
    with pytest.raises(fs.InvalidContent):
        page_with(memory, max_size=None, thumbnails=[])().image.save(io.BytesIO(whole[:-400]), f'test.{kind.lower()}')


def test_the_fields_limits_hold(memory: fs.Storage, picture: Any) -> None:
    with pytest.raises(fs.InvalidContent, match='pixels'):
        page_with(memory, limits=Limits(pixels=100))().image.save(picture(), 'test.png')


def test_the_storage_says_how_many_pixels_a_picture_may_have(memory_app: Flask, database: str, picture: Any) -> None:
    memory_app.config['FS_IMAGES_MAX_PIXELS'] = '100'
    storage = fs.Storage('small', fs.IMAGES)
    fs.init_app(memory_app, storage)
    with pytest.raises(fs.InvalidContent, match='the 100 pixels allowed'):
        page_with(storage)().image.save(picture(20, 20), 'test.png')
    page_with(storage, limits=Limits())().image.save(picture(20, 20), 'test.png')


def test_the_storage_says_how_many_pictures_are_decoded_at_once(
    memory_app: Flask, database: str, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_app.config['FS_IMAGES_CONCURRENCY'] = '1'
    storage = fs.Storage('small', fs.IMAGES)
    fs.init_app(memory_app, storage)
    monkeypatch.setattr(flask_fs_images.references, 'Limits', functools.partial(Limits, timeout_s=0.01))
    with decoding.taken(None, 0, None):
        with pytest.raises(fs.Unavailable, match='1 other pictures were being decoded'):
            page_with(storage)().image.save(picture(20, 20), 'test.png')
        page_with(storage, limits=Limits(concurrency=2))().image.save(picture(20, 20), 'test.png')
    page_with(storage)().image.save(picture(20, 20), 'other.png')


def test_types_that_the_storage_does_not_take_are_refused(memory_app: Flask, database: str, picture: Any) -> None:
    storage = fs.Storage('jpegs', ('jpg',))
    fs.init_app(memory_app, storage)
    with pytest.raises(fs.UnauthorizedFileType):
        page_with(storage)().image.save(picture(), 'test.png')
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

    monkeypatch.setattr(flask_fs_images.derivatives, 'identify', decode)
    monkeypatch.setattr(flask_fs_images.derivatives, 'render', decode)


@pytest.mark.parametrize('kind', ['upload', 'file', 'path', 'opaque', 'once'])
def test_nothing_is_decoded_of_what_the_storage_refuses(
    kind: str, memory_app: Flask, database: str, picture: Any, tmp_path: Path, undecoded: None
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
    page = page_with(storage)()
    with pytest.raises(fs.UnauthorizedFileType):
        page.image.save(file, 'a.gif')
    with pytest.raises(fs.FileTooLarge, match='at most 5000 bytes'):
        page.image.save(file, 'a.png')
    assert list(storage.list_files()) == []
    if isinstance(file, Opaque):
        # No more is read, and kept meanwhile, than is needed to say so.
        assert file.read_bytes == 5001


def test_a_file_of_unknown_size_is_saved_from_where_it_stands(memory_app: Flask, database: str, picture: Any) -> None:
    memory_app.config['PICTURES_FS_MAX_BYTES'] = 5000
    storage = fs.Storage('pictures', ('png',))
    fs.init_app(memory_app, storage)
    content = picture().getvalue()
    file = Opaque(b'before' + content, seekable=True)
    file.seek(6)
    page_with(storage)().image.save(file, 'a.png')
    assert storage.read('a-original.png') == content
    assert file.tell() == 6


# --- All or nothing.


@pytest.mark.parametrize('number', [1, 2, 3, 4])
def test_when_storing_any_part_fails_none_is_left(
    number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(storage)(image='old.png').save()
    failing = ALL[number - 1]
    with faulty(storage) as backend:
        backend.fail_next('put', after_bytes=10, when=lambda name: name == failing)
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(), 'test.png')
        assert backend.planned == []
    assert names(storage) == []
    assert page.image.filename == 'old.png'
    assert page._get_changed_fields() == []


def test_when_rendering_fails_nothing_is_stored(
    memory: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise MemoryError('at the second thumbnail')

    monkeypatch.setattr(flask_fs_images.derivatives, 'render', failing)
    page = page_with(memory)(image='old.png')
    with pytest.raises(MemoryError):
        page.image.save(picture(), 'test.png')
    assert names(memory) == []
    assert page.image.filename == 'old.png'


def test_an_interrupted_save_leaves_nothing_either(memory: fs.Storage, picture: Any, names: Names, faulty: Any) -> None:
    page = page_with(memory)()
    with faulty(memory) as backend:
        backend.fail_next('put', KeyboardInterrupt, when=lambda name: name == 'test-32.png')
        with pytest.raises(KeyboardInterrupt):
            page.image.save(picture(), 'test.png')
    assert names(memory) == []


def test_a_storage_that_overwrites_is_told_not_to(memory_app: Flask, database: str, picture: Any, names: Names) -> None:
    storage = fs.Storage('overwriting', fs.IMAGES, overwrite=True)
    fs.init_app(memory_app, storage)
    storage.write('test.png', b'of another user')
    page = page_with(storage)()
    with pytest.raises(fs.FileExists):
        page.image.save(picture(), 'test.png', overwrite=False)
    assert names(storage) == ['test.png']
    page.image.save(picture(), 'test.png')
    assert names(storage) == ALL
    assert storage.read('test.png') != b'of another user'


def test_the_name_of_the_main_file_stops_the_save_when_it_is_taken(
    storage: fs.Storage, picture: Any, names: Names
) -> None:
    storage.write('test.png', b'of another user')
    page = page_with(storage)()
    with pytest.raises(fs.FileExists, match=r"'test\.png'"):
        page.image.save(picture(), 'test.png')
    assert names(storage) == ['test.png']
    assert storage.read('test.png') == b'of another user'
    assert not page.image


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('taken', ALL[:3])
def test_files_made_from_a_picture_get_free_names(
    taken: str, overwrite: bool, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """They are none that the user asked for, so they are neither refused nor put in place of files of others."""
    storage.write(taken, b'of another user')
    page_class = page_with(storage)
    page = page_class()
    assert page.image.save(picture(), 'test.png', overwrite=overwrite) == 'test.png'
    free = taken.replace('.png', '_1.png')
    assert names(storage) == sorted([*ALL, free])
    assert storage.read(taken) == b'of another user'
    assert free in [page.image.original, *page.image.thumbnails.values()]
    page.save()
    page = page_class.objects.get()
    page.image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == sorted([*ALL, free])
    assert storage.read(taken) == b'of another user'
    assert size_of(storage, page.image.original) == (200, 400)
    page.image.delete()
    assert names(storage) == [taken]


def test_pictures_do_not_lose_a_thumbnail_to_the_name_of_another(memory: fs.Storage, picture: Any) -> None:
    one, other = page_with(memory, thumbnails=[80])(), page_with(memory, thumbnails=[80])()
    one.image.save(picture(100, 100, colour='red'), 'a-80.png')
    other.image.save(picture(100, 100), 'a.png')
    assert (one.image.filename, one.image.thumbnail(80)) == ('a-80.png', 'a-80-80.png')
    assert (other.image.filename, other.image.thumbnail(80)) == ('a.png', 'a-80_1.png')


def test_a_free_name_that_another_takes_meanwhile_is_left_to_it(
    memory: fs.Storage, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.write('test-32.png', b'first')
    resolve_conflict, rivals = memory.resolve_conflict, ['second', 'third']

    def slow(folder: str, basename: str) -> str:
        free = resolve_conflict(folder, basename)
        if rivals:
            memory.write(free, rivals.pop(0))
        return free

    monkeypatch.setattr(memory, 'resolve_conflict', slow)
    page = page_with(memory)()
    page.image.save(picture(), 'test.png')
    assert page.image.thumbnail(32) == 'test-32_3.png'
    assert [memory.read(f'test-32{end}.png') for end in ('', '_1', '_2')] == [b'first', b'second', b'third']


def test_the_search_for_a_free_name_ends(
    memory: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.write('test-32.png', b'of another user')
    monkeypatch.setattr(memory, 'resolve_conflict', lambda folder, basename: basename)
    with pytest.raises(fs.FileExists):
        page_with(memory)().image.save(picture(), 'test.png')
    assert names(memory) == ['test-32.png']


def test_replacing_files_leaves_no_others(storage: fs.Storage, picture: Any, names: Names, size_of: Any) -> None:
    page = page_with(storage)()
    page.image.save(picture(), 'test.png')
    page.image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == ALL
    assert size_of(storage, 'test.png') == (75, 150)
    assert size_of(storage, 'test-original.png') == (200, 400)


@pytest.mark.parametrize('number', [0, 1, 2, 3])
def test_when_replacing_fails_all_old_files_are_as_they_were(
    number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(storage)()
    page.image.save(picture(), 'test.png')
    before = {name: storage.read(name) for name in names(storage)}
    seen: list[str] = []

    def is_the_one(name: str) -> bool:
        seen.append(name)
        return len(seen) == number + 1

    with faulty(storage) as backend:
        backend.fail_next('put', after_bytes=10, when=is_the_one)
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(200, 400, colour='red'), 'test.png', overwrite=True)
    assert {name: storage.read(name) for name in names(storage)} == before


@pytest.mark.parametrize('number', [0, 1, 2, 3])
def test_no_file_is_missing_or_left_over_when_putting_in_place_fails(
    number: int, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(storage)()
    page.image.save(picture(), 'test.png')
    moved: list[str] = []

    def is_the_one(name: str) -> bool:
        moved.append(name)
        return len(moved) == number + 1

    with faulty(storage) as backend:
        backend.fail_next('move', when=is_the_one)
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(200, 400), 'test.png', overwrite=True)
    assert names(storage) == ALL


def test_no_file_is_changed_when_the_store_fails_before_the_first_move(
    memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(memory)()
    page.image.save(picture(), 'test.png')
    before = {name: memory.read(name) for name in ALL}
    with faulty(memory) as backend:
        backend.fail_next('stat', when=lambda name: name == 'test-32.png')
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(200, 400, colour='red'), 'test.png', overwrite=True)
        assert backend.planned == []
    assert {name: memory.read(name) for name in names(memory)} == before


@pytest.mark.parametrize('number', range(8))
@pytest.mark.parametrize('change', ['save', 'rerender'])
def test_a_process_that_dies_leaves_no_file_missing(
    change: str,
    number: int,
    memory: fs.Storage,
    picture: Any,
    names: Names,
    faulty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the document, as it was saved before, still refers to files that are there."""
    page = page_with(memory)()
    page.image.save(picture(), 'test.png')
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
                page.image.save(picture(200, 400), 'test.png', overwrite=True)
            else:
                page.image.rerender()
        assert len(calls) >= min(number + 1, 6)
    assert set(ALL) <= set(names(memory))


def test_putting_in_place_removes_what_it_made_when_it_fails(
    memory: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    page = page_with(memory)()
    memory.write('test-32.png', b'of another user')
    with faulty(memory) as backend:
        backend.fail_next('move', when=lambda name: name.startswith('test'))
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(), 'test.png', overwrite=True)
    assert names(memory) == ['test-32.png']


def test_cleaning_up_removes_exactly_what_was_made(memory: fs.Storage, picture: Any, names: Names, faulty: Any) -> None:
    """A file without an extension may have the name of a folder, in stores that have no folders."""
    others = ['photos-100/a', 'photos-32/a', 'photos-original/a', 'photos/a']
    for name in others:
        memory.write(name, b'of another user')
    page = page_with(memory)()
    with faulty(memory) as backend:
        backend.fail_next('put', when=lambda name: name == 'photos-32')
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(), 'photos')
    assert names(memory) == others
    page.image.save(picture(), 'photos')
    assert len(names(memory)) == 8
    page.image.delete()
    assert names(memory) == others


def test_what_cannot_be_removed_is_logged_and_the_first_error_is_raised(
    memory: fs.Storage, picture: Any, faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page = page_with(memory)()
    with faulty(memory) as backend:
        backend.fail_next('put', fs.PermissionDenied, when=lambda name: name == 'test-32.png')
        backend.fail_next('remove', fs.Unavailable, times=None)
        with pytest.raises(fs.PermissionDenied):
            page.image.save(picture(), 'test.png')
    assert "'test-original.png' stays in storage 'pictures'" in caplog.text


def test_a_receiver_that_raises_does_not_end_cleaning_up(
    memory: fs.Storage, picture: Any, names: Names, faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(*_: Any, **__: Any) -> None:
        raise RuntimeError('the receiver fails')

    page = page_with(memory)()
    with faulty(memory) as backend, fs.file_deleted.connected_to(raising, memory):
        backend.fail_next('put', when=lambda name: name == 'test-32.png')
        with pytest.raises(fs.Unavailable):
            page.image.save(picture(), 'test.png')
    assert names(memory) == []
    assert 'the receiver fails' in caplog.text


def test_concurrent_saves_of_one_name_have_one_winner(
    app: Flask, storage: fs.Storage, picture: Any, names: Names
) -> None:
    page_class = page_with(storage)
    pages, errors = [page_class() for _ in range(4)], []
    start = threading.Barrier(len(pages))

    def save(page: Any, width: int) -> None:
        file = picture(width, 200)
        start.wait()
        with app.app_context():
            try:
                page.image.save(file, 'test.png')
            except fs.FileExists as error:
                errors.append(error)

    threads = [threading.Thread(target=save, args=(page, 300 + number)) for number, page in enumerate(pages)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, page in enumerate(pages) if page.image]
    assert len(winners) == 1
    assert len(errors) == 3
    winner = pages[winners[0]].image
    assert names(storage) == sorted(winner.stored.files())
    with Image.open(io.BytesIO(storage.read(winner.original))) as image:
        assert image.size == (300 + winners[0], 200)


@pytest.mark.parametrize('app', ['local', 'memory'], indirect=True)
def test_pictures_whose_derived_names_meet_are_all_stored_at_once(
    app: Flask, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """Of names that differ at their end only, nothing different is left once they are shortened."""
    page_class = page_with(storage)
    pages = {width: page_class() for width in (301, 302, 303, 304)}
    start, errors = threading.Barrier(len(pages)), []

    def save(width: int) -> None:
        file = picture(width, 200)
        start.wait()
        with app.app_context():
            try:
                pages[width].image.save(file, f'{"x" * 248}{width}.png')
            except Exception as error:  # noqa: BLE001  # shown below
                errors.append(error)

    threads = [threading.Thread(target=save, args=(width,)) for width in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stored = [name for page in pages.values() for name in page.image.stored.files()]
    assert sorted(stored) == names(storage)
    assert len(set(stored)) == 16
    assert {width: size_of(storage, page.image.original)[0] for width, page in pages.items()} == {
        width: width for width in pages
    }


# --- Made again.


def test_rerender_makes_the_files_that_the_field_now_declares(
    storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    first = page_with(storage)()
    first.image.save(picture(), 'test.png')
    original = storage.read('test-original.png')
    page = page_with(storage, max_size=120, thumbnails=[100, 64])(image=first.image.stored.form()).save()
    page.image.rerender()
    assert page._get_changed_fields() == ['image']
    assert size_of(storage, 'test.png') == (120, 80)
    assert size_of(storage, 'test-64.png') == (64, 64)
    assert storage.read('test-original.png') == original
    assert dict(page.image.thumbnails) == {100: 'test-100.png', 64: 'test-64.png'}
    assert names(storage) == sorted([*ALL, 'test-64.png'])


def test_rerender_with_an_unchanged_field_changes_no_document(memory: fs.Storage, picture: Any, names: Names) -> None:
    page = page_with(memory)()
    page.image.save(picture(), 'test.png', bbox=(10, 10, 60, 60))
    page.save()
    memory.write('test-32.png', b'spoilt', overwrite=True)
    good = memory.read('test.png')
    page.image.rerender()
    assert page._get_changed_fields() == []
    assert memory.read('test-32.png') != b'spoilt'
    assert memory.read('test.png') == good
    assert names(memory) == ALL


def test_rerender_keeps_the_file_of_the_document_when_a_smaller_one_is_wanted_now(
    memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    """A document that is not saved afterwards still refers to the unmodified file."""
    file = picture(140, 140)
    first = page_with(memory)()
    first.image.save(file, 'test.png')
    page = page_with(memory, max_size=50)(image=first.image.stored.form())
    page.image.rerender()
    assert memory.read('test.png') == file.getvalue()
    assert (page.image.filename, page.image.original) == ('test-main.png', 'test.png')
    assert size_of(memory, 'test-main.png') == (50, 50)
    page.image.rerender()
    assert (page.image.filename, page.image.original) == ('test-main.png', 'test.png')
    assert names(memory) == ['test-100.png', 'test-32.png', 'test-main.png', 'test.png']


def test_rerender_makes_a_main_file_again_even_if_the_picture_fits_now(
    memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    first = page_with(memory)()
    first.image.save(picture(300, 200), 'test.png')
    page = page_with(memory, max_size=None)(image=first.image.stored.form())
    page.image.rerender()
    assert (page.image.filename, page.image.original) == ('test.png', 'test-original.png')
    assert size_of(memory, 'test.png') == (300, 200)
    assert names(memory) == ALL


def test_sizes_that_shared_a_file_get_their_own(memory: fs.Storage, picture: Any, size_of: Any) -> None:
    memory.write('a.png', picture().getvalue())
    page = page_with(memory)(image={'filename': 'a.png', 'thumbnails': {'100': 'small.png', '32': 'small.png'}})
    page.image.rerender()
    assert [size_of(memory, page.image.thumbnail(size)) for size in (100, 32)] == [(100, 100), (32, 32)]


def test_rerender_spares_files_of_others(memory: fs.Storage, picture: Any) -> None:
    memory.write('test-64.png', b'of someone else')
    page = page_with(memory, thumbnails=[64])(image='test.png')
    memory.write('test.png', picture(100, 100).getvalue())
    page.image.rerender()
    assert page.image.thumbnail(64) == 'test-64_1.png'
    assert memory.read('test-64.png') == b'of someone else'


@pytest.mark.parametrize('hook', ['put', 'move'])
def test_a_failing_rerender_changes_no_reference_and_loses_no_file(
    hook: str, storage: fs.Storage, picture: Any, names: Names, faulty: Any
) -> None:
    first = page_with(storage)()
    first.image.save(picture(), 'test.png')
    before = {name: storage.read(name) for name in names(storage)}
    page = page_with(storage, max_size=90, thumbnails=[100, 64, 32])(image=first.image.stored.form()).save()
    with faulty(storage) as backend:
        backend.fail_next(hook, when=lambda name: '-32' in name)
        with pytest.raises(fs.Unavailable):
            page.image.rerender()
    assert page.image == first.image
    assert names(storage) == ALL
    if hook == 'put':
        assert {name: storage.read(name) for name in names(storage)} == before


def test_rerender_tells_that_the_original_is_gone(memory: fs.Storage) -> None:
    with pytest.raises(fs.FileNotFound):
        page_with(memory)(image='gone.png').image.rerender()


@pytest.mark.parametrize('change', ['removed', 'replaced'])
def test_rerender_does_not_bring_a_former_picture_back(
    change: str, storage: fs.Storage, picture: Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_with(storage)()
    page.image.save(picture(), 'test.png')
    make, other, after = flask_fs_images.references.derive, copy.copy(page.image), {}

    def make_slowly(*args: Any, **kwargs: Any) -> Any:
        made = make(*args, **kwargs)
        monkeypatch.undo()
        if change == 'removed':
            other.delete()
        else:
            other.save(picture(colour='red'), 'test.png', overwrite=True)
        after.update({name: storage.read(name) for name in names(storage)})
        return made

    monkeypatch.setattr(flask_fs_images.references, 'derive', make_slowly)
    with pytest.raises(fs.FileNotFound if change == 'removed' else fs.Replaced):
        page.image.rerender()
    assert sorted(after) == ([] if change == 'removed' else ALL)
    assert {name: storage.read(name) for name in names(storage)} == after


def test_deleting_removes_the_original_and_the_thumbnails(storage: fs.Storage, picture: Any, names: Names) -> None:
    page = page_with(storage)()
    page.image.save(picture(), 'test.png')
    storage.write('test-1.png', b'of someone else')
    page.image.delete()
    assert names(storage) == ['test-1.png']
    assert not page.image


@pytest.mark.parametrize('upload', [42, ['a.png']], ids=repr)
def test_what_cannot_be_read_is_a_mistake_and_stores_nothing(memory: fs.Storage, names: Names, upload: Any) -> None:
    page = page_with(memory)()
    with pytest.raises(TypeError, match=rf'{type(upload).__name__}.*read\(\)'):
        page.image.save(upload, 'test.png')
    assert names(memory) == []
    assert not page.image
