"""Frames of GIFs are put together as browsers do it."""

from __future__ import annotations

import base64
import io
import struct

import pytest
from PIL import Image

from flask_fs_images import Limits, Spec, identify, render
from flask_fs_images.picture import open_picture
from flask_fs_images.reader import open_reader

GREEN, RED, BLUE, NONE = (0, 255, 0, 255), (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


#: The colors of each frame in the middle of its three columns.
FRAMES = """async ([content]) => {
    const data = Uint8Array.from(atob(content), one => one.charCodeAt(0));
    const decoder = new ImageDecoder({data, type: 'image/gif'});
    await decoder.tracks.ready;
    await decoder.completed;
    const found = [];
    for (let frameIndex = 0; frameIndex < decoder.tracks.selectedTrack.frameCount; frameIndex++) {
        const {image} = await decoder.decode({frameIndex});
        const canvas = new OffscreenCanvas(image.displayWidth, image.displayHeight).getContext('2d');
        canvas.drawImage(image, 0, 0);
        found.push([5, 15, 25].map(x => [...canvas.getImageData(x, 5, 1, 1).data]));
    }
    return found;
}"""


def packed(count, number):
    """*count* pixels of one color of four, in codes of three bits, which are reset before they grow longer."""
    bits = ''
    for code in [code for _ in range(count) for code in (4, number)] + [5]:
        bits = format(code, '03b') + bits
    raw = int(bits, 2).to_bytes(-(-len(bits) // 8), 'little')
    return (
        b'\x02'
        + b''.join(bytes([len(raw[at : at + 255])]) + raw[at : at + 255] for at in range(0, len(raw), 255))
        + b'\0'
    )


def frame(left, width, number, disposal, *, hole=None, palette=b''):
    """A frame of 10 pixels in height."""
    control = b'!\xf9\x04' + bytes((disposal << 2 | (hole is not None), 10, 0, hole or 0, 0))
    flags = 0x81 if palette else 0
    return control + b',' + struct.pack('<HHHHB', left, 0, width, 10, flags) + palette + packed(width * 10, number)


def gif(*frames, loop=b''):
    palette = bytes((0, 255, 0, 255, 0, 0, 0, 0, 255, 9, 9, 9))
    return b'GIF89a' + struct.pack('<HHBBB', 30, 10, 0x81, 0, 0) + palette + loop + b''.join(frames) + b';'


def columns(file):
    """The colors of each frame in the middle of its three columns."""
    image = Image.open(file)
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append([image.convert('RGBA').getpixel((x, 5)) for x in (5, 15, 25)])
    return found


CASES = {
    'disposed of to the background': (
        [frame(0, 30, 1, 2), frame(10, 10, 2, 1)],
        [[RED, RED, RED], [NONE, BLUE, NONE]],
    ),
    'only a part disposed of': (
        [frame(0, 30, 1, 1), frame(0, 10, 2, 2), frame(20, 10, 2, 1)],
        [[RED, RED, RED], [BLUE, RED, RED], [NONE, RED, BLUE]],
    ),
    'disposed of to what was there before': (
        [frame(0, 30, 1, 1), frame(0, 10, 2, 3), frame(20, 10, 2, 1)],
        [[RED, RED, RED], [BLUE, RED, RED], [RED, RED, BLUE]],
    ),
    'a first frame that covers a part': (
        [frame(10, 10, 1, 1), frame(20, 10, 2, 1)],
        [[NONE, RED, NONE], [NONE, RED, BLUE]],
    ),
    'a transparent color': (
        [frame(0, 30, 1, 1), frame(0, 20, 0, 1), frame(0, 20, 2, 1, hole=2), frame(20, 10, 2, 1)],
        [[RED, RED, RED], [GREEN, GREEN, RED], [GREEN, GREEN, RED], [GREEN, GREEN, BLUE]],
    ),
    'a first frame that is disposed of to nothing': (
        [frame(0, 30, 1, 3), frame(10, 10, 2, 1)],
        [[RED, RED, RED], [NONE, BLUE, NONE]],
    ),
    'a palette of its own': (
        [frame(0, 30, 1, 1), frame(0, 10, 1, 1, palette=bytes((9, 9, 9, 0, 255, 0, 0, 0, 0, 0, 0, 0)))],
        [[RED, RED, RED], [GREEN, RED, RED]],
    ),
}


def decoded(content):
    """The colors of each frame as it is decoded, in the middle of its three columns."""
    with open_reader(content) as reader:
        picture = open_picture(reader, Limits())
        return [[image.convert('RGBA').getpixel((x, 5)) for x in (5, 15, 25)] for image, _ in picture.decode()]


@pytest.mark.parametrize('case', CASES)
def test_frames_are_decoded_as_browsers_show_them(case):
    frames, expected = CASES[case]
    assert decoded(gif(*frames)) == expected
    made = render(gif(*frames), [Spec()])[0].file.getvalue()
    assert decoded(made) == expected


@pytest.fixture(scope='module')
def page(chromium):
    page = chromium.new_page()
    # Frames are decoded for secure pages only.
    page.goto('chrome://version')
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize('case', CASES)
def test_a_browser_shows_the_same_frames(page, case):
    frames, expected = CASES[case]
    for content in (gif(*frames), render(gif(*frames), [Spec()])[0].file.getvalue()):
        found = page.evaluate(FRAMES, [base64.b64encode(content).decode()])
        assert [[tuple(color) for color in one] for one in found] == expected


def test_what_is_made_is_read_again_as_the_same():
    """A whole frame between two with holes needs each of them to be disposed of."""
    rows = [[NONE, BLUE, NONE], [GREEN, BLUE, GREEN], [NONE, BLUE, NONE]]
    images = []
    for row in rows:
        image = Image.new('RGBA', (30, 10))
        for number, color in enumerate(row):
            image.paste(color, (number * 10, 0, number * 10 + 10, 10))
        images.append(image)
    file = io.BytesIO()
    images[0].save(file, 'PNG', save_all=True, append_images=images[1:], duration=100)
    made = render(file.getvalue(), [Spec(format='GIF')])[0].file
    assert columns(io.BytesIO(made.getvalue())) == rows
    assert columns(render(made.getvalue(), [Spec(format='PNG')])[0].file) == rows


def test_the_number_of_loops_is_read_wherever_it_is_given():
    loop = b'!\xff\x0bNETSCAPE2.0\x03\x01\x02\0\0'
    for content in (
        gif(frame(0, 30, 1, 1), frame(0, 10, 2, 1), loop=loop),
        gif(frame(0, 30, 1, 1), loop, frame(0, 10, 2, 1)),
    ):
        made = render(content, [Spec(format='PNG')])[0].file
        assert Image.open(made).info['loop'] == 3


def test_a_gif_without_an_end_is_read():
    content = gif(frame(0, 30, 1, 1))[:-1]
    assert identify(content).frames == 1
    assert len(render(content, [Spec(effort=True)])[0].file.getvalue()) <= len(content)


def test_a_webp_of_opaque_parts_on_nothing_keeps_what_is_transparent():
    """Its encoder does not say that there is transparency, as no single part has any."""
    images = []
    for number in range(3):
        image = Image.new('RGBA', (60, 20))
        image.paste(RED, (number * 20, 5, number * 20 + 10, 15))
        images.append(image)
    file = io.BytesIO()
    images[0].save(file, 'WEBP', save_all=True, append_images=images[1:], duration=100, lossless=True)
    for target in ('PNG', 'WEBP', 'GIF'):
        made = render(file.getvalue(), [Spec(format=target, quality=100)])[0].file
        image = Image.open(made)
        for number in range(3):
            image.seek(number)
            alphas = [image.convert('RGBA').getpixel((x * 20 + 5, 10))[3] for x in range(3)]
            assert alphas == [255 if x == number else 0 for x in range(3)]


@pytest.mark.parametrize('cut', [1, 2, 3])
def test_a_frame_that_lacks_only_its_end_is_whole(cut):
    """All pixels are there without the trailer, the end of the last block's list, and the last byte of that block."""
    content = gif(frame(0, 30, 1, 0))[:-cut]
    [picture] = render(io.BytesIO(content), [Spec(format='PNG')])
    assert Image.open(picture.file).convert('RGBA').getcolors() == [(300, RED)]
