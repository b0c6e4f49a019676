"""Three sizes of an image, compared to Pillow alone: time, memory and similarity."""

from __future__ import annotations

import argparse
import functools
import io
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import PIL
from image_limits import SIDES, report_levels, report_limits
from measuring import cost_of, in_turn, machine, passing_folder, report
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from flask_fs.images import Spec, render

MAIN, SQUARES = 1200, (100, 32)
SPECS = [Spec(MAIN), *(Spec(size, 'cover') for size in SQUARES)]
LANCZOS = Image.Resampling.LANCZOS
PICTURES = {
    '12 megapixels, JPEG': ('12.jpg', (4000, 3000)),
    '48 megapixels, JPEG': ('48.jpg', (8000, 6000)),
    '12 megapixels, progressive JPEG': ('progressive.jpg', (4000, 3000)),
    '12 megapixels, PNG with alpha': ('alpha.png', (4000, 3000)),
}
# Renders a small picture, so that everything is loaded, then a large one, and reports by how many KiB the resident memory
# grew at its peak.
GROWTH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from images import render, SPECS

def reported(name):
    return next(int(line.split()[1]) for line in Path('/proc/self/status').open() if line.startswith(name))

render(Path(sys.argv[2]), SPECS)
Path('/proc/self/clear_refs').write_text('5')
before = reported('VmRSS')
render(Path(sys.argv[3]), SPECS)
print(reported('VmHWM') - before)
"""


def draw(path: Path, size: tuple[int, int]) -> None:
    """Store a picture like a photo: soft light, texture, grain, and things with edges."""
    chance = random.Random(0)

    def noise(cells: int) -> Image.Image:
        rough = Image.frombytes('L', (cells, cells), chance.randbytes(cells * cells))
        return rough.resize(size, Image.Resampling.BICUBIC)

    light, texture, grain = noise(6), noise(120), noise(900)
    soft = (Image.blend(light, noise(8), 0.5) for _ in 'RGB')
    bands = [Image.blend(Image.blend(band, texture, 0.25), grain, 0.1) for band in soft]
    image = Image.merge('RGB', bands)
    pen = ImageDraw.Draw(image)
    for number in range(40):
        x, y, across = (
            chance.randrange(size[0]),
            chance.randrange(size[1]),
            chance.randrange(size[0] // 60, size[0] // 8),
        )
        color = tuple(chance.randrange(60, 200) for _ in 'RGB')
        shape = pen.ellipse if number % 2 else pen.rectangle
        shape((x, y, x + across, y + across * 2 // 3), fill=color)
    image = image.filter(ImageFilter.GaussianBlur(1))
    if path.suffix == '.png':
        image.putalpha(ImageChops.invert(Image.radial_gradient('L')).resize(size))
        image.save(path)
    else:
        image.save(path, quality=90, progressive=path.stem == 'progressive')


def by_hand(path: Path) -> list[bytes]:
    """The same outputs by the fewest steps: one draft decode, the squares from the main picture, no effort in encoding."""
    with Image.open(path) as image:
        kind = image.format
        image.draft(None, (MAIN, MAIN))
        scale = MAIN / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        mixed = image.convert('RGBa') if image.mode == 'RGBA' else image
        main = mixed.resize(size, LANCZOS, reducing_gap=3.0)
    side = min(size)
    left, upper = (size[0] - side) / 2, (size[1] - side) / 2
    box = (left, upper, left + side, upper + side)
    images = [main, *(main.resize((square, square), LANCZOS, box, 3.0) for square in SQUARES)]
    files = []
    for one in images:
        file = io.BytesIO()
        straight = one.convert('RGBA') if one.mode == 'RGBa' else one
        straight.save(file, kind, quality=85, compress_level=4)
        files.append(file.getvalue())
    return files


def rendered(path: Path) -> object:
    """The same outputs by this library."""
    return render(path, SPECS)


def naively(path: Path) -> list[bytes]:
    """The same outputs by what comes to mind first: for each size, open, resize, and save with optimize."""
    files = []
    for square in (None, *SQUARES):
        with Image.open(path) as image:
            file = io.BytesIO()
            reference(image, square).save(file, image.format, optimize=True)
            files.append(file.getvalue())
    return files


def reference(image: Image.Image, square: int | None) -> Image.Image:
    """One output by scaling all pixels at once."""
    width, height = image.size
    if square is None:
        scale = MAIN / max(image.size)
        return image.resize((round(width * scale), round(height * scale)), LANCZOS)
    side = min(image.size)
    left, upper = (width - side) / 2, (height - side) / 2
    return image.resize((square, square), LANCZOS, (left, upper, left + side, upper + side))


def closeness(path: Path) -> list[float]:
    """How close each output is to scaling all pixels at once, in decibels, before it is encoded with loss."""
    made = render(path, [Spec(spec.size, spec.fit, format='PNG') for spec in SPECS])
    found = []
    with Image.open(path) as image:
        for one, square in zip(made, (None, *SQUARES), strict=True):
            # Transparency is looked at on gray: colors that hardly show may differ more.
            pair = [_on_gray(picture) for picture in (reference(image, square), Image.open(one.file))]
            statistics = ImageStat.Stat(ImageChops.difference(*pair))
            error = sum(statistics.sum2) / sum(statistics.count)
            found.append(10 * math.log10(255**2 / error) if error else math.inf)
    return found


def _on_gray(image: Image.Image) -> Image.Image:
    if image.mode != 'RGBA':
        return image.convert('RGB')
    return Image.alpha_composite(Image.new('RGBA', image.size, 'gray'), image).convert('RGB')


def growth_mib(small: Path, path: Path) -> float:
    """By how much rendering makes a process grow at its peak."""
    command = [sys.executable, '-c', GROWTH, str(Path(__file__).parent), str(small), str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def _at_the_limit() -> None:
    print(f'{machine()}, Pillow {PIL.__version__}\n')
    with passing_folder(needed_bytes=600 << 20) as folder:
        draw(folder / 'drawn.jpg', SIDES)
        with Image.open(folder / 'drawn.jpg') as image:
            image.load()
        report_levels()
        report_limits(folder, image)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--limits', action='store_true', help='measure images at the limit instead')
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if arguments.limits:
        _at_the_limit()
        return
    print(f'{machine()}, Pillow {PIL.__version__}; {rounds} rounds\n')
    with passing_folder(needed_bytes=200 << 20) as folder:
        draw(folder / 'small.jpg', (640, 480))
        for file, size in PICTURES.values():
            draw(folder / file, size)
        for title, (file, _) in PICTURES.items():
            path = folder / file
            contenders: dict[str, Callable[[Path], object]] = {
                'Pillow alone': by_hand,
                '`render()`': rendered,
                'naively': naively,
            }
            measures = {name: cost_of(functools.partial(act, path)) for name, act in contenders.items()}
            seconds = in_turn(measures, rounds=rounds)
            report(f'{MAIN} pixels and squares of {SQUARES}: {title}', seconds, reference='Pillow alone', limit=1.05)
            best = {name: min(measured) for name, measured in seconds.items()}
            print(f'`render()` takes {best["`render()`"] / best["naively"]:.3f} of the naive time.\n')
        print('### Memory and similarity\n')
        print(f'| image | grows by | {MAIN} | {" | ".join(map(str, SQUARES))} |')
        print(f'|---|---:|---:|{"---:|" * len(SQUARES)}')
        for title, (file, _) in PICTURES.items():
            close = ' | '.join(f'{decibels:.1f} dB' for decibels in closeness(folder / file))
            print(f'| {title} | {growth_mib(folder / "small.jpg", folder / file):.1f} MiB | {close} |', flush=True)
    print('\nTarget: at least 50 dB, and at most 26 MiB for the JPEG with 48 megapixels.')


if __name__ == '__main__':
    main()
