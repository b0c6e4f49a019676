from __future__ import annotations

import io
import re
import struct

import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from flask_fs_images import Spec, identify, make_thumbnail, optimize, render, resize
from flask_fs_images.formats import WRITTEN
from flask_fs_images.orientation import from_exif

ACTS = [lambda file: make_thumbnail(file, 60), lambda file: resize(file, 60), optimize]
AVIF = pytest.param(
    'AVIF',
    marks=[pytest.mark.slow, pytest.mark.skipif(not WRITTEN['AVIF'].available, reason='this Pillow has no AVIF')],
)
SECRET = b'Canary Camera 51.5007N'


def opened(file):
    image = Image.open(io.BytesIO(file.getvalue()))
    image.load()
    return image


def exif_of(number, order='>'):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = SECRET.decode()
    exif[0x0112] = number
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 2.5)
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    return exif.tobytes()


@pytest.mark.parametrize('number', range(1, 9))
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'WEBP'])
def test_orientation_is_applied(photo, encode, psnr, name, number):
    settings = {'lossless': True} if name == 'WEBP' else {'quality': 95} if name == 'JPEG' else {}
    file = encode(photo(64, 48), name, exif=exif_of(number), **settings)
    shown = ImageOps.exif_transpose(opened(file)).convert('RGB')
    box = (0, 8, 24, 32)
    as_png = {'format': 'PNG'}
    specs = [
        Spec(**as_png),
        Spec((40, 24), **as_png),
        Spec(24, 'cover', box, **as_png),
        Spec(12, 'cover', box, **as_png),
        Spec(effort=True),
    ]
    # The optimized one may still say how to turn it, where it would have grown otherwise.
    made = [ImageOps.exif_transpose(opened(one.file)).convert('RGB') for one in render(file, specs)]
    assert all('exif' not in opened(one.file).info for one in render(file, specs[:-1]))
    lanczos = Image.Resampling.LANCZOS
    assert shown.size == made[0].size == made[4].size
    assert psnr(shown, made[0]) > 30
    assert psnr(shown, made[4]) > 30
    assert psnr(shown.resize(made[1].size, lanczos), made[1]) > 30
    assert psnr(shown.crop(box), made[2]) > 30
    assert psnr(shown.crop(box).resize((12, 12), lanczos), made[3]) > 30
    assert shown.size == (identify(file).width, identify(file).height)


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('number', range(1, 9))
def test_orientation_is_read_in_both_byte_orders(order, number):
    assert from_exif(exif_of(number, order)) == number


@pytest.mark.parametrize(
    'exif',
    [
        b'',
        b'Exif\0\0',
        b'II*\0',
        b'II*\0\xff\xff\xff\xff',
        b'MM\0*\0\0\0\x08\xff\xff',
        b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0',
        b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x01\0\x03\0\0',
        b'no exif at all',
    ],
)
def test_orientation_of_broken_exif_is_none(photo, encode, exif):
    assert from_exif(exif) == 1
    assert opened(resize(encode(photo(), exif=b'Exif\0\0' + exif), 60)).size == (60, 45)


def located(photo, encode, name):
    image = photo(120, 90)
    if name == 'JPEG':
        return encode(image, name, exif=exif_of(1), xmp=b'<x:xmpmeta>' + SECRET, comment=SECRET)
    if name == 'PNG':
        texts = PngImagePlugin.PngInfo()
        texts.add_text('Comment', SECRET.decode())
        texts.add_itxt('XML:com.adobe.xmp', SECRET.decode())
        texts.add(b'prIv', SECRET)
        return encode(image, name, exif=exif_of(1), pnginfo=texts)
    if name == 'GIF':
        return encode(image, name, comment=SECRET)
    return encode(image, name, exif=exif_of(1), xmp=b'<x:xmpmeta>' + SECRET)


@pytest.mark.parametrize('act', ACTS)
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'GIF', 'WEBP', AVIF])
def test_locations_and_cameras_are_removed(photo, encode, act, name):
    file = located(photo, encode, name)
    content = file.getvalue()
    assert SECRET in content
    # Nor what is behind the picture's end.
    made = act(io.BytesIO(content + SECRET)).getvalue()
    assert SECRET not in made
    assert not re.search(rb'Exif|eXIf|EXIF|xmp|XMP|tEXt|iTXt|zTXt|prIv', made)
    with Image.open(io.BytesIO(made)) as image:
        assert not image.getexif()
        assert not {'comment', 'exif', 'xmp', 'XML:com.adobe.xmp'} & set(image.info)


@pytest.mark.parametrize('act', ACTS)
def test_locations_are_removed_from_an_animation(animation, encode, act):
    frames = animation()
    for name, settings in (('GIF', {'comment': SECRET}), ('WEBP', {'xmp': SECRET, 'exif': exif_of(1)})):
        file = encode(frames[0], name, save_all=True, append_images=frames[1:], duration=50, **settings)
        assert SECRET in file.getvalue()
        assert SECRET not in act(file).getvalue()


@pytest.fixture(scope='session')
def profiles():
    """Profiles made by LittleCMS: of sRGB, of another RGB, and of CIE Lab."""
    kinds = {'sRGB': ImageCms.createProfile('sRGB'), 'Lab': ImageCms.createProfile('LAB', 5000)}
    made = {name: ImageCms.ImageCmsProfile(profile).tobytes() for name, profile in kinds.items()}
    # Red and blue changed places, under another name: every picture that ignores the profile is seen to.
    swapped = bytearray(made['sRGB'])
    tags = {swapped[at : at + 4]: at for at in ()}
    for number in range(int.from_bytes(swapped[128:132], 'big')):
        at = 132 + 12 * number
        tags[bytes(swapped[at : at + 4])] = at
    swapped[tags[b'rXYZ'] : tags[b'rXYZ'] + 4] = b'bXYZ'
    swapped[tags[b'bXYZ'] : tags[b'bXYZ'] + 4] = b'rXYZ'
    made['swapped'] = bytes(swapped).replace('sRGB'.encode('utf-16-be'), 'RBGs'.encode('utf-16-be'))
    return made


@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'WEBP', AVIF])
@pytest.mark.parametrize('act', ACTS)
def test_a_profile_is_kept(photo, encode, profiles, name, act):
    file = encode(photo(), name, icc_profile=profiles['swapped'])
    assert profiles['swapped'] == opened(act(file)).info.get('icc_profile')


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
@pytest.mark.parametrize('name', [None, 'GIF', 'BMP'])
def test_a_profile_is_converted_on_request_and_where_none_is_held(encode, profiles, mode, name):
    file = encode(Image.new(mode, (20, 20), (200, 0, 0)), 'PNG', icc_profile=profiles['swapped'])
    found = opened(render(file, [Spec(10, format=name, srgb=True), Spec(10, format=name or 'GIF')])[0].file)
    red, green, blue = found.convert('RGB').getpixel((5, 5))
    assert blue > 150
    assert max(red, green) < 60
    assert 'icc_profile' not in found.info
    assert (mode == 'RGBA' and name != 'BMP') == (
        'A' in found.convert(found.mode).getbands() or (mode == 'RGBA' and name == 'GIF')
    )


def test_the_profile_of_srgb_is_dropped(photo, encode, profiles):
    assert 'icc_profile' not in opened(resize(encode(photo(), icc_profile=profiles['sRGB']), 60)).info


@pytest.mark.parametrize('change', ['cut', 'noise', 'rubbish', 'foreign', 'long', 'length'])
@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
@pytest.mark.parametrize('srgb', [False, True])
def test_a_broken_profile_is_dropped(photo, encode, profiles, change, mode, srgb):
    profile = profiles['swapped']
    content = {
        'cut': profile[: len(profile) // 2],
        'noise': b'no profile' * 50,
        'rubbish': (500).to_bytes(4, 'big') + b'no profile' * 50,
        'foreign': profiles['Lab'],
        'long': b'\xff' * 200_000,
        'length': b'\xff\xff\xff\xff' + profile[4:],
    }[change]
    found = opened(render(encode(photo(mode=mode), icc_profile=content), [Spec(60, srgb=srgb)])[0].file)
    assert found.size == (60, 45)
    assert 'icc_profile' not in found.info


def test_a_profile_of_colors_is_none_of_a_gray_picture(photo, encode, profiles):
    assert 'icc_profile' not in opened(resize(encode(photo(mode='L'), icc_profile=profiles['swapped']), 60)).info


def test_a_large_profile_is_converted(encode, profiles):
    large = bytearray(profiles['swapped'] + bytes(100_000))
    large[:4] = len(large).to_bytes(4, 'big')
    found = opened(resize(encode(Image.new('RGB', (40, 40), (200, 0, 0)), icc_profile=bytes(large)), 10))
    assert 'icc_profile' not in found.info
    assert found.getpixel((5, 5))[2] > 150


def profile_of_inks(tags):
    """A profile of cyan, magenta, yellow and black with the given tags (ICC.1:2022, 7.2 and 7.3)."""
    table, content = struct.pack('>L', len(tags)), b''
    begin = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack('>LL', begin + len(content), len(tag))
        content += tag
    kinds = struct.pack('>L4xL4s4s4s12x4s', begin + len(content), 0x02400000, b'prtr', b'CMYK', b'Lab ', b'acsp')
    return kinds.ljust(68, b'\0') + struct.pack('>LLL48x', 0xF6D6, 0x10000, 0xD32D) + table + content


def red_cyan():
    """A table by which cyan prints as red, no ink as white, and any other mixture as black (ICC.1:2022, 10.11)."""
    white, red, black = bytes((255, 128, 128)), bytes((135, 208, 195)), bytes((0, 128, 128))
    same = bytes(range(256))
    identity = struct.pack('>9l', *(0x10000, 0, 0, 0) * 2, 0x10000)
    mixtures = white + black * 7 + red + black * 7
    return b'mft1' + struct.pack('>4x3Bx', 4, 3, 2) + identity + same * 4 + mixtures + same * 3


@pytest.mark.parametrize(('tags', 'color'), [({b'A2B0': red_cyan()}, (255, 0, 0)), ({}, (0, 255, 255))])
@pytest.mark.parametrize('srgb', [False, True])
def test_inks_are_shown_as_their_profile_says_if_it_can_be_used(encode, tags, color, srgb):
    cyan = Image.new('CMYK', (20, 20), (255, 0, 0, 0))
    found = opened(render(encode(cyan, icc_profile=profile_of_inks(tags)), [Spec(10, srgb=srgb)])[0].file)
    assert found.mode == 'RGB'
    assert 'icc_profile' not in found.info
    assert found.getpixel((5, 5)) == pytest.approx(color, abs=12)
