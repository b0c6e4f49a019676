"""HEIC, as telephones store their pictures, comes in and goes out as JPEG."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import pytest
from PIL import Image

import flask_fs
from flask_fs_images import ImageContent, Limits, Spec, identify, make_thumbnail, optimize, render, resize
from flask_fs_images.formats import FORMATS, WRITTEN

pillow_heif = pytest.importorskip('pillow_heif', reason='pip install flask-fs-images[heic]')
SECRET = b'Canary Camera 51.5007N'


@pytest.fixture(scope='session')
def heic():
    """Encodes a picture."""

    def file_of(image, **settings):
        file = io.BytesIO()
        pillow_heif.from_pillow(image).save(file, **settings)
        return file.getvalue()

    return file_of


def opened(file):
    image = Image.open(io.BytesIO(file.getvalue()))
    image.load()
    return image


@pytest.mark.parametrize('settings', [{}, {'tile_size': 256}])
def test_a_heic_comes_out_as_jpeg(photo, heic, psnr, settings):
    picture = photo(640, 480)
    content = heic(picture, quality=90, **settings)
    assert tuple(vars(identify(content)).values()) == ('HEIC', 640, 480, 1)
    for made in render(content, [Spec(), Spec(effort=True), Spec(320), Spec(64, 'cover')]):
        assert made.format == 'JPEG' == opened(made.file).format
        assert (made.width, made.height) == opened(made.file).size
    assert opened(make_thumbnail(content, 64)).size == (64, 64)
    assert psnr(picture, opened(optimize(content))) > 28
    assert opened(render(content, [Spec(format='PNG')])[0].file).format == 'PNG'


def test_a_heic_is_turned_and_has_no_location(photo, heic, psnr):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = SECRET.decode()
    content = heic(photo(320, 240), quality=90, exif=exif.tobytes(), xmp=b'<x:xmpmeta>' + SECRET)
    assert SECRET in content
    assert (identify(content).width, identify(content).height) == (240, 320)
    made = optimize(content)
    assert SECRET not in made.getvalue()
    assert not opened(made).getexif()
    assert psnr(photo(320, 240).transpose(Image.Transpose.ROTATE_270), opened(made)) > 28


def test_the_profile_of_a_heic_is_kept(heic):
    from flask_fs_images.icc import from_codes

    profile = from_codes(bytes((12, 13, 0, 1)), gray=False)
    content = heic(Image.new('RGB', (64, 64), (200, 128, 40)), quality=95, icc_profile=profile)
    assert opened(resize(content, 32)).info['icc_profile'] == profile


def test_transparency_of_a_heic_becomes_white(heic):
    image = Image.new('RGBA', (64, 64), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 64, 32))
    found = opened(optimize(heic(image, quality=95)))
    assert found.getpixel((32, 8)) == pytest.approx((255, 255, 255), abs=6)
    assert found.getpixel((32, 56)) == pytest.approx((255, 0, 0), abs=12)


def test_a_heic_cannot_lie_about_its_size(photo, heic):
    content = heic(photo(800, 600))
    at = content.index(b'ispe') + 8
    lying = content[:at] + struct.pack('>LL', 16, 16) + content[at + 8 :]
    for act in (identify, optimize, lambda file: ImageContent()(io.BytesIO(file), 'a.heic')):
        with pytest.raises(flask_fs.InvalidContent, match='a coded image is larger than the size in its container'):
            act(lying)
    with pytest.raises(flask_fs.InvalidContent, match='800x600 pixels exceed the limit of 100,000'):
        identify(content, limits=Limits(pixels=100_000))


def test_tiles_cannot_be_larger_than_their_grid(photo, heic):
    content = heic(photo(800, 600), tile_size=256)
    grid = struct.pack('>BBBBHH', 0, 0, 2, 3, 800, 600)
    if grid not in content:
        pytest.skip('this pillow-heif writes no tiles')
    for lie in (struct.pack('>BBBBHH', 0, 0, 2, 3, 80, 60), struct.pack('>BBBBHH', 0, 0, 200, 3, 800, 600)):
        with pytest.raises(flask_fs.InvalidContent, match='grid'):
            identify(content.replace(grid, lie))
    with pytest.raises(flask_fs.InvalidContent, match='800x600 pixels exceed the limit of 100,000'):
        identify(content, limits=Limits(pixels=100_000))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_heic_is_refused(photo, heic, share):
    content = heic(photo(320, 240))
    with pytest.raises(flask_fs.InvalidContent):
        optimize(content[: int(len(content) * share)])


def test_a_picture_coded_in_another_way_is_refused(photo, heic):
    content = heic(photo(64, 64))
    at = content.index(b'hvc1', content.index(b'infe'))
    with pytest.raises(flask_fs.InvalidContent, match='its coding is not supported'):
        identify(content[:at] + b'jpeg' + content[at + 4 :])


@pytest.mark.parametrize('name', ['a.heic', 'a.heif', 'a.HEIC'])
def test_names_of_heic_are_checked(photo, heic, encode, name):
    ImageContent()(io.BytesIO(heic(photo(64, 48))), name)
    with pytest.raises(flask_fs.InvalidContent, match='the content is JPEG, not HEIC'):
        ImageContent()(encode(photo(64, 48)), name)
    with pytest.raises(flask_fs.InvalidContent, match='the content is HEIC, not JPEG'):
        ImageContent()(io.BytesIO(heic(photo(64, 48))), 'a.jpg')


def test_heic_is_not_written():
    assert 'HEIC' not in WRITTEN
    with pytest.raises(ValueError, match='format must be one of'):
        Spec(format='heic')


def test_what_to_install_is_said(monkeypatch, photo, heic):
    monkeypatch.setitem(FORMATS, 'HEIC', FORMATS['HEIC'].__class__(None, frozenset(('heic', 'heif'))))
    with pytest.raises(
        flask_fs.InvalidContent,
        match=r"HEIC images are not supported by this installation: pip install 'flask-fs-images\[heic\]'",
    ):
        identify(heic(photo(64, 48)))


def test_the_library_for_heic_is_not_loaded_before_it_is_needed():
    code = "import sys, flask_fs, flask_fs_images; sys.exit('pillow_heif' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
