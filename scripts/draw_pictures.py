"""Draw the pictures of docs/how-to/pictures.md: a sample, and the result of each option.

Run it after a visible change in ``flask-fs-images``. The same Pillow version writes the same files every time.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from flask_fs.images import Spec, render

FOLDER = Path(__file__).resolve().parents[1] / 'docs' / '_static' / 'pictures'
WIDTH, HEIGHT = SIZE = (600, 400)
#: The sun, with a margin.
SUN = (390, 105, 490, 205)
SPECS = {
    'contain': Spec((300, 300)),
    'cover': Spec((300, 300), 'cover'),
    'cover-wide': Spec((300, 100), 'cover'),
    'crop': Spec((300, 300), 'crop'),
    'bbox': Spec(100, 'cover', bbox=SUN),
    'quality-10': Spec(300, quality=10),
    'format': Spec(300, format='WEBP'),
}
SIGN_SPECS = [Spec(120), Spec(120, format='JPEG')]


def between(first: int, last: int) -> list[int]:
    """Tones from *first* to *last*, for ``Image.point``."""
    return [first + (last - first) * value // 255 for value in range(256)]


def lake() -> Image.Image:
    """A lake and mountains at dusk, drawn at double width and height, and reduced for smooth edges."""
    width, height, sky_end = WIDTH * 2, HEIGHT * 2, 580
    down = Image.linear_gradient('L').resize((width, height))
    image = Image.merge('RGB', [down.point(between(*tones)) for tones in ((40, 250), (70, 170), (130, 110))])
    pen = ImageDraw.Draw(image)
    pen.ellipse((820, 250, 940, 370), fill=(255, 236, 190))
    for layer, color in enumerate(((96, 92, 130), (62, 66, 102), (34, 40, 66))):
        ridge = [
            (
                x,
                470 + layer * 50 - 90 * abs(math.sin(x / (150 - 30 * layer) + layer)) - 18 * math.sin(x / 23 + layer),
            )
            for x in range(0, width + 1, 4)
        ]
        pen.polygon([*ridge, (width, height), (0, height)], fill=color)
    mirrored = image.crop((0, 2 * sky_end - height, width, sky_end)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = mirrored.filter(ImageFilter.GaussianBlur(4))
    image.paste(water.point(between(0, 204) * 3), (0, sky_end))
    grain = Image.frombytes('L', image.size, random.Random(0).randbytes(width * height)).convert('RGB')
    return Image.blend(image, grain, 0.05).resize(SIZE, Image.Resampling.LANCZOS)


def sign() -> Image.Image:
    """A round sign with a shadow, on a transparent background."""
    side = 960
    shadow = Image.new('L', (side, side))
    ImageDraw.Draw(shadow).ellipse((120, 150, 840, 870), fill=110)
    image = Image.new('RGBA', (side, side), (20, 40, 36, 0))
    image.putalpha(shadow.filter(ImageFilter.GaussianBlur(36)))
    pen = ImageDraw.Draw(image)
    pen.ellipse((120, 110, 840, 830), fill=(11, 107, 92, 255))
    pen.polygon([(250, 640), (410, 390), (520, 530), (590, 450), (710, 640)], fill=(255, 255, 255, 255))
    pen.ellipse((580, 270, 680, 370), fill=(246, 196, 83, 255))
    return image.resize((240, 240), Image.Resampling.LANCZOS)


def on_checks(images: Sequence[Image.Image]) -> Image.Image:
    """*images* next to each other, on a checkerboard that shows where they are transparent."""
    board = Image.new('RGB', (20 + sum(image.width + 20 for image in images), 160), (222, 222, 222))
    pen = ImageDraw.Draw(board)
    for x in range(0, board.width, 10):
        for y in range(x % 20, board.height, 20):
            pen.rectangle((x, y, x + 9, y + 9), fill=(184, 184, 184))
    left = 20
    for image in images:
        whole = image.convert('RGBA')
        board.paste(whole, (left, 20), whole)
        left += image.width + 20
    return board


def stored(name: str, file: io.BytesIO) -> None:
    """Save a picture in the folder of the page, and print its size."""
    (FOLDER / name).write_bytes(file.getvalue())
    with Image.open(file) as image:
        print(f'{name}: {image.width}x{image.height}, {len(file.getvalue()):,} bytes')


def marked_sun(image: Image.Image) -> Image.Image:
    """*image* with a frame around the part that ``bbox`` selects."""
    marked = image.copy()
    ImageDraw.Draw(marked).rectangle(SUN, outline='white', width=3)
    return marked


def main() -> None:
    """Write all pictures of the page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    original, marked, drawn, checked = (io.BytesIO() for _ in range(4))
    lake().save(original, 'JPEG', quality=92)
    stored('original.jpg', original)
    marked_sun(lake()).save(marked, 'JPEG', quality=92)
    stored('bbox-marked.jpg', marked)
    for (name, _), output in zip(SPECS.items(), render(original.getvalue(), SPECS.values()), strict=True):
        stored(f'{name}.{"webp" if output.format == "WEBP" else "jpg"}', output.file)
    sign().save(drawn, 'PNG')
    signs = [Image.open(output.file) for output in render(drawn.getvalue(), SIGN_SPECS)]
    on_checks(signs).save(checked, 'PNG', optimize=True)
    stored('transparency.png', checked)


if __name__ == '__main__':
    main()
