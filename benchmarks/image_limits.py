"""The CPU time and memory that an image at the limit takes, in each format."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

#: The limit of 50 megapixels, and that of 100 megapixels for all frames of an animation.
SIDES = (8000, 6250)
FRAME_SIDES, FRAMES = (1000, 1000), 100

# Renders a small picture, so that everything is loaded, then the large one, and reports the CPU seconds, and by how many KiB
# the resident memory grew at its peak.
COST = """
import json, sys, time
from pathlib import Path
from flask_fs.images import Spec, render

def reported(name):
    return next(int(line.split()[1]) for line in Path('/proc/self/status').open() if line.startswith(name))

specs = {'thumbnails': [Spec(1200), Spec(100, 'cover'), Spec(32, 'cover')], 'optimize': [Spec(effort=True)]}[sys.argv[1]]
render(Path(sys.argv[2]), specs)
Path('/proc/self/clear_refs').write_text('5')
before, start = reported('VmRSS'), time.process_time()
render(Path(sys.argv[3]), specs)
print(json.dumps([time.process_time() - start, reported('VmHWM') - before]))
"""


def pictures(image: Image.Image) -> dict[str, tuple[str, Callable[[Path], None]]]:
    """What each picture of the table is stored as, and how it is made from *image*."""

    def saving(**settings: Any) -> Callable[[Path], None]:
        return lambda path: image.save(path, **settings)

    def moving(**settings: Any) -> Callable[[Path], None]:
        small = image.resize(FRAME_SIDES)
        frames = [small.rotate(number * 3) for number in range(FRAMES)]
        return lambda path: frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **settings)

    def with_alpha(path: Path) -> None:
        alpha = image.copy()
        alpha.putalpha(Image.radial_gradient('L').resize(image.size))
        alpha.save(path, compress_level=1)

    def heic(path: Path) -> None:
        import pillow_heif

        pillow_heif.from_pillow(image).save(path, quality=50, enc_params={'preset': 'ultrafast'})

    return {
        'JPEG': ('limit.jpg', saving(quality=90)),
        'progressive JPEG': ('progressive.jpg', saving(quality=90, progressive=True)),
        'PNG': ('limit.png', saving(compress_level=1)),
        'PNG with alpha': ('alpha.png', with_alpha),
        'GIF': ('limit.gif', lambda path: image.quantize(256).save(path)),
        'WebP': ('limit.webp', saving(method=0)),
        'AVIF': ('limit.avif', saving(speed=10, quality=60)),
        'HEIC': ('limit.heic', heic),
        'BMP': ('limit.bmp', saving()),
        '100 frames of 1 megapixel, GIF': ('moving.gif', moving()),
        '100 frames of 1 megapixel, WebP': ('moving.webp', moving(method=0)),
    }


def report_limits(folder: Path, image: Image.Image) -> None:
    """Print the table for *image*, which has ``SIDES``."""
    small = folder / 'first.jpg'
    image.resize((640, 480)).save(small)
    print('### One image at the limit\n')
    print('| image | thumbnails | grows by | `optimize` | grows by |')
    print('|---|---:|---:|---:|---:|')
    for title, (name, make) in pictures(image).items():
        path = folder / name
        make(path)
        figures = []
        for act in ('thumbnails', 'optimize'):
            command = [sys.executable, '-c', COST, act, str(small), str(path)]
            seconds, grown = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            figures.append(f'{seconds:.1f} s | {grown / 1024:.0f} MiB')
        print(f'| {title} | {" | ".join(figures)} |', flush=True)
        path.unlink()


def report_levels() -> None:
    """Print what each level of zlib costs on a screened scan, which takes longest, in a PNG."""
    scan = Image.effect_noise((1000, 1000), 60).point([0] * 141 + [255] * 115).convert('RGB')
    print('### Levels of zlib, for 1 megapixel of a halftone scan\n')
    print('| level | CPU | bytes |')
    print('|---:|---:|---:|')
    for level in (4, 6, 7, 8, 9):
        file = io.BytesIO()
        start = time.process_time()
        scan.save(file, 'PNG', compress_level=level)
        print(f'| {level} | {time.process_time() - start:.2f} s | {len(file.getvalue()):,} |', flush=True)
    print()
