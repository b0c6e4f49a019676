"""What is made from a picture that is saved, and under which names."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from werkzeug.datastructures import FileStorage

import flask_fs as fs
import flask_fs.transaction
from flask_fs.backends.incoming import Incoming
from flask_fs.tickets import upload_of

Names = Callable[[fs.Storage], list[str]]
ALL = ['test-100.png', 'test-32.png', 'test-original.png', 'test.png']


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
    image_in: Any, size: int | None, filename: str, memory: fs.Storage, picture: Any
) -> None:
    image = image_in(memory)
    image.save(picture(300, 200), 'test.png')
    assert image.best_url(size) == image(size) == memory.url(filename)
    assert image.full() == memory.url('test.png')


def test_a_large_picture_gets_a_main_file_an_original_and_thumbnails(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    image, file = image_in(storage), picture(300, 200)
    assert image.save(file, 'test.png') == 'test.png'
    assert image.filename == 'test.png'
    assert image.original == 'test-original.png'
    assert image.thumbnail(100) == 'test-100.png'
    assert image.thumbnail(32) == 'test-32.png'
    assert names(storage) == ALL
    assert size_of(storage, 'test.png') == (150, 100)
    assert size_of(storage, 'test-100.png') == (100, 100)
    assert size_of(storage, 'test-32.png') == (32, 32)
    assert storage.read('test-original.png') == file.getvalue()
    assert image.owner.changes == [image.stored]


def test_the_thumbnails_show_the_bbox(image_in: Any, memory: fs.Storage) -> None:
    drawn, file = Image.new('RGB', (300, 200), 'white'), io.BytesIO()
    drawn.paste('red', (200, 100, 300, 200))
    drawn.save(file, 'PNG')
    file.seek(0)
    image = image_in(memory)
    image.save(file, 'test.png', bbox=[200, 100, 300, 200])
    assert image.bbox == (200, 100, 300, 200)
    with Image.open(io.BytesIO(memory.read('test-32.png'))) as thumbnail:
        assert thumbnail.convert('RGB').getpixel((16, 16)) == (255, 0, 0)


def test_urls_can_be_full(image_in: Any, memory_app: Flask, picture: Any) -> None:
    memory_app.config.update(FS_URL=None, SERVER_NAME='site.test')
    storage = fs.Storage('own', fs.IMAGES)
    fs.init_app(memory_app, storage)
    image = image_in(storage)
    image.save(picture(300, 200), 'test.png')
    with memory_app.test_request_context():
        assert image.url == storage.url('test.png')
        for full, name in (
            (image(32, external=True), 'test-32.png'),
            (image.best_url(external=True), 'test.png'),
            (image.full(external=True), 'test.png'),
        ):
            assert storage.url(name, external=True) == full
            assert full.startswith('http://site.test/')


def test_the_json_form_links_what_is_shown_and_not_the_original(
    image_in: Any, memory_app: Flask, memory: fs.Storage, picture: Any
) -> None:
    image = image_in(memory)
    image.save(picture(), 'a.png')
    assert image.as_json() == {
        'filename': 'a.png',
        'url': image.url,
        'thumbnails': {'32': memory.url('a-32.png'), '100': memory.url('a-100.png')},
    }
    assert json.loads(json.dumps(image.as_json())) == image.as_json()
    assert image_in(memory, stored='b.png').as_json()['thumbnails'] == {}
    assert image_in(memory).as_json() is None


def test_an_empty_image_has_no_names_and_no_urls(image_in: Any, memory: fs.Storage) -> None:
    image = image_in(memory)
    assert not image
    assert (image.filename, image.original, image.thumbnail(32), image.bbox) == (None, None, None, None)
    assert (image(), image(32), image.full(), str(image)) == (None, None, None, '')
    image.rerender()


def test_a_size_that_is_not_declared_has_no_thumbnail(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    image = image_in(memory)
    image.save(picture(), 'test.png')
    with pytest.raises(ValueError, match=r'no thumbnail of size 50 \(declared sizes: 100, 32\)'):
        image.thumbnail(50)


def test_a_declared_size_that_was_not_made_yet_falls_back_to_the_next_best(image_in: Any, memory: fs.Storage) -> None:
    stored = {'filename': 'test.png', 'thumbnails': {'100': 'test-100.png'}}
    image = image_in(memory, stored, thumbnail_sizes=[100, 64, 32])
    assert image.thumbnail(64) == 'test-100.png'
    assert image.thumbnail(32) == 'test-100.png'
    image = image_in(memory, 'plain.png', thumbnail_sizes=[100, 64, 32])
    assert image.thumbnail(64) == 'plain.png'


@pytest.mark.parametrize('size', [(150, 100), (20, 20), (1, 1)])
def test_a_picture_that_fits_is_stored_as_it_is(
    image_in: Any, size: tuple[int, int], memory: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    image, file = image_in(memory), picture(*size)
    image.save(file, 'test.png')
    assert image.original == image.filename == 'test.png'
    assert memory.read('test.png') == file.getvalue()
    assert names(memory) == ['test-100.png', 'test-32.png', 'test.png']
    assert size_of(memory, 'test-32.png') == (min(32, *size),) * 2


def test_a_reference_that_makes_nothing_stores_the_upload_alone(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names
) -> None:
    image, file = image_in(storage, max_size=None, thumbnail_sizes=None), picture(3000, 20)
    image.save(file, 'test.png')
    assert storage.read('test.png') == file.getvalue()
    assert names(storage) == ['test.png']
    image.save(picture(30, 20), 'test.png', overwrite=True)
    assert names(storage) == ['test.png']


def test_what_is_made_holds_no_metadata_and_the_original_all(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    exif = Image.Exif()
    exif[0x010F] = 'A camera'
    image = image_in(memory)
    image.save(picture(300, 200, 'JPEG', exif=exif), 'test.jpg')
    assert b'A camera' in memory.read('test-original.jpg')
    for filename in ('test.jpg', 'test-100.jpg', 'test-32.jpg'):
        assert b'A camera' not in memory.read(filename)


def test_optimizing_makes_the_main_file_anew_and_keeps_the_upload(
    image_in: Any, memory: fs.Storage, picture: Any, names: Names
) -> None:
    image, file = image_in(memory, optimize=True, thumbnail_sizes=[]), picture(100, 100, compress_level=0)
    image.save(file, 'test.png')
    assert names(memory) == ['test-original.png', 'test.png']
    assert len(memory.read('test.png')) < len(file.getvalue())
    assert memory.read('test-original.png') == file.getvalue()


@pytest.mark.parametrize(
    ('setting', 'optimize', 'expected'), [(True, None, True), (False, None, False), (True, False, False)]
)
def test_the_storage_says_whether_to_optimize_unless_the_reference_does(
    image_in: Any, setting: bool, optimize: bool | None, expected: bool, memory_app: Flask, picture: Any, names: Names
) -> None:
    memory_app.config['FS_IMAGES_OPTIMIZE'] = setting
    storage = fs.Storage('optimized', fs.IMAGES)
    fs.init_app(memory_app, storage)
    image_in(storage, optimize=optimize, thumbnail_sizes=[]).save(picture(100, 100), 'test.png')
    assert ('test-original.png' in names(storage)) is expected


def test_whether_to_optimize_is_looked_up_at_each_save(
    image_in: Any, memory_app: Flask, memory: fs.Storage, picture: Any, names: Names
) -> None:
    image = image_in(memory, max_size=None, thumbnail_sizes=[])
    for number, setting in enumerate((True, False, True)):
        memory_app.config['FS_IMAGES_OPTIMIZE'] = setting
        image.save(picture(), f'{number}.png')
    assert names(memory) == ['0-original.png', '0.png', '1.png', '2-original.png', '2.png']


def test_the_declared_sizes_are_left_in_their_order(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    sizes = [32, 100, 64]
    image = image_in(memory, thumbnail_sizes=sizes)
    image.save(picture(), 'test.png')
    assert sizes == [32, 100, 64]
    assert image(40) == memory.url('test-64.png')
    assert list(image.thumbnails) == [32, 100, 64]


def test_max_size_may_be_a_width_and_a_height(image_in: Any, memory: fs.Storage, picture: Any, size_of: Any) -> None:
    image = image_in(memory, max_size=(400, 50))
    image.save(picture(300, 200), 'test.png')
    assert size_of(memory, 'test.png') == (75, 50)


@pytest.mark.parametrize('bbox', [(10, 10, 10, 10), (10, 10, 5, 5)])
def test_a_bbox_means_nothing_for_an_svg(image_in: Any, memory: fs.Storage, svg: io.BytesIO, bbox: Any) -> None:
    image = image_in(memory)
    image.save(svg, 'drawing.svg', bbox=bbox)
    assert image.thumbnail(32) == 'drawing.svg'


def test_an_svg_is_used_for_every_size(image_in: Any, memory: fs.Storage, svg: io.BytesIO, names: Names) -> None:
    image = image_in(memory)
    image.save(svg, 'drawing.svg')
    assert names(memory) == ['drawing.svg']
    assert image.original == image.thumbnail(32) == 'drawing.svg'
    assert image(30) == memory.url('drawing.svg')
    image.rerender()
    assert names(memory) == ['drawing.svg']


def test_an_animation_stays_one(image_in: Any, memory: fs.Storage) -> None:
    frames = [Image.new('P', (200, 200), number) for number in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    frames = [frame.copy() for frame in frames]
    for frame in frames:
        frame.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    frames[0].save(file, 'GIF', save_all=True, append_images=frames[1:], duration=100, loop=0)
    file.seek(0)
    image = image_in(memory)
    image.save(file, 'test.gif')
    for filename in ('test.gif', 'test-100.gif', 'test-32.gif'):
        with Image.open(io.BytesIO(memory.read(filename))) as image:
            assert getattr(image, 'n_frames', 1) == 3


def test_the_storages_own_folder_comes_first(image_in: Any, memory_app: Flask, picture: Any, names: Names) -> None:
    folders = iter('abcdef')
    storage = fs.Storage('dated', fs.IMAGES, upload_to=lambda: next(folders))
    fs.init_app(memory_app, storage)
    image_in(storage).save(picture(), 'test.png')
    assert names(storage) == [f'a/{name}' for name in ALL]


class OnlyRead:
    def __init__(self, file: io.BytesIO) -> None:
        self.read = file.read


def test_what_can_be_read_only_once_is_enough(image_in: Any, storage: fs.Storage, picture: Any, names: Names) -> None:
    file = picture()
    image_in(storage).save(OnlyRead(file), 'test.png')
    assert names(storage) == ALL
    assert storage.read('test-original.png') == file.getvalue()


def test_a_path_works_and_a_file_is_read_from_its_position(
    image_in: Any, memory: fs.Storage, picture: Any, tmp_path: Any, names: Names
) -> None:
    path = tmp_path / 'test.png'
    path.write_bytes(picture().getvalue())
    image_in(memory).save(path)
    assert names(memory) == ALL
    shifted = io.BytesIO(b'12345' + picture().getvalue())
    shifted.seek(5)
    image = image_in(memory)
    image.save(shifted, 'b.png')
    assert not shifted.closed
    assert memory.read('b-original.png') == picture().getvalue()


def test_derived_names_fit_where_that_of_the_upload_does(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names
) -> None:
    for stem in ('п' * 200, 'x' * 251):
        image = image_in(storage)
        filename = image.save(FileStorage(picture(), f'{stem}.png'))
        assert filename == fs.names.clean(f'{stem}.png')
        made = list(image.stored.files())
        assert len(made) == 4
        for name in made:
            assert len(name.encode()) <= 255
            assert name in names(storage)
        assert image.thumbnail(32).endswith('-32.png')
        image.save(FileStorage(picture(), f'{stem}.png'), overwrite=True)
        assert list(image.stored.files()) == made
        image.delete()
        assert names(storage) == []


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('ending', ['-original.png', '-100.png'])
def test_a_derived_name_is_never_that_of_the_upload(
    image_in: Any, ending: str, overwrite: bool, memory: fs.Storage, picture: Any, names: Names
) -> None:
    """What is shortened to make room for its ending may be the same name again."""
    name, upload = 'n' * (255 - len(ending)) + ending, picture()
    image = image_in(memory)
    assert image.save(upload, name, overwrite=overwrite) == name
    assert len(names(memory)) == 4
    assert memory.read(image.original) == upload.getvalue()


def test_each_file_costs_one_request_and_an_existing_main_file_two(
    image_in: Any, memory: fs.Storage, picture: Any, recorded: Any
) -> None:
    with recorded(memory) as backend:
        image_in(memory).save(picture(), 'test.png')
        assert backend.hooks() == ['put'] * 4
        backend.calls.clear()
        with pytest.raises(fs.FileExists):
            image_in(memory).save(picture(), 'test.png')
        assert [(call.hook, call.name) for call in backend.calls] == [('put', 'test-original.png'), ('put', 'test.png')]


@pytest.mark.parametrize('declared', [{}, {'max_size': None}, {'optimize': True}, {'thumbnail_sizes': ()}], ids=str)
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'BMP'])
def test_a_picture_is_opened_and_decoded_once_for_all_sizes(
    image_in: Any, memory: fs.Storage, picture: Any, counts: dict[str, int], kind: str, declared: dict[str, Any]
) -> None:
    image, file = image_in(memory, **declared), picture(kind=kind)
    counts.update(opened=0, decoded=0)
    image.save(file, f'test.{kind.lower()}')
    assert counts == {'opened': 1, 'decoded': 1}


def test_deleting_removes_the_original_and_the_thumbnails(
    image_in: Any, storage: fs.Storage, picture: Any, names: Names
) -> None:
    image = image_in(storage)
    image.save(picture(), 'test.png')
    storage.write('test-1.png', b'of another user')
    image.delete()
    assert names(storage) == ['test-1.png']
    assert not image


def test_a_picture_that_a_client_has_sent_itself_is_saved_by_its_token(
    image_in: Any, app: Flask, storage: fs.Storage, picture: Any, names: Names, size_of: Any
) -> None:
    app.secret_key = 'a secret of the tests'  # signs nothing else
    with app.test_request_context():
        ticket = storage.signed_upload('in/test.png', size=len(content := picture(300, 200).read()))
    # As the client does it; where the store signs it goes there.
    upload = upload_of(app, ticket.token)
    assert upload is not None
    Incoming(storage.backend, upload.upload_id).put(io.BytesIO(content))
    image = image_in(storage)
    assert image.save(ticket.token) == 'test.png'
    assert names(storage) == ALL
    assert (size_of(storage, 'test.png'), size_of(storage, 'test-original.png')) == ((150, 100), (300, 200))
    assert storage.read('test-original.png') == content
    with pytest.raises(fs.NoFile):
        image.save(ticket.token)
    with pytest.raises(fs.InvalidToken):
        image.save('photo.jpg')
    assert image.filename == 'test.png'
    assert [info.name.rpartition('/')[2] for info in storage.backend._scan('.fs-incoming/')] == ['ended']


def test_the_checksum_is_that_of_the_main_file_and_follows_it(image_in: Any, storage: fs.Storage, picture: Any) -> None:
    image = image_in(storage)
    image.owner.checksum = True
    image.save(picture(), 'test.png')
    first = image.stored
    assert first.checksum == f'sha256:{hashlib.sha256(storage.read("test.png")).hexdigest()}'
    assert first.form()['checksum'] == first.checksum
    smaller = image_in(storage, max_size=60, stored=first)
    smaller.owner.checksum = True
    smaller.rerender()
    assert smaller.stored.checksum == f'sha256:{hashlib.sha256(storage.read("test.png")).hexdigest()}' != first.checksum


def test_rerendering_thumbnails_alone_keeps_the_checksum(image_in: Any, memory: fs.Storage, picture: Any) -> None:
    image = image_in(memory, max_size=None)
    image.owner.checksum = True
    image.save(picture(), 'test.png')
    more = image_in(memory, max_size=None, thumbnail_sizes=[20], stored=image.stored)
    more.rerender()
    assert more.stored.checksum == image.stored.checksum is not None
