"""Files made to break, to stall or to fill up whatever reads them."""

from __future__ import annotations

import contextlib
import io
import random
import resource
import struct
import time
import zlib

import pytest
from PIL import Image, ImageFile

import flask_fs
from flask_fs_images import ImageContent, Limits, Spec, identify, optimize, render
from flask_fs_images.formats import WRITTEN

AVAILABLE = [name for name, kind in WRITTEN.items() if kind.available]
#: No picture here may take longer, on however slow a machine.
MAX_S = 20
#: Many changes make a picture larger. That takes time, and shows nothing new.
SMALL = Limits(pixels=1_000_000, frame_pixels=2_000_000)


def chunk(kind, content=b''):
    return struct.pack('>L', len(content)) + kind + content + struct.pack('>L', zlib.crc32(kind + content))


def png(width, height, *chunks, depth=8, kind=0):
    header = chunk(b'IHDR', struct.pack('>LLBBBBB', width, height, depth, kind, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + b''.join(chunks) + chunk(b'IEND')


def segment(marker, content):
    return struct.pack('>BBH', 0xFF, marker, len(content) + 2) + content


def gif(*blocks, size=(1, 1)):
    return b'GIF89a' + struct.pack('<HHBBB', *size, 0x80, 0, 0) + b'\0\0\0\xff\xff\xff' + b''.join(blocks) + b';'


def gif_frame(left=0, upper=0, width=1, height=1):
    return b',' + struct.pack('<HHHHB', left, upper, width, height, 0) + b'\x02\x02\x44\x01\0'


def bmp(width, height, *, bits=24, compression=0, offset=54, content=b''):
    return (
        b'BM'
        + struct.pack('<LHHL', 54 + len(content), 0, 0, offset)
        + struct.pack('<LllHHLLllLL', 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
        + content
    )


def webp(kind, content):
    return b'RIFF' + struct.pack('<L', 12 + len(content)) + b'WEBP' + kind + struct.pack('<L', len(content)) + content


def jpeg(*, width=None, height=None, before=b'', quality=75, **settings):
    file = io.BytesIO()
    Image.linear_gradient('L').resize((64, 48)).convert('RGB').save(file, 'JPEG', quality=quality, **settings)
    content = file.getvalue()
    frame = content.index(b'\xff\xc2' if settings.get('progressive') else b'\xff\xc0')
    if width:
        content = content[: frame + 5] + struct.pack('>HH', height, width) + content[frame + 9 :]
    return content[:2] + before + content[2:]


def scans(count):
    # Each further scan of a progressive JPEG goes over all of the picture for a handful of bytes.
    content = jpeg(width=5000, height=5000, progressive=True)
    start = content.rindex(b'\xff\xda')
    return content[:start] + content[start:-2] * count + b'\xff\xd9'


def deep_exif(depth):
    # Directories within directories, and one that leads back to itself.
    body = b'MM\0*\0\0\0\x08'
    for level in range(depth):
        body += struct.pack('>HHHLLL', 1, 0x8769, 4, 1, 8 + 18 * (level + 1), 8)
    return b'Exif\0\0' + body[:60_000]


def apng(frames, *, size=(10, 10), control=True):
    pixels = zlib.compress(bytes((size[0] + 1) * size[1]))
    frame = struct.pack('>LLLLLHHBB', 0, *size, 0, 0, 1, 10, 0, 0)
    chunks = [chunk(b'acTL', struct.pack('>LL', frames, 0))] if control else []
    return png(*size, *chunks, chunk(b'fcTL', frame), chunk(b'IDAT', pixels))


LINE = zlib.compress(bytes(1024))
MEBIBYTE = zlib.compress(bytes(2**20))
BOMB = zlib.compress(bytes(64 * 2**20), 9)
REFUSED = {
    'nothing': b'',
    'one byte': b'\xff',
    'text': b'This is not a picture.',
    'a page': b'<!DOCTYPE html><html><body>picture</body></html>',
    'a script': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n',
    'a program': b'\x7fELF' + bytes(100),
    'zeros': bytes(100_000),
    'PNG: only a signature': b'\x89PNG\r\n\x1a\n',
    'PNG: no pixels': png(1, 1),
    'PNG: without width': png(0, 5, chunk(b'IDAT', LINE)),
    'PNG: enormous': png(2**31 - 1, 2**31 - 1, chunk(b'IDAT', LINE)),
    'PNG: a bomb': png(60_000, 60_000, chunk(b'IDAT', BOMB), depth=1),
    'PNG: just too large': png(50_001, 1000, chunk(b'IDAT', LINE)),
    'PNG: too few pixels': png(5000, 5000, chunk(b'IDAT', LINE)),
    'PNG: 16 bits, too few pixels': png(5000, 5000, chunk(b'IDAT', LINE), depth=16, kind=6),
    'PNG: impossible kind': png(5, 5, chunk(b'IDAT', LINE), depth=3, kind=9),
    'PNG: a palette, but none': png(500, 500, chunk(b'IDAT', LINE), kind=3),
    'PNG: a chunk longer than the file': png(500, 500)[:33] + b'\x7f\xff\xff\xffIDAT' + LINE,
    'PNG: text that unpacks to much': png(5, 5, chunk(b'zTXt', b'k\0\0' + BOMB), chunk(b'IDAT', LINE)),
    'PNG: many texts that unpack to much': png(
        5, 5, *[chunk(b'zTXt', b'k%d\0\0' % n + MEBIBYTE) for n in range(200)], chunk(b'IDAT', LINE)
    ),
    'PNG: a giant header': png(5, 5, chunk(b'tEXt', b'k\0' + bytes(40 * 2**20)), chunk(b'IDAT', LINE)),
    'PNG: too many chunks': png(5, 5, chunk(b'prIv') * 200_000, chunk(b'IDAT', LINE)),
    'PNG: endless frames': apng(2**31 - 1),
    'PNG: more frames than there are': apng(5, size=(100, 100))[:-30],
    'PNG: many large frames': apng(900, size=(5000, 5000)),
    'JPEG: only a start': b'\xff\xd8\xff',
    'JPEG: only an end': b'\xff\xd8\xff\xd9',
    'JPEG: enormous': jpeg(width=65_500, height=65_500),
    'JPEG: just too large': jpeg(width=50_001, height=1000),
    'JPEG: no end to the padding': b'\xff\xd8' + b'\xff' * 5_000_000,
    'JPEG: only rubbish': b'\xff\xd8\xff\xe0\0\x02' + b'\0' * 5_000_000,
    'JPEG: too many parts': jpeg(before=b'\xff\xe5\0\x02' * 200_000),
    'JPEG: a part longer than the file': jpeg()[:2] + b'\xff\xe1\xff\xff' + b'Exif\0\0' + bytes(100),
    'JPEG: too many scans': scans(5000),
    'JPEG: no tables': b'\xff\xd8'
    + segment(0xC0, b'\x08\0\x10\0\x10\x01\x01\x11\0')
    + segment(0xDA, b'\x01\x01\0\0?\0'),
    'GIF: only a signature': b'GIF89a',
    'GIF: no frames': gif(),
    'GIF: no frames, but many comments': gif(b'!\xfe\x01x\0' * 10_000),
    'GIF: no pixels': gif(gif_frame(width=0, height=0), size=(0, 0)),
    'GIF: enormous': gif(gif_frame(), size=(65_535, 65_535)),
    'GIF: a frame far out': gif(gif_frame(60_000, 60_000, 5_000, 5_000)),
    'GIF: a later frame far out': gif(gif_frame(), gif_frame(60_000, 60_000)),
    'GIF: endless': gif(gif_frame() * 100_000),
    'GIF: many large frames': gif(gif_frame(width=5000, height=5000) * 900, size=(5000, 5000)),
    'GIF: tiny blocks without end': gif(b'!\xfe' + b'\x01x' * 3_000_000 + b'\0', gif_frame()),
    'GIF: no data': gif(b',' + struct.pack('<HHHHB', 0, 0, 50, 50, 0)),
    'WebP: only a signature': b'RIFF\x10\0\0\0WEBP',
    'WebP: enormous': webp(b'VP8X', b'\x02\0\0\0' + b'\xff' * 6),
    'WebP: enormous, lossless': webp(b'VP8L', b'/' + b'\xff' * 20),
    'WebP: enormous, lossy': webp(b'VP8 ', b'\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f' + bytes(50)),
    'WebP: empty': webp(b'VP8X', bytes(10)),
    'WebP: unknown': webp(b'VP9 ', bytes(50)),
    'AVIF: only a type': b'\0\0\0\x18ftypavif\0\0\0\0avifmif1',
    'AVIF: rubbish': b'\0\0\0\x18ftypavif\0\0\0\0avifmif1' + b'\0\0\0\x10meta' + bytes(500),
    'BMP: only a signature': b'BM',
    'BMP: enormous': bmp(2**31 - 1, 2**31 - 1),
    'BMP: upside down and enormous': bmp(50_000, -50_000),
    'BMP: negative width': bmp(-5, 5),
    'BMP: no pixels': bmp(0, 0),
    'BMP: too short': bmp(5000, 5000, content=bytes(100)),
    'BMP: pixels far behind the end': bmp(50, 50, offset=2**32 - 1, content=bytes(10_000)),
    'BMP: packed, jumping far': bmp(5000, 5000, bits=8, compression=1, content=bytes(1024) + b'\0\x02\xff\xff' * 5),
    'BMP: impossible bits': bmp(5, 5, bits=7, content=bytes(500)),
}
READ = {
    'a picture with a deep EXIF': jpeg(before=segment(0xE1, deep_exif(3000))),
    'a picture with broken EXIF': jpeg(before=segment(0xE1, b'Exif\0\0MM\0*\xff\xff\xff\xff')),
    'a picture with a profile of rubbish': jpeg(before=segment(0xE2, b'ICC_PROFILE\0\x01\x01' + b'\xff' * 60_000)),
    'a picture with a part of a profile': jpeg(before=segment(0xE2, b'ICC_PROFILE\0\x02\xff' + b'\xff' * 6_000)),
    'a picture with a rubbish index of others': jpeg(before=segment(0xE2, b'MPF\0MM\0*\xff\xff\xff\xff')),
    'a picture of one pixel in a palette': gif(gif_frame()),
    'a picture of rubbish behind its end': jpeg() + bytes(100_000),
    'a PNG with an empty profile': png(1, 1, chunk(b'iCCP', b'x\0\0'), chunk(b'IDAT', zlib.compress(b'\0\0'))),
}


@pytest.fixture(autouse=True)
def bounded():
    """Each of these tests ends soon and leaves the process not much larger than it was."""
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - started < MAX_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400


def tried(content, limits=None):
    """What becomes of *content*: outputs, or the refusal."""
    try:
        return render(content, [Spec(), Spec(20), Spec(8, 'cover')], filename='hostile', limits=limits)
    except flask_fs.InvalidContent as error:
        refusal = error
    assert refusal.filename == 'hostile'
    assert refusal.reason
    return refusal


@pytest.mark.parametrize('content', [pytest.param(content, id=name) for name, content in REFUSED.items()])
def test_hostile_pictures_are_refused(content):
    assert isinstance(tried(content), flask_fs.InvalidContent)
    with pytest.raises(flask_fs.InvalidContent):
        optimize(content)


@pytest.mark.parametrize('content', [pytest.param(content, id=name) for name, content in READ.items()])
def test_pictures_with_rubbish_around_them_are_read(content):
    made = tried(content)
    assert isinstance(made, list), made
    assert all(identify(one.file) for one in made)


@pytest.mark.parametrize('name', [name for name in REFUSED if 'enormous' in name or 'large' in name])
def test_large_pictures_are_refused_by_their_header_alone(name, monkeypatch):
    def load(self):
        pytest.fail('decoded')

    monkeypatch.setattr(ImageFile.ImageFile, 'load', load)
    with pytest.raises(flask_fs.InvalidContent):
        identify(REFUSED[name])


def test_the_limit_of_pixels_can_be_changed():
    content = jpeg()
    assert optimize(content, limits=Limits(pixels=64 * 48))
    with pytest.raises(flask_fs.InvalidContent, match='64x48 pixels exceed the limit of 3,071 pixels'):
        optimize(content, limits=Limits(pixels=64 * 48 - 1))


def test_pillows_own_limit_plays_no_part(monkeypatch):
    # It would warn, and warnings are errors here.
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    for name in ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP'):
        file = io.BytesIO()
        Image.new('RGB', (5, 3)).save(file, name)
        assert render(file.getvalue(), [Spec(2, format='JPEG')])[0].format == 'JPEG'


def test_pillows_switches_stay_as_they_are():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    tried(REFUSED['PNG: enormous'])
    tried(jpeg())
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_a_long_line_is_scaled_in_bounded_time():
    line = zlib.compress(bytes(1 + 20_000_000))
    made = render(png(20_000_000, 1, chunk(b'IDAT', line)), [Spec(20), Spec(8, 'cover')])
    assert [(one.width, one.height) for one in made] == [(20, 1), (1, 1)]


def picture(encode, photo, animation, name, *, animated=False):
    if animated:
        frames = animation(3, transparent=name != 'GIF', size=(40, 30))
        return encode(frames[0], name, save_all=True, append_images=frames[1:], duration=30).getvalue()
    return encode(photo(64, 48), name).getvalue()


KINDS = [(name, False) for name in AVAILABLE] + [(name, True) for name in ('GIF', 'PNG', 'WEBP')]


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'animated'), KINDS)
def test_truncated_pictures_are_refused_or_read(encode, photo, animation, name, animated):
    content = picture(encode, photo, animation, name, animated=animated)
    cuts = range(0, len(content), max(1, len(content) // 300))
    outcomes = [isinstance(tried(content[:cut]), list) for cut in cuts]
    # A first half is no picture, except that of an animation, whose first frames are whole.
    assert animated or not any(outcomes[: len(outcomes) // 2])


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'animated'), KINDS)
def test_pictures_with_changed_bytes_are_refused_or_read(encode, photo, animation, name, animated):
    whole = picture(encode, photo, animation, name, animated=animated)
    chance = random.Random(f'{name} {animated}')
    # The header matters most: half of the changes are there.
    for number in range(150):
        content = bytearray(whole)
        end = min(len(content), 200) if number % 2 else len(content)
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            content[chance.randrange(end)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            at = chance.randrange(end)
            content[at:at] = chance.randbytes(chance.randrange(1, 50))
        if chance.random() < 0.2:
            at = chance.randrange(end)
            del content[at : at + chance.randrange(1, 50)]
        tried(bytes(content), SMALL)
        with contextlib.suppress(flask_fs.InvalidContent):
            ImageContent(SMALL)(io.BytesIO(content), f'a.{name.lower()}')


@pytest.mark.slow
@pytest.mark.parametrize('name', AVAILABLE)
def test_noise_behind_a_true_beginning_is_refused_or_read(encode, photo, animation, name):
    whole = picture(encode, photo, animation, name)
    chance = random.Random(name)
    for _ in range(100):
        tried(whole[: chance.randrange(4, min(400, len(whole)))] + chance.randbytes(2000), SMALL)


def test_random_bytes_are_no_picture():
    chance = random.Random(0)
    for _ in range(200):
        assert isinstance(tried(chance.randbytes(300)), flask_fs.InvalidContent)
