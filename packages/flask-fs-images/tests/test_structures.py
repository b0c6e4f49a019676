"""Limits hold against what a decoder would make room for, wherever a file says it."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

import flask_fs
from flask_fs_images import ImageContent, Limits, Spec, identify, max_dimensions, optimize, render
from flask_fs_images.bitstreams import av1_extents
from flask_fs_images.formats import FORMATS
from flask_fs_images.jpeg import ScanCounter

needs_avif = pytest.mark.skipif(not FORMATS['AVIF'].available, reason='this Pillow has no AVIF')
LARGE = (800, 600)
LIMITS = Limits(pixels=100_000)


@pytest.fixture(scope='session')
def avif(encode):
    """An AVIF of 800 by 600 pixels."""
    return encode(Image.new('RGB', LARGE), 'AVIF', speed=10).getvalue()


def patched(content, name, offset, new):
    at = content.index(name) + offset
    return content[:at] + new + content[at + len(new) :]


def refused_everywhere(content, name, match):
    """*content* is refused by each function that reads pictures, in no more memory than its header takes."""
    for act in (
        lambda: identify(content, limits=LIMITS),
        lambda: render(content, [Spec(8)], limits=LIMITS),
        lambda: optimize(content, limits=LIMITS),
        lambda: ImageContent(LIMITS)(io.BytesIO(content), name),
        lambda: max_dimensions(100, 100, limits=LIMITS)(io.BytesIO(content), name),
    ):
        with pytest.raises(flask_fs.InvalidContent, match=match):
            act()


@needs_avif
def test_an_avif_cannot_lie_about_its_size(avif):
    lying = patched(avif, b'ispe', 8, struct.pack('>LL', 16, 16))
    refused_everywhere(lying, 'a.avif', 'larger than the size in its container')
    assert (identify(avif).width, identify(avif).height) == (800, 600)


@needs_avif
def test_the_limit_holds_for_an_avif_that_says_its_size(avif):
    refused_everywhere(avif, 'a.avif', '800x600 pixels exceed the limit of 100,000')


@needs_avif
def test_a_frame_of_an_animated_avif_cannot_be_larger_than_its_track(encode, animation):
    frames = animation(3, size=LARGE)
    content = encode(frames[0], 'AVIF', save_all=True, append_images=frames[1:], speed=10).getvalue()
    small = struct.pack('>LL', 16, 16)
    lying = patched(content, b'ispe', 8, small)
    # A visual sample entry has its size behind 24 bytes.
    at = lying.index(b'av01', lying.index(b'stsd'))
    lying = lying[: at + 28] + struct.pack('>HH', 16, 16) + lying[at + 32 :]
    refused_everywhere(lying, 'a.avif', 'larger than the size in its container')


@needs_avif
def test_an_avif_whose_boxes_are_broken_is_refused(avif):
    for name, offset, new in (
        (b'ipco', -4, b'\x7f\xff\xff\xff'),
        (b'iloc', 4, b'\xff' * 20),
        (b'pitm', 4, b'\0\0\0\0\0\x09'),
    ):
        with pytest.raises(flask_fs.InvalidContent, match='the image is broken'):
            identify(patched(avif, name, offset, new))


@needs_avif
def test_what_comes_behind_an_avif_does_not_matter(avif):
    assert (identify(avif + b'rubbish').width, identify(avif + b'rubbish').height) == (800, 600)


def _bits(*fields):
    text = ''.join(format(value, f'0{width}b') for value, width in fields)
    text += '0' * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, 'big')


def unit(kind, content):
    """An open bitstream unit of AV1 with its length."""
    length = bytes((len(content) & 0x7F | 0x80, len(content) >> 7))
    return bytes((kind << 3 | 2,)) + length + content


def sequence(across, down, *, bits=16):
    """A sequence header, not reduced, with a size of so many bits."""
    return unit(
        1,
        _bits(
            (0, 3), (0, 1), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (4, 5),
            (bits - 1, 4), (bits - 1, 4), (across - 1, bits), (down - 1, bits), (0, 1), (0, 3), (0, 4), (0, 1), (1, 1), (1, 1),
            (0, 32),
        ),
    )  # fmt: skip


def frame(*, own_size):
    """The beginning of a key frame that is shown; the screen content and integer motion flags are 0."""
    return unit(6, _bits((0, 1), (0, 2), (1, 1), (0, 1), (0, 1), (int(own_size), 1), (0, 32)))


def test_the_size_of_each_frame_of_av1_is_seen():
    found = [tuple(one) for one in av1_extents([sequence(300, 200) + frame(own_size=False)])]
    assert found == [(300, 200, 0), (300, 200, 1)]


def test_a_later_sequence_of_av1_counts_too():
    found = list(av1_extents([sequence(300, 200), sequence(60_000, 50_000) + frame(own_size=False)]))
    assert (60_000, 50_000, 1) in found


def test_a_frame_of_av1_with_a_size_of_its_own_is_as_large_as_it_may_be():
    found = list(av1_extents([sequence(300, 200, bits=14) + frame(own_size=True)]))
    assert (1 << 14, 1 << 14, 1) in found


def test_a_webp_cannot_hide_a_large_frame_behind_a_small_canvas(encode):
    picture = encode(Image.new('RGB', LARGE), 'WEBP', lossless=True).getvalue()[12:]
    canvas = b'VP8X' + struct.pack('<L', 10) + bytes(4) + (15).to_bytes(3, 'little') * 2
    content = b'WEBP' + canvas + picture
    content = b'RIFF' + struct.pack('<L', len(content)) + content
    refused_everywhere(content, 'a.webp', '800x600 pixels exceed the limit')


@pytest.mark.parametrize('first', [True, False])
def test_a_jpeg_that_says_two_sizes_is_as_large_as_the_larger_one(encode, first):
    content = encode(Image.new('RGB', (64, 48))).getvalue()
    at = content.index(b'\xff\xc0')
    second = content[at : at + 5] + struct.pack('>HH', 600, 800) + content[at + 9 : at + 19]
    at += 0 if first else 19
    refused_everywhere(content[:at] + second + content[at:], 'a.jpg', '800x600 pixels exceed the limit|broken')


def test_a_marker_within_a_segment_is_no_scan(encode, photo):
    """FF DA stands for a scan only where a decoder looks for a marker."""
    comment = b'\xff\xda' * 200
    content = encode(photo(200, 130), progressive=True, comment=comment, exif=b'Exif\0\0' + comment).getvalue()
    ImageContent()(io.BytesIO(content), 'a.jpg')
    assert render(content, [Spec(64)])[0].width == 64


@pytest.mark.parametrize('size', [1, 2, 3, 7, 1000])
def test_scans_are_counted_whatever_the_pieces(encode, photo, size):
    content = encode(photo(200, 130), progressive=True, comment=b'\xff\xda' * 150).getvalue()
    counter = ScanCounter()
    for at in range(0, len(content), size):
        counter.feed(at, content[at : at + size])
    # As libjpeg writes a progressive picture in color, by default.
    assert counter.scans == 10
    for at in range(0, len(content), size):
        counter.feed(at, content[at : at + size])
    assert counter.scans == 10


def test_orientation_is_read_behind_large_segments(encode, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(photo(64, 48), exif=exif.tobytes()).getvalue()
    notes = b''.join(b'\xff\xeb\xff\xff' + bytes([number]) * 65_533 for number in range(100))
    info = identify(content[:2] + notes + content[2:])
    assert (info.width, info.height) == (48, 64)


def test_orientation_is_read_behind_the_picture_of_a_png(encode, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(photo(64, 48), 'PNG', exif=exif.tobytes()).getvalue()
    at = content.index(b'eXIf') - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], 'big')
    late = content[:at] + content[end:-12] + content[at:end] + content[-12:]
    assert (identify(late).width, identify(late).height) == (48, 64)
    assert (render(late, [Spec()])[0].width, render(late, [Spec()])[0].height) == (48, 64)


def test_orientation_is_read_at_the_end_of_a_webp(encode, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(photo(400, 300), 'WEBP', exif=exif.tobytes(), quality=95).getvalue()
    assert content.index(b'EXIF') > 16_384
    assert (identify(content).width, identify(content).height) == (300, 400)


@pytest.mark.parametrize('name', ['TIFF', 'ICO', 'ICNS', 'TGA', 'PPM', 'JPEG2000'])
def test_formats_whose_sizes_are_not_inspected_are_not_read(encode, photo, name):
    content = encode(photo(64, 64), name).getvalue()
    with pytest.raises(flask_fs.InvalidContent, match='not an image of a supported format'):
        identify(content)


def test_a_frame_of_a_png_cannot_be_larger_than_its_canvas(encode, animation):
    frames = animation(3)
    content = encode(frames[0], 'PNG', save_all=True, append_images=frames[1:], duration=50).getvalue()
    at = content.index(b'fcTL') + 8
    control = content[at - 4 : at] + struct.pack('>LL', *LARGE) + content[at + 8 : at + 22]
    check = struct.pack('>L', zlib.crc32(b'fcTL' + control))
    with pytest.raises(flask_fs.InvalidContent, match='broken'):
        render(content[: at - 4] + control + check + content[at + 26 :], [Spec(8)], limits=LIMITS)


def test_a_second_header_of_a_png_does_not_make_it_larger(encode, photo):
    content = encode(photo(64, 48), 'PNG').getvalue()
    header = struct.pack('>LL', *LARGE) + content[24:29]
    second = struct.pack('>L', 13) + b'IHDR' + header + struct.pack('>L', zlib.crc32(b'IHDR' + header))
    with pytest.raises(flask_fs.InvalidContent):
        render(content[:33] + second + content[33:], [Spec(8)], limits=LIMITS)
