"""What comes out looks in a browser as what went in."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from flask_fs_images import Spec, render
from flask_fs_images.formats import WRITTEN

pytestmark = pytest.mark.browser

#: The size of a picture as it is shown, and the colors in two of its corners.
SHOWN = """async ([content]) => {
    const bytes = Uint8Array.from(atob(content), one => one.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes]));
    await image.decode();
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = new OffscreenCanvas(width, height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const at = (x, y) => [...canvas.getImageData(x, y, 1, 1).data];
    return [width, height, ...at(1, 1), ...at(width - 2, height - 2)];
}"""


@pytest.fixture(scope='module')
def shown(chromium):
    """How a browser shows a file."""
    page = chromium.new_page()
    yield lambda content: page.evaluate(SHOWN, [base64.b64encode(content).decode()])
    page.close()


def encoded(image, name, **settings):
    file = io.BytesIO()
    image.save(file, name, **settings)
    return file.getvalue()


def with_chunk(content, kind, body):
    chunk = struct.pack('>L', len(body)) + kind + body + struct.pack('>L', zlib.crc32(kind + body))
    return content[:33] + chunk + content[33:]


def turned():
    image = Image.new('RGB', (64, 32), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    return image, exif.tobytes()


FLAT = Image.new('RGB', (64, 64), (200, 128, 40))
PICTURES = {
    'a gamma of 1': with_chunk(encoded(FLAT, 'PNG'), b'gAMA', struct.pack('>L', 100_000)),
    'a gamma of 1.8': with_chunk(encoded(FLAT, 'PNG'), b'gAMA', struct.pack('>L', 55_556)),
    'grays with a gamma': with_chunk(encoded(FLAT.convert('L'), 'PNG'), b'gAMA', struct.pack('>L', 100_000)),
    'Display P3': with_chunk(encoded(FLAT, 'PNG'), b'cICP', bytes((12, 13, 0, 1))),
    'video': with_chunk(encoded(FLAT, 'PNG'), b'cICP', bytes((1, 1, 0, 1))),
    'primaries alone': with_chunk(
        encoded(FLAT, 'PNG'),
        b'cHRM',
        struct.pack('>8L', 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000),
    ),
    'a turned JPEG': encoded(turned()[0], 'JPEG', exif=turned()[1], quality=95),
    'a turned PNG': encoded(turned()[0], 'PNG', exif=turned()[1]),
}
if WRITTEN['AVIF'].available:
    _avif = encoded(FLAT, 'AVIF', quality=100)
    _codes = _avif.index(b'nclx') + 4
    PICTURES |= {
        'a turned AVIF': encoded(turned()[0], 'AVIF', exif=turned()[1], quality=100),
        'an AVIF in Display P3': _avif[: _codes + 1] + b'\x0c' + _avif[_codes + 2 :],
        'an AVIF of linear light': _avif[: _codes + 3] + b'\x08' + _avif[_codes + 4 :],
    }


@pytest.mark.parametrize('name', PICTURES)
def test_a_browser_shows_outputs_as_it_shows_the_picture(shown, name):
    content = PICTURES[name]
    expected = shown(content)
    for spec in (
        Spec(),
        Spec(effort=True),
        Spec(srgb=True),
        Spec(format='PNG'),
        Spec(format='GIF'),
        Spec(format='WEBP'),
    ):
        made = render(content, [spec])[0].file.getvalue()
        assert shown(made) == pytest.approx(expected, abs=6), spec
