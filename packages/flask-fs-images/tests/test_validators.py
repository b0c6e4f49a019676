from __future__ import annotations

import io
import pickle

import pytest

import flask_fs
from flask_fs_images import ImageContent, Limits, image_content, max_dimensions, max_size
from flask_fs_images.formats import WRITTEN

AVAILABLE = [name for name, kind in WRITTEN.items() if kind.available]
CLAIMS = [(name, extension) for name in AVAILABLE for extension in sorted(WRITTEN[name].extensions)]
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(('name', 'extension'), CLAIMS)
def test_content_that_is_what_its_name_claims_passes(photo, encode, name, extension):
    image_content(encode(photo(64, 48), name), f'folder/a.{extension.upper()}')


@pytest.mark.parametrize(('name', 'extension'), CLAIMS)
def test_content_that_is_another_picture_is_refused(photo, encode, name, extension):
    other = 'PNG' if name != 'PNG' else 'JPEG'
    with pytest.raises(
        flask_fs.InvalidContent, match=f'the content is {other}, not {name} as the filename says'
    ) as raised:
        image_content(encode(photo(64, 48), other), f'a.{extension}')
    assert raised.value.filename == f'a.{extension}'


@pytest.mark.parametrize('content', [b'', b'text', b'<html></html>', b'MZ' + bytes(100)])
@pytest.mark.parametrize('extension', ['jpg', 'png', 'gif', 'webp', 'avif', 'bmp', 'svg'])
def test_content_that_is_no_picture_is_refused(content, extension):
    with pytest.raises(flask_fs.InvalidContent):
        image_content(io.BytesIO(content), f'a.{extension}')


@pytest.mark.parametrize('name', AVAILABLE)
def test_a_picture_cut_short_is_refused(photo, encode, name):
    content = encode(photo(64, 48), name).getvalue()
    with pytest.raises(flask_fs.InvalidContent):
        image_content(io.BytesIO(content[: len(content) * 2 // 3]), f'a.{name}')


def test_an_animation_is_looked_at_to_its_end(animation, encode):
    frames = animation(6, size=(200, 150))
    content = encode(frames[0], 'GIF', save_all=True, append_images=frames[1:], duration=30).getvalue()
    image_content(io.BytesIO(content), 'a.gif')
    with pytest.raises(flask_fs.InvalidContent):
        image_content(io.BytesIO(content[:-40]), 'a.gif')


def test_svg_is_recognized_by_its_root():
    image_content(io.BytesIO(SVG), 'a.svg')
    with pytest.raises(flask_fs.InvalidContent, match='the content is SVG, not PNG'):
        image_content(io.BytesIO(SVG), 'a.png')


@pytest.mark.parametrize('validator', [image_content, max_dimensions(1, 1)])
@pytest.mark.parametrize('name', ['a.txt', 'a.tiff', 'jpg', '.png', 'a'])
def test_names_that_claim_no_picture_pass(validator, name):
    validator(io.BytesIO(b'anything'), name)


def test_image_content_has_limits(photo, encode):
    with pytest.raises(flask_fs.InvalidContent, match='exceed the limit of 100 pixels'):
        ImageContent(Limits(pixels=100))(encode(photo(64, 48)), 'a.jpg')


@pytest.mark.parametrize('limit', [(64, 48), (65, 49)])
def test_dimensions_within_the_limit_pass(photo, encode, limit):
    max_dimensions(*limit)(encode(photo(64, 48)), 'a.jpg')


@pytest.mark.parametrize('limit', [(63, 48), (64, 47), (48, 64)])
def test_dimensions_over_the_limit_are_refused(photo, encode, limit):
    with pytest.raises(flask_fs.InvalidContent, match='64x48 pixels exceed the limit of') as raised:
        max_dimensions(*limit)(encode(photo(64, 48)), 'a.jpg')
    assert raised.value.filename == 'a.jpg'


def test_dimensions_are_those_shown(photo, encode):
    file = encode(photo(64, 48), exif=b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0')
    max_dimensions(48, 64)(file, 'a.jpg')
    with pytest.raises(flask_fs.InvalidContent, match='48x64 pixels'):
        max_dimensions(64, 48)(file, 'a.jpg')


def test_dimensions_are_those_of_the_header(photo, encode):
    max_dimensions(64, 48)(io.BytesIO(encode(photo(64, 48)).getvalue()[:700]), 'a.jpg')


def test_svg_has_no_dimensions():
    max_dimensions(1, 1)(io.BytesIO(SVG), 'a.svg')


def test_the_size_in_bytes_is_limited():
    max_size(5)(io.BytesIO(b'12345'), 'a.txt')
    with pytest.raises(flask_fs.FileTooLarge, match='6 bytes exceed the limit of 5') as raised:
        max_size(5)(io.BytesIO(b'123456'), 'a.txt')
    assert raised.value.filename == 'a.txt'


@pytest.mark.parametrize('validator', [image_content, max_dimensions(100, 100), max_size(10**6)])
def test_a_validator_keeps_the_position_of_the_file(photo, encode, validator):
    content = encode(photo(64, 48)).getvalue()
    file = io.BytesIO(b'before' + content)
    file.seek(6)
    validator(file, 'a.jpg')
    assert file.read() == content


@pytest.mark.parametrize('validator', [image_content, max_dimensions(10, 10), max_size(10)])
def test_a_validator_that_refuses_keeps_the_position_of_the_file(photo, encode, validator):
    content = encode(photo(64, 48)).getvalue()[:1000]
    file = io.BytesIO(content)
    with pytest.raises(flask_fs.UploadNotAllowed):
        validator(file, 'a.jpg')
    assert file.read() == content


@pytest.mark.parametrize('validator', [image_content, max_dimensions(10, 10), max_size(10)])
def test_validators_are_values(validator):
    assert pickle.loads(pickle.dumps(validator)) == validator
    assert 'image' in repr(validator).lower() or 'Max' in repr(validator)
