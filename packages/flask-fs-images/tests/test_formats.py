from __future__ import annotations

import io

import pytest
from PIL import Image

import flask_fs
from flask_fs_images import Spec, identify, make_thumbnail, optimize, render, resize
from flask_fs_images.formats import FORMATS, WRITTEN, recognize

AVAILABLE = [name for name, kind in WRITTEN.items() if kind.available]
MODES = {
    'JPEG': ['L', 'RGB', 'CMYK'],
    'PNG': ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'],
    'GIF': ['1', 'L', 'P'],
    'WEBP': ['RGB', 'RGBA'],
    'AVIF': ['RGB', 'RGBA'],
    'BMP': ['1', 'L', 'P', 'RGB'],
}
CASES = [(name, mode) for name in AVAILABLE for mode in MODES[name]]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>'


def opened(file):
    image = Image.open(io.BytesIO(file.getvalue()))
    image.load()
    return image


def seen(image):
    pixels = image.tobytes()
    return [(at, pixels[at : at + 4]) for at in range(0, len(pixels), 4) if pixels[at + 3]]


@pytest.mark.parametrize(('name', 'mode'), CASES)
def test_every_mode_keeps_its_format_and_looks(photo, encode, psnr, name, mode):
    file = encode(photo(mode=mode), name)
    for made in render(file, [Spec(80), Spec(40, 'cover'), Spec(effort=True), Spec()]):
        assert name == made.format == opened(made.file).format
    # A picture of one bit is mixed to gray, and one in a palette to what the palette meant.
    whole = opened(file)
    gray = whole.convert('L') if mode != 'I;16' else whole.convert('I').point([v >> 8 for v in range(65536)], 'L')
    expected = gray.resize((80, 60), Image.Resampling.LANCZOS)
    found = opened(resize(file, 80))
    if mode in {'LA', 'RGBA'}:
        alpha = whole.getchannel('A').resize((80, 60), Image.Resampling.LANCZOS)
        assert psnr(alpha, found.getchannel('A')) > 35
        return
    assert psnr(expected, found.convert('L')) > 28


@pytest.mark.parametrize('source', AVAILABLE)
@pytest.mark.parametrize('target', AVAILABLE)
def test_every_format_turns_into_every_other(photo, encode, source, target):
    made = render(encode(photo(mode='RGB'), source), [Spec(50, format=target.lower())])[0]
    assert target == made.format == opened(made.file).format
    assert (made.width, made.height) == (50, 38)


@pytest.mark.parametrize('target', [name for name in ('WEBP', 'AVIF') if name in AVAILABLE])
@pytest.mark.parametrize('mode', ['L', 'LA'])
def test_grays_are_kept_in_formats_that_have_only_colors(photo, encode, psnr, target, mode):
    picture = photo(mode=mode)
    found = opened(render(encode(picture, 'PNG'), [Spec(format=target, quality=95)])[0].file)
    assert ('A' in mode) == ('A' in found.mode)
    assert psnr(picture.convert('RGBA').convert('RGB'), found.convert('RGBA').convert('RGB')) > 30


def test_jpg_means_jpeg():
    assert Spec(format='JPEG') == Spec(format='jpg')


@pytest.mark.parametrize('target', ['JPEG', 'BMP'])
def test_transparency_becomes_white_where_a_format_holds_none(encode, target):
    image = Image.new('RGBA', (20, 20), (0, 0, 0, 0))
    made = render(encode(image, 'PNG'), [Spec(10, format=target)])[0]
    assert opened(made.file).convert('RGB').getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize('target', [name for name in ('PNG', 'WEBP', 'AVIF', 'GIF') if name in AVAILABLE])
@pytest.mark.parametrize('size', [None, 10])
def test_transparency_is_kept(encode, target, size):
    image = Image.new('RGBA', (20, 20), (0, 0, 255, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 10))
    found = opened(render(encode(image, 'PNG'), [Spec(size, format=target)])[0].file).convert('RGBA')
    across, down = found.size
    # The filter rings a little.
    assert found.getpixel((across // 2, down // 5))[3] < 10
    assert found.getpixel((across // 2, down - 2))[3] == 255


def test_hidden_colors_do_not_bleed_into_an_edge(encode):
    image = Image.new('RGBA', (40, 40), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 40, 21))
    found = opened(resize(encode(image, 'PNG'), 8))
    assert all(found.getpixel((4, y))[0] == 0 for y in range(8) if found.getpixel((4, y))[3] > 0)


@pytest.mark.parametrize(
    ('mode', 'key', 'hidden'),
    [('P', 3, 3), ('L', 200, 200), ('RGB', (9, 8, 7), (9, 8, 7)), ('I;16', 51400, 51400), ('1', 255, 1)],
)
def test_a_transparent_color_is_kept(encode, mode, key, hidden):
    image = Image.new(mode, (20, 20), 0 if mode != 'RGB' else (0, 0, 0))
    if mode == 'P':
        image.putpalette([value for number in range(256) for value in (number, 0, 255 - number)])
    image.paste(hidden, (0, 0, 20, 10))
    file = encode(image, 'PNG', transparency=key)
    for size in (None, 10):
        found = opened(render(file, [Spec(size)])[0].file)
        if found.mode == 'I;16':
            # Pillow has no 16 bits with alpha to turn it into.
            assert (key, opened(file).tobytes()) == (found.info['transparency'], found.tobytes())
            continue
        found = found.convert('RGBA')
        assert found.getpixel((5, 1))[3] == 0
        assert found.getpixel((5, found.height - 2))[3] == 255


def test_a_palette_with_many_alphas_is_kept(encode):
    image = Image.frombytes('P', (256, 4), bytes(range(256)) * 4)
    image.putpalette([value for number in range(256) for value in (number, 0, 255 - number)])
    file = encode(image, 'PNG', transparency=bytes(range(256)))
    expected = opened(file).convert('RGBA')
    assert expected.tobytes() == opened(optimize(file)).convert('RGBA').tobytes()
    assert opened(optimize(file)).mode == 'P'


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'])
def test_optimize_keeps_every_pixel_of_a_png(photo, encode, mode):
    file = encode(photo(mode=mode), 'PNG', compress_level=1)
    found = optimize(file)
    assert (mode, opened(file).tobytes()) == (opened(found).mode, opened(found).tobytes())
    # What is one bit is small enough to come out by chance.
    assert len(found.getvalue()) < len(file.getvalue()) or mode == '1'


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGB'])
def test_optimize_keeps_every_pixel_of_a_bmp(photo, encode, mode):
    file = encode(photo(mode=mode), 'BMP')
    assert opened(file).convert('RGB').tobytes() == opened(optimize(file)).convert('RGB').tobytes()


def test_optimize_keeps_every_pixel_of_a_gif(photo, encode):
    file = encode(photo().quantize(256), 'GIF')
    assert opened(file).convert('RGB').tobytes() == opened(optimize(file)).convert('RGB').tobytes()


def test_optimize_keeps_every_pixel_of_a_lossless_webp(photo, encode):
    file = encode(photo(160, 120, 'RGBA'), 'WEBP', lossless=True, exact=True)
    # What cannot be seen need not be kept.
    assert seen(opened(file)) == seen(opened(optimize(file)))


@pytest.mark.parametrize('quality', [30, 75, 95])
@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_optimize_keeps_the_quality_of_a_jpeg(photo, encode, psnr, quality, mode):
    file = encode(photo(mode=mode), quality=quality)
    found = optimize(file)
    assert opened(file).quantization == opened(found).quantization
    assert psnr(opened(file), opened(found)) > 45
    assert len(found.getvalue()) < len(file.getvalue())


def test_quality_is_obeyed(photo, encode):
    for name in ('JPEG', 'WEBP'):
        small, large = render(encode(photo()), [Spec(quality=quality, format=name) for quality in (30, 95)])
        assert len(small.file.getvalue()) < len(large.file.getvalue()) / 2


def test_effort_makes_smaller_files(photo, encode):
    plain, small = render(encode(photo()), [Spec(), Spec(effort=True, quality=85)])
    assert len(small.file.getvalue()) < len(plain.file.getvalue())


def test_cmyk_becomes_rgb_in_its_colors(encode):
    file = encode(Image.new('CMYK', (40, 40), (0, 255, 255, 0)), quality=95)
    found = opened(resize(file, 20))
    red, green, blue = found.getpixel((10, 10))
    assert found.mode == 'RGB'
    assert red > 200
    assert max(green, blue) < 60


def test_a_bright_picture_of_16_bits_is_not_cut_off(encode):
    image = Image.new('I;16', (40, 40), 0x8000)
    assert opened(resize(encode(image, 'PNG'), 10)).getpixel((5, 5)) == 0x80


@pytest.mark.parametrize(
    'content',
    [
        SVG,
        b'\xef\xbb\xbf  \n' + SVG,
        b'<?xml version="1.0"?>\n<!-- made > here -->\n' + SVG,
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" [ <!ENTITY ns "http://x"> ]>' + SVG,
        '<?xml version="1.0" encoding="utf-16"?>'.encode('utf-16') + SVG.decode().encode('utf-16-le'),
        b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>',
        b'<svg/>',
    ],
)
def test_svg_is_passed_through(content):
    assert make_thumbnail(content, 10).getvalue() == content
    assert resize(content, 10).getvalue() == content
    assert optimize(content).getvalue() == content
    assert identify(content).format == 'SVG'
    assert [(one.format, one.width, one.height) for one in render(content, [Spec(1)] * 2)] == [('SVG', None, None)] * 2


@pytest.mark.parametrize(
    'content',
    [
        b'<html><svg/></html>',
        b'<svgs/>',
        b'<!-- <svg/>',
        b'<!--><svg/>',
        b'svg',
        b'<',
        b'< svg>',
        b'<?xml?>',
        b'\xff\xfe<',
    ],
)
def test_what_only_mentions_svg_is_none(content):
    with pytest.raises(flask_fs.InvalidContent):
        optimize(content)


def test_svg_is_not_turned_into_another_format():
    with pytest.raises(flask_fs.InvalidContent, match='cannot be converted to another format'):
        render(SVG, [Spec(10, format='PNG')])


@pytest.mark.parametrize('name', ['TIFF', 'ICO', 'PCX', 'TGA', 'PPM', 'PDF', 'EPS', 'SGI'])
def test_other_formats_are_not_opened(photo, encode, name):
    with pytest.raises(flask_fs.InvalidContent, match='not an image of a supported format'):
        resize(encode(photo(64, 64), name), 10)


def test_a_heic_is_not_mistaken_for_an_avif():
    assert recognize(b'\0\0\0\x18ftypheic\0\0\0\0mif1heic') == 'HEIC'
    assert recognize(b'\0\0\0\x18ftypmp42\0\0\0\0isommp42') is None
    assert recognize(b'\0\0\0\x18ftypmif1\0\0\0\0mif1avif') == 'AVIF'


@pytest.mark.skipif('AVIF' not in AVAILABLE, reason='this Pillow has no AVIF')
def test_a_pillow_without_a_format_says_so(monkeypatch, photo, encode):
    file = encode(photo(), 'AVIF')
    for formats in (FORMATS, WRITTEN):
        monkeypatch.setitem(formats, 'AVIF', WRITTEN['AVIF'].__class__(None, frozenset(('avif',))))
    with pytest.raises(
        flask_fs.InvalidContent, match='AVIF images are not supported by this installation: install a Pillow'
    ):
        resize(file, 10)
    with pytest.raises(ValueError, match='install a newer version'):
        Spec(format='avif')


def test_a_jpeg_of_several_pictures_gives_its_first(photo, encode):
    file = encode(photo(64, 48), 'MPO', save_all=True, append_images=[photo(30, 30)])
    assert tuple(vars(identify(file)).values()) == ('JPEG', 64, 48, 1)
    assert opened(resize(file, 32)).size == (32, 24)


def test_a_jpeg_stored_as_rgb_is_read(photo, encode):
    file = encode(photo(), quality=90, keep_rgb=True)
    assert opened(file).convert('RGB').resize((4, 3)).getpixel((1, 1)) == pytest.approx(
        opened(resize(file, 200)).resize((4, 3)).getpixel((1, 1)), abs=8
    )
    assert type(optimize(file)) is io.BytesIO
