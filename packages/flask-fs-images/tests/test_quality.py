"""How close outputs are to what scaling all pixels at once gives, and how much memory they take."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from flask_fs_images import Spec, render

LANCZOS = Image.Resampling.LANCZOS
SIZES = (600, 200, 50, 32)
MAX_MIB = 26


def reference(full, size, *, square):
    width, height = full.size
    if not square:
        scale = size / max(full.size)
        return full.resize((round(width * scale), round(height * scale)), LANCZOS)
    side = min(full.size)
    left, upper = (width - side) / 2, (height - side) / 2
    return full.resize((size, size), LANCZOS, (left, upper, left + side, upper + side))


def as_seen(image):
    # Colors that hardly show may differ more.
    return Image.alpha_composite(Image.new('RGBA', image.size, 'gray'), image) if image.mode == 'RGBA' else image


@pytest.mark.slow
@pytest.mark.parametrize(
    ('size', 'mode', 'name', 'settings'),
    [
        pytest.param((2000, 1500), 'RGB', 'JPEG', {'quality': 90}, id='three times as large'),
        pytest.param((2000, 1500), 'RGB', 'JPEG', {'quality': 90, 'progressive': True}, id='progressive'),
        pytest.param((4000, 3000), 'RGB', 'JPEG', {'quality': 90}, id='seven times as large'),
        pytest.param((1500, 1000), 'RGB', 'JPEG', {'quality': 90, 'subsampling': 0}, id='full color'),
        pytest.param((2000, 1500), 'L', 'JPEG', {'quality': 90}, id='gray'),
        pytest.param((2000, 1500), 'RGBA', 'PNG', {'compress_level': 1}, id='PNG with alpha'),
    ],
)
def test_outputs_are_as_good_as_scaling_all_pixels(photo, encode, psnr, size, mode, name, settings):
    file = encode(photo(*size, mode), name, **settings)
    with Image.open(io.BytesIO(file.getvalue())) as full:
        full.load()
    specs = [Spec(size, 'contain' if size == SIZES[0] else 'cover', format='PNG') for size in SIZES]
    for one in (specs, [specs[-1]], [specs[2], specs[1]]):
        for spec, made in zip(one, render(file, one), strict=True):
            side = spec.size[0]
            expected = reference(full, side, square=side != SIZES[0])
            with Image.open(made.file) as image:
                image.load()
            close = psnr(as_seen(expected), as_seen(image))
            assert close >= 50, (side, close)


# Renders one small picture, so that everything is loaded, then a large one, and reports by how much the memory of the
# process grew at its peak, in KiB.
GROWTH = """
import gc, json, sys
from pathlib import Path
from flask_fs_images import Spec, render

SPECS = [Spec(1200), Spec(100, 'cover'), Spec(32, 'cover')]


def measured(name):
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ':'))


render(Path(sys.argv[1]), SPECS)
gc.collect()
Path('/proc/self/clear_refs').write_text('5')
before = measured('VmRSS')
with open(sys.argv[2], 'rb') as file:
    render(file, SPECS)
print(json.dumps(measured('VmHWM') - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='measured through /proc')
def test_a_large_jpeg_takes_little_memory(tmp_path):
    # Their content makes no difference.
    for name, size in (('small.jpg', (100, 75)), ('large.jpg', (8000, 6000))):
        Image.linear_gradient('L').resize(size).convert('RGB').save(tmp_path / name, quality=90)
    command = [sys.executable, '-c', GROWTH, str(tmp_path / 'small.jpg'), str(tmp_path / 'large.jpg')]
    growth = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(growth) / 1024 <= MAX_MIB
