"""Optimizing never makes a file larger, and loses nothing where it gains nothing."""

from __future__ import annotations

import io
import re
import struct
import time

import pytest
from PIL import Image, ImageChops, PngImagePlugin

from flask_fs_images import Spec, identify, jpeg, optimize, render
from flask_fs_images.formats import WRITTEN

SECRET = b'Canary Camera 51.5007N'
needs_avif = pytest.mark.skipif(not WRITTEN['AVIF'].available, reason='this Pillow has no AVIF')
AVIF = pytest.param('AVIF', marks=needs_avif)


def shown(content):
    return render(content, [Spec(format='PNG')])[0].file.getvalue()


def exif_of(number):
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif[0x0112] = number
    return exif.tobytes()


def with_metadata(image, encode, name, orientation=1):
    """A picture that cannot be made smaller but by what it says besides."""
    if name == 'GIF':
        return encode(image, name, comment=SECRET).getvalue()
    settings = {'quality': 20} if name != 'PNG' else {'compress_level': 9}
    if name == 'PNG':
        texts = PngImagePlugin.PngInfo()
        texts.add_text('Comment', SECRET.decode())
        settings['pnginfo'] = texts
    else:
        settings['xmp'] = b'<x:xmpmeta>' + SECRET
    if name == 'JPEG':
        settings |= {'optimize': True, 'progressive': True, 'comment': SECRET}
    return encode(image, name, exif=exif_of(orientation), **settings).getvalue()


@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'GIF', 'WEBP', AVIF])
@pytest.mark.parametrize('quality', [10, 30, 45, 60, 90])
def test_a_picture_never_grows(photo, encode, name, quality):
    image = photo(160, 120)
    settings = {} if name in {'PNG', 'GIF'} else {'quality': quality}
    content = encode(image, name, **settings).getvalue()
    once = optimize(content).getvalue()
    assert len(once) <= len(content)
    assert len(optimize(once).getvalue()) <= len(once)


@pytest.mark.parametrize('name', ['WEBP', AVIF])
def test_a_lossy_picture_that_cannot_shrink_keeps_its_bytes(photo, encode, name):
    content = encode(photo(160, 120), name, quality=20).getvalue()
    assert shown(content) == shown(optimize(content).getvalue())


@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'GIF', 'WEBP', AVIF])
def test_metadata_goes_without_encoding_again(photo, encode, name):
    content = with_metadata(photo(160, 120).quantize(64) if name == 'GIF' else photo(160, 120), encode, name)
    assert SECRET in content
    made = optimize(content + SECRET).getvalue()
    assert SECRET not in made
    assert not re.search(rb'Exif|eXIf|EXIF|xmp|XMP|tEXt', made)
    assert len(made) <= len(content)
    if name != 'JPEG':
        assert shown(content) == shown(made)


@pytest.mark.parametrize('number', range(2, 9))
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'WEBP', AVIF])
def test_a_turned_picture_never_grows_and_is_shown_the_same(photo, encode, psnr, name, number):
    content = with_metadata(photo(64, 48), encode, name, number)
    made = optimize(content).getvalue()
    assert len(made) <= len(content)
    assert SECRET not in made
    before, after = (Image.open(io.BytesIO(shown(one))) for one in (content, made))
    assert before.size == after.size
    assert psnr(before, after) > 30


def test_a_profile_stays_where_metadata_goes(photo, encode, profile):
    for name in ('JPEG', 'PNG', 'WEBP'):
        settings = {'quality': 20, 'optimize': True, 'progressive': True} if name == 'JPEG' else {'quality': 20}
        made = optimize(encode(photo(64, 48), name, icc_profile=profile, exif=exif_of(1), **settings))
        assert Image.open(made).info['icc_profile'] == profile


@pytest.fixture
def profile():
    """A color profile that is not that of sRGB."""
    from flask_fs_images.icc import from_codes

    return from_codes(bytes((12, 13, 0, 1)), gray=False)


def test_thumbnails_of_a_jfif_and_ultra_hdr_gain_maps_go(photo, encode):
    content = encode(photo(64, 48), quality=20, optimize=True, progressive=True).getvalue()
    jfif = b'\xff\xe0' + struct.pack('>H', 16 + 12) + content[6:18] + b'\x02\x02' + b'thumbnail!!!'
    made = optimize(jfif.join((content[:2], content[20:])) + content).getvalue()
    assert b'thumbnail' not in made
    assert made.count(b'\xff\xd8\xff') == 1
    assert len(made) == len(content)


@pytest.mark.slow
def test_effort_in_a_png_keeps_to_a_budget():
    """Level 9 of zlib takes seconds for each megapixel of a screened scan."""
    scan = Image.effect_noise((900, 800), 60).point(lambda v: 255 if v > 140 else 0).convert('RGB')
    file = io.BytesIO()
    scan.save(file, 'PNG', compress_level=6)

    def seconds(act):
        start = time.process_time()
        act()
        return time.process_time() - start

    best = seconds(lambda: scan.save(io.BytesIO(), 'PNG', compress_level=9))
    assert seconds(lambda: optimize(file.getvalue())) < best / 3
    small = scan.crop((0, 0, 300, 200))
    made = optimize(_png(small, compress_level=6)).getvalue()
    assert len(made) == len(_png(small, compress_level=9))


def _png(image, **settings):
    file = io.BytesIO()
    image.save(file, 'PNG', **settings)
    return file.getvalue()


def moving(transparent):
    """Frames of a small square on a large plain picture, or on nothing."""
    frames = []
    for number in range(8):
        image = Image.new('RGBA', (200, 100), (0, 0, 0, 0 if transparent else 255))
        image.paste((255, 0, 0, 255), (number * 20, 40, number * 20 + 20, 60))
        frames.append(image)
    return frames


@pytest.mark.parametrize('transparent', [False, True])
@pytest.mark.parametrize('name', ['GIF', 'PNG', 'WEBP'])
def test_an_animation_holds_no_more_than_what_changed(encode, frames_of, name, transparent):
    frames = moving(transparent)
    source = encode(frames[0], 'WEBP', save_all=True, append_images=frames[1:], duration=100, lossless=True)
    made = render(source, [Spec(format=name, quality=100)])[0].file
    one = len(encode(frames[0], 'PNG' if name == 'WEBP' else name).getvalue())
    assert len(made.getvalue()) < one + 8 * 400
    found = frames_of(made)
    assert len(found) == 8
    for before, (after, duration) in zip(frames, found, strict=True):
        assert duration == 100
        assert before.getchannel('A').tobytes() == after.getchannel('A').tobytes()
        if name != 'WEBP':
            assert not ImageChops.difference(before.convert('RGB'), after.convert('RGB')).getbbox()


def test_an_animation_of_small_changes_never_grows():
    frames = [Image.new('P', (200, 100)) for _ in range(8)]
    for number, image in enumerate(frames):
        image.putpalette([0, 0, 0, 255, 0, 0, *[0] * 762])
        image.paste(1, (number * 20, 40, number * 20 + 20, 60))
    file = io.BytesIO()
    frames[0].save(file, 'GIF', save_all=True, append_images=frames[1:], duration=100, disposal=1, transparency=0)
    made = optimize(file.getvalue())
    assert len(made.getvalue()) <= len(file.getvalue())
    assert identify(made).frames == 8


@needs_avif
def test_metadata_of_an_avif_goes_in_place(photo, encode):
    content = encode(photo(64, 48), 'AVIF', quality=10, exif=exif_of(6), xmp=b'<x:xmpmeta>' + SECRET).getvalue()
    made = optimize(content).getvalue()
    assert len(made) == len(content)
    assert (identify(made).width, identify(made).height) == (48, 64)
    with Image.open(io.BytesIO(made)) as image:
        assert {0x0112} >= set(image.getexif())
        assert 'xmp' not in image.info


def test_all_of_a_gif_may_be_larger_than_a_header_may_be(photo, encode, monkeypatch):
    monkeypatch.setattr('flask_fs_images.reader.MAX_HEADER_BYTES', 20_000)
    frames = [photo(160, 120, seed=seed) for seed in range(3)]
    content = encode(frames[0], 'GIF', save_all=True, append_images=frames[1:]).getvalue()
    assert len(content) > 20_000
    assert identify(optimize(content)).frames == identify(render(content, [Spec(80)])[0].file).frames == 3


@pytest.mark.parametrize('length', [len(SECRET) + 2, 0xFFFF])
@pytest.mark.parametrize('in_scan', [False, True])
def test_a_jpeg_is_shown_the_same_without_segments_in_wrong_places(photo, encode, in_scan, length):
    content = encode(photo(160, 120), 'JPEG').getvalue()
    if in_scan:
        # A marker ends the data of the scan too early. Its segment is over before that data, or longer than the file.
        at = len(content) - 1000
        broken = content[:at] + b'\xff\xe6' + length.to_bytes(2, 'big') + SECRET + content[at:]
    else:
        # After a segment, something that is none.
        broken = content[:20] + b'\xff\xe6\0\x04\0\0' + SECRET + content[20:]
    made = jpeg.stripped(broken, 1)
    assert len(made) < len(broken)
    assert SECRET not in made
    assert shown(broken) == shown(made)


@needs_avif
def test_data_behind_the_last_box_of_an_avif_is_kept(photo, encode):
    content = with_metadata(photo(160, 120), encode, 'AVIF')
    at = content.index(b'mdat') - 4
    longer = content[:at] + struct.pack('>L', len(content)) + content[at + 4 :]
    assert shown(longer) == shown(optimize(longer).getvalue())
