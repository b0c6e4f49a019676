from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage

import flask_fs
import flask_fs.images
from flask_fs_images import Limits, Spec, identify, make_thumbnail, optimize, render, resize

SIZES = [Spec(1200), Spec(100, 'cover'), Spec(32, 'cover')]


def size_of(file):
    with Image.open(io.BytesIO(file.getvalue())) as image:
        return image.size


def marked(width=90, height=60):
    # Each pixel says where it was.
    return Image.frombytes(
        'RGB', (width, height), bytes(v for y in range(height) for x in range(width) for v in (2 * x, 3 * y, 77))
    )


def pixels(file):
    with Image.open(io.BytesIO(file.getvalue())) as image:
        return image.convert('RGB')


def test_the_alias_offers_the_same_names():
    assert make_thumbnail is flask_fs.images.make_thumbnail


@pytest.mark.parametrize('size', [100, (100, 100), [100, 100]])
def test_resize_fits_within_a_size(photo, encode, size):
    assert size_of(resize(encode(photo()), size)) == (100, 75)


def test_resize_keeps_within_the_narrower_side(photo, encode):
    assert size_of(resize(encode(photo()), (300, 50))) == (67, 50)


def test_resize_never_enlarges(photo, encode):
    assert size_of(resize(encode(photo()), 4000)) == (320, 240)


def test_a_thumbnail_is_square_and_shows_the_middle(encode):
    shown = pixels(make_thumbnail(encode(marked(), 'PNG'), 60))
    assert marked().crop((15, 0, 75, 60)).tobytes() == shown.tobytes()


@pytest.mark.parametrize('bbox', [(10, 20, 40, 50), [10, 20, 40, 50], (10.0, 20.0, 40.0, 50.0)])
def test_a_thumbnail_shows_its_box(encode, bbox):
    shown = pixels(make_thumbnail(encode(marked(), 'PNG'), 30, bbox))
    assert marked().crop((10, 20, 40, 50)).tobytes() == shown.tobytes()


def test_a_thumbnail_shows_the_middle_of_a_long_box(encode):
    shown = pixels(make_thumbnail(encode(marked(), 'PNG'), 20, (10, 20, 70, 40)))
    assert marked().crop((30, 20, 50, 40)).tobytes() == shown.tobytes()


def test_the_list_of_a_box_is_left_as_it_is(photo, encode):
    box = [10, 20, 40, 50]
    make_thumbnail(encode(photo()), 30, box)
    assert box == [10, 20, 40, 50]


def test_a_thumbnail_of_a_smaller_picture_is_a_smaller_square(photo, encode):
    assert size_of(make_thumbnail(encode(photo()), 1000)) == (240, 240)


def test_what_a_box_has_outside_of_the_picture_is_cut_off(encode):
    shown = pixels(make_thumbnail(encode(marked(), 'PNG'), 100, (-50, -50, 40, 40)))
    assert marked().crop((0, 0, 40, 40)).tobytes() == shown.tobytes()


@pytest.mark.parametrize('bbox', [(90, 0, 120, 30), (-30, 0, 0, 30), (0, 60, 10, 70)])
def test_a_box_outside_of_the_picture_is_a_mistake(encode, bbox):
    with pytest.raises(ValueError, match='outside the image, which has 90x60'):
        make_thumbnail(encode(marked(), 'PNG'), 10, bbox)


@pytest.mark.parametrize('bbox', [(10, 0, 10, 30), (20, 0, 10, 30), (0, 0, 10), (0, 0, 1, float('nan'))])
def test_a_box_that_is_none_is_a_mistake(bbox):
    with pytest.raises(ValueError, match='left < right'):
        Spec(10, 'cover', bbox)


def test_a_box_of_less_than_a_pixel_gives_a_pixel(encode):
    assert size_of(make_thumbnail(encode(marked(), 'PNG'), 10, (89.8, 59.8, 90, 60))) == (1, 1)


@pytest.mark.parametrize(
    'options',
    [
        {'size': 0},
        {'size': (10, -1)},
        {'size': (1, 2, 3)},
        {'size': 1.5},
        {'size': 10, 'fit': 'stretch'},
        {'fit': 'cover'},
        {'format': 'TIFF'},
        {'quality': 0},
        {'quality': 101},
    ],
)
def test_an_impossible_spec_is_a_mistake(options):
    with pytest.raises((ValueError, TypeError)):
        Spec(**options)


def test_cover_fills_a_size_of_any_shape(photo, encode):
    assert size_of(render(encode(photo()), [Spec((200, 50), 'cover')])[0].file) == (200, 50)


def test_cover_keeps_its_proportions_in_a_smaller_picture(photo, encode):
    assert size_of(render(encode(photo()), [Spec((2000, 1000), 'cover')])[0].file) == (320, 160)


def test_crop_cuts_out_of_the_middle_without_scaling(encode):
    shown = pixels(render(encode(marked(), 'PNG'), [Spec((30, 20), 'crop')])[0].file)
    assert marked().crop((30, 20, 60, 40)).tobytes() == shown.tobytes()


def test_outputs_come_in_the_order_of_their_specs(photo, encode):
    made = render(encode(photo(1600, 1200)), [Spec(32, 'cover'), Spec(), Spec(100, 'cover'), Spec(1200)])
    expected = [(32, 32), (1600, 1200), (100, 100), (1200, 900)]
    assert expected == [(one.width, one.height) for one in made] == [size_of(one.file) for one in made]


def test_no_sizes_give_no_outputs(photo, encode):
    assert render(encode(photo()), []) == []


def test_two_renders_are_equal_byte_for_byte(photo, encode):
    file = encode(photo(1600, 1200))
    first, second = ([one.file.getvalue() for one in render(file, SIZES)] for _ in range(2))
    assert first == second


def test_threads_get_what_one_gets(photo, encode, animation):
    frames = animation()
    contents = [
        encode(photo(500, 350), 'JPEG', quality=90).getvalue(),
        encode(photo(160, 120, 'RGBA'), 'PNG').getvalue(),
        encode(frames[0], 'GIF', save_all=True, append_images=frames[1:], duration=50).getvalue(),
        encode(photo(160, 120, 'RGBA'), 'WEBP').getvalue(),
    ]

    def work(number):
        return [one.file.getvalue() for one in render(contents[number % 4], SIZES)]

    alone = [work(number) for number in range(4)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(work, range(32)))
    assert alone * 8 == together


def test_threads_may_share_a_path(photo, tmp_path):
    path = tmp_path / 'shared.jpg'
    photo().save(path)
    with ThreadPoolExecutor(16) as pool:
        sizes = {size_of(file) for file in pool.map(lambda _: resize(path, 64), range(64))}
    assert sizes == {(64, 48)}


class OnlyRead:
    def __init__(self, file):
        self.read = file.read


def kinds_of_files(content, folder):
    path = folder / 'picture.jpg'
    path.write_bytes(content)
    return {
        'bytes': content,
        'memoryview': memoryview(content),
        'path': path,
        'memory': io.BytesIO(content),
        'upload': FileStorage(io.BytesIO(content), 'picture.jpg'),
        'stream': OnlyRead(io.BytesIO(content)),
    }


@pytest.mark.parametrize('kind', ['bytes', 'memoryview', 'path', 'memory', 'upload', 'stream'])
@pytest.mark.parametrize('act', [lambda file: make_thumbnail(file, 20), lambda file: resize(file, 20), optimize])
def test_every_kind_of_file_is_read(photo, encode, tmp_path, act, kind):
    content = encode(photo()).getvalue()
    made = act(kinds_of_files(content, tmp_path)[kind])
    assert isinstance(made, io.BytesIO)
    assert made.tell() == 0
    assert act(content).getvalue() == made.getvalue()


@pytest.mark.parametrize('file', ['a.jpg', None, 5, io.StringIO('text')])
def test_what_is_no_file_is_a_mistake(file):
    with pytest.raises(TypeError, match='binary file, bytes, or a Path'):
        resize(file, 10)


@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'GIF', 'WEBP', 'BMP'])
def test_a_file_is_read_from_its_position_and_has_it_again(photo, encode, tmp_path, name):
    content = encode(photo(), name).getvalue()
    (tmp_path / 'file').write_bytes(b'before' + content)
    with open(tmp_path / 'file', 'rb') as file:
        file.seek(6)
        made = render(file, [Spec(30)])[0].file
        assert file.tell() == 6
        assert file.read() == content
    assert render(content, [Spec(30)])[0].file.getvalue() == made.getvalue()


def test_a_refused_file_stays_open_at_its_position():
    file = io.BytesIO(b'before' + b'no picture')
    file.seek(6)
    with pytest.raises(flask_fs.InvalidContent):
        resize(file, 10)
    assert file.read() == b'no picture'


def test_an_error_of_the_file_itself_comes_through(photo, encode):
    content = encode(photo(1000, 1000)).getvalue()

    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > len(content) // 2:
                raise ConnectionResetError('gone')
            return super().read(1000 if size is None or size < 0 else min(size, 1000))

    with pytest.raises(ConnectionResetError, match='gone'):
        resize(Failing(content), 500)


def test_an_error_names_the_file(tmp_path):
    path = tmp_path / 'no.jpg'
    path.write_bytes(b'no picture')
    with pytest.raises(flask_fs.InvalidContent, match=r"'no\.jpg'.*not an image of a supported format") as raised:
        resize(path, 10)
    assert raised.value.filename == 'no.jpg'


@pytest.mark.parametrize(
    ('file', 'options', 'named'),
    [
        (FileStorage(io.BytesIO(b'no'), 'C:\\fakepath\\a.png'), {}, 'a.png'),
        (io.BytesIO(b'no'), {'filename': 'folder/b.png'}, 'folder/b.png'),
        (b'no', {}, None),
    ],
)
def test_the_name_in_an_error_is_the_one_given_or_brought_along(file, options, named):
    with pytest.raises(flask_fs.InvalidContent) as raised:
        optimize(file, **options)
    assert raised.value.filename == named


def test_a_picture_is_identified_without_being_decoded(photo, encode):
    content = encode(photo()).getvalue()[:3000]
    info = identify(content)
    assert (info.format, info.width, info.height, info.frames) == ('JPEG', 320, 240, 1)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (7, 1), (2, 3), (9, 9), (1, 3000), (3000, 1), (17, 8)])
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'GIF', 'WEBP', 'BMP'])
@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_tiny_and_narrow_pictures(encode, size, name, mode):
    file = encode(Image.new(mode, size, 'gray'), name)
    specs = [Spec(), Spec(5), Spec(1), Spec(4, 'cover'), Spec((3, 5), 'crop'), Spec(effort=True)]
    for one in render(file, specs):
        assert (one.width, one.height) == size_of(one.file)
        assert 1 <= one.width <= size[0]
        assert 1 <= one.height <= size[1]


@pytest.mark.parametrize('width', range(1, 40))
def test_every_small_width_is_decoded_scaled_down(photo, encode, width):
    file = encode(photo(width, 40))
    for side in range(1, 20, 3):
        made = render(file, [Spec(side), Spec(side, 'cover')])
        assert [(one.width, one.height) for one in made] == [size_of(one.file) for one in made]


def test_limits_of_the_output_are_kept(encode):
    with pytest.raises(flask_fs.InvalidContent, match='20000 pixels exceeds the limit of 16383 pixels for WEBP'):
        render(encode(Image.new('L', (20_000, 2)), 'PNG'), [Spec(format='webp')])
    with pytest.raises(flask_fs.InvalidContent, match='90 pixels exceeds the limit of 50 pixels for PNG'):
        render(encode(Image.new('L', (90, 2)), 'PNG'), [Spec()], limits=Limits(side_px=50))


def test_specs_are_values():
    assert {Spec(10), Spec((10, 10))} == {Spec([10, 10])}
    assert Spec(10, bbox=[1, 2, 3, 4]) == Spec(10, bbox=(1, 2, 3, 4))


def test_a_path_is_closed_again(photo, tmp_path):
    path = Path(tmp_path / 'a.png')
    photo().save(path)
    # An open file would warn when it is dropped, and warnings are errors.
    resize(path, 10)
    path.unlink()
