"""Pictures that say in a few numbers how their colors are meant are shown as before."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from flask_fs_images import Spec, optimize, render, resize
from flask_fs_images.formats import WRITTEN

#: As browsers show (200, 128, 40) with these.
MEANT = {
    'a gamma of 1': ({b'gAMA': struct.pack('>L', 100_000)}, (229, 188, 110)),
    'a gamma of 1.8': ({b'gAMA': struct.pack('>L', 55_556)}, (210, 146, 53)),
    'a gamma and primaries': (
        {
            b'gAMA': struct.pack('>L', 100_000),
            b'cHRM': struct.pack('>8L', 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000),
        },
        (237, 186, 96),
    ),
    'Display P3': ({b'cICP': bytes((12, 13, 0, 1))}, (212, 124, 0)),
    'linear light': ({b'cICP': bytes((1, 8, 0, 1))}, (229, 188, 110)),
    'video': ({b'cICP': bytes((1, 1, 0, 1))}, (197, 121, 28)),
    'codes before a gamma': ({b'gAMA': struct.pack('>L', 100_000), b'cICP': bytes((12, 13, 0, 1))}, (212, 124, 0)),
}
#: What means nothing, or is outdone by another chunk.
MEANINGLESS = {
    'primaries alone': {b'cHRM': struct.pack('>8L', 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)},
    'a gamma of 0': {b'gAMA': bytes(4)},
    'that of sRGB': {b'gAMA': struct.pack('>L', 45_455)},
    'sRGB and a gamma': {b'sRGB': b'\0', b'gAMA': struct.pack('>L', 100_000)},
    'codes of sRGB': {b'cICP': bytes((1, 13, 0, 1))},
    'impossible primaries': {b'gAMA': struct.pack('>L', 100_000), b'cHRM': bytes(32)},
}


def with_chunks(content, chunks):
    made = b''
    for kind, body in chunks.items():
        made += struct.pack('>L', len(body)) + kind + body + struct.pack('>L', zlib.crc32(kind + body))
    return content[:33] + made + content[33:]


def png(chunks, mode='RGB', color=(200, 128, 40)):
    file = io.BytesIO()
    Image.new(mode, (64, 48), color).save(file, 'PNG')
    return with_chunks(file.getvalue(), chunks)


def color_in_srgb(file):
    """The color of a picture of one color, converted by the profile that it has."""
    image = Image.open(file)
    image.load()
    profile = image.info.get('icc_profile')
    if profile:
        image = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile('sRGB'), outputMode='RGB')
    return image.convert('RGB').getpixel((20, 20))


@pytest.mark.parametrize('case', MEANT)
@pytest.mark.parametrize('target', [name for name, kind in WRITTEN.items() if kind.available and name != 'PNG'])
def test_colors_are_shown_as_they_are_meant_in_every_format(case, target):
    chunks, color = MEANT[case]
    made = render(png(chunks), [Spec(32, format=target, quality=95)])[0].file
    # Encoders with loss round, and the profile that goes along stretches that.
    assert color_in_srgb(made) == pytest.approx(color, abs=0 if target in {'GIF', 'BMP'} else 4)


@pytest.mark.parametrize('case', MEANT)
@pytest.mark.parametrize('act', [optimize, lambda file: resize(file, 32)])
def test_a_png_keeps_what_it_says_of_its_colors(case, act):
    chunks, _ = MEANT[case]
    made = act(png(chunks)).getvalue()
    assert Image.open(io.BytesIO(made)).convert('RGB').getpixel((5, 5)) == (200, 128, 40)
    # Codes outdo all else.
    for kind in [b'cICP'] if b'cICP' in chunks else chunks:
        assert with_chunks(bytes(33), {kind: chunks[kind]})[33:] in made
    assert b'iCCP' not in made


@pytest.mark.parametrize('case', MEANT)
def test_a_png_is_converted_on_request(case):
    chunks, color = MEANT[case]
    made = render(png(chunks), [Spec(32, srgb=True)])[0].file
    assert Image.open(made).getpixel((5, 5)) == color
    assert not {b'gAMA', b'cHRM', b'cICP', b'iCCP'} & {
        made.getvalue()[at : at + 4] for at in range(len(made.getvalue()))
    }


@pytest.mark.parametrize('case', MEANINGLESS)
def test_what_says_nothing_of_colors_changes_nothing(case):
    made = render(png(MEANINGLESS[case]), [Spec(32), Spec(32, format='GIF'), Spec(format='WEBP', srgb=True)])
    for one in made[:2]:
        assert color_in_srgb(one.file) == (200, 128, 40)
    assert 'icc_profile' not in Image.open(made[2].file).info


def test_grays_with_a_gamma_stay_grays():
    chunks = {b'gAMA': struct.pack('>L', 100_000)}
    kept, converted, other = render(png(chunks, 'L', 128), [Spec(32), Spec(32, srgb=True), Spec(32, format='JPEG')])
    assert (Image.open(kept.file).mode, Image.open(kept.file).getpixel((5, 5))) == ('L', 128)
    assert Image.open(converted.file).convert('RGB').getpixel((5, 5)) == pytest.approx((188, 188, 188), abs=1)
    assert color_in_srgb(other.file) == pytest.approx((188, 188, 188), abs=2)


@pytest.mark.parametrize('transfer', [16, 18])
def test_a_high_dynamic_range_is_kept_in_a_png_and_ends_at_white_elsewhere(transfer):
    content = png({b'cICP': bytes((9, transfer, 0, 1))}, color=(255, 255, 255))
    kept, other = render(content, [Spec(32), Spec(32, format='GIF')])
    assert b'cICP' in kept.file.getvalue()
    assert color_in_srgb(other.file) == (255, 255, 255)


@pytest.mark.skipif(not WRITTEN['AVIF'].available, reason='this Pillow has no AVIF')
@pytest.mark.parametrize(
    ('codes', 'color'),
    [((12, 13), (212, 125, 0)), ((1, 8), (229, 188, 109)), ((1, 1), (200, 129, 39)), ((2, 2), (200, 129, 39))],
)
def test_the_color_codes_of_an_avif_count(encode, codes, color):
    content = bytearray(encode(Image.new('RGB', (64, 48), (200, 128, 40)), 'AVIF', quality=100).getvalue())
    at = content.index(b'nclx') + 4
    content[at + 1], content[at + 3] = codes
    for target in ('GIF', 'AVIF', 'PNG'):
        made = render(bytes(content), [Spec(32, format=target, quality=100)])[0].file
        assert color_in_srgb(made) == pytest.approx(color, abs=3)


def bitmap(bits, masks, pixels):
    """A BMP of 8 by 8 pixels with masks for red, green, blue and alpha (BITMAPV4HEADER)."""
    fields = (108, 8, 8, 1, bits, 3, len(pixels), 2835, 2835, 0, 0)
    header = struct.pack('<IiiHHIIiiII', *fields) + struct.pack('<4I', *masks) + bytes(52)
    return b'BM' + struct.pack('<IHHI', 14 + 108 + len(pixels), 0, 0, 14 + 108) + header + pixels


MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize('target', [None, 'JPEG', 'PNG', 'WEBP', 'GIF'])
def test_a_bitmap_whose_alpha_is_0_everywhere_is_there(target):
    made = render(bitmap(32, MASKS, bytes((200, 30, 60, 0)) * 64), [Spec(format=target, quality=95)])[0].file
    image = Image.open(made)
    assert 'A' not in image.getbands()
    assert image.convert('RGB').getpixel((5, 5)) == pytest.approx((60, 30, 200), abs=4)


def test_a_bitmap_keeps_an_alpha_that_is_used():
    pixels = bytes((200, 30, 60, 0)) * 32 + bytes((200, 30, 60, 128)) * 32
    image = Image.open(render(bitmap(32, MASKS, pixels), [Spec(format='PNG')])[0].file)
    # From the bottom up.
    assert [image.getpixel((1, 1)), image.getpixel((1, 6))] == [(60, 30, 200, 128), (60, 30, 200, 0)]
