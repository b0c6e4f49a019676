"""Pictures to test with, drawn here."""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat
from PIL.ImageFile import ImageFile

from flask_fs_images.formats import FORMATS, Format

Encode = Callable[..., io.BytesIO]


@functools.lru_cache(maxsize=4)
def _photo(width: int, height: int, seed: int = 0) -> Image.Image:
    chance = random.Random(seed)

    def noise(cells: int) -> Image.Image:
        rough = Image.frombytes('L', (cells, cells), chance.randbytes(cells * cells))
        return rough.resize((width, height), Image.Resampling.BICUBIC)

    light, texture, grain = noise(6), noise(120), noise(900)
    bands = [Image.blend(Image.blend(Image.blend(light, noise(8), 0.5), texture, 0.25), grain, 0.1) for _ in range(3)]
    image = Image.merge('RGB', bands)
    draw = ImageDraw.Draw(image)
    for number in range(40):
        x, y = chance.randrange(width), chance.randrange(height)
        across = chance.randrange(max(2, width // 60), max(3, width // 8))
        color = tuple(chance.randrange(60, 200) for _ in range(3))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((x, y, x + across, y + across * 2 // 3), fill=color)
    # No lens and no sensor shows an edge within one pixel.
    return image.filter(ImageFilter.GaussianBlur(1))


@pytest.fixture(scope='session')
def photo() -> Callable[..., Image.Image]:
    """Draws a picture like a photo: soft light, texture, grain and things with edges, always the same one."""

    def draw(width: int = 320, height: int = 240, mode: str = 'RGB', seed: int = 0) -> Image.Image:
        image = _photo(width, height, seed)
        if mode in {'RGBA', 'LA'}:
            image = image.convert(mode)
            image.putalpha(ImageChops.invert(Image.radial_gradient('L')).resize((width, height)))
            return image
        if mode == 'I;16':
            return (
                Image.linear_gradient('L').resize((width, height)).convert('I').point(lambda v: v * 257).convert(mode)
            )
        return image.convert(mode)

    return draw


@pytest.fixture(scope='session')
def encode() -> Encode:
    """The file of an image in a format, at its beginning."""

    def file_of(image: Image.Image, name: str = 'JPEG', **settings: Any) -> io.BytesIO:
        file = io.BytesIO()
        image.save(file, name, **settings)
        file.seek(0)
        return file

    return file_of


@pytest.fixture(scope='session')
def frames_of() -> Callable[[io.BytesIO], list[tuple[Image.Image, int]]]:
    """All frames of a file as RGBA, each with its duration in milliseconds."""

    def frames(file: io.BytesIO) -> list[tuple[Image.Image, int]]:
        found = []
        with Image.open(io.BytesIO(file.getvalue())) as image:
            for number in range(getattr(image, 'n_frames', 1)):
                image.seek(number)
                image.load()
                found.append((image.convert('RGBA'), round(image.info.get('duration', 0))))
        return found

    return frames


@pytest.fixture(scope='session')
def psnr() -> Callable[[Image.Image, Image.Image], float]:
    """How close two images are, in decibels."""

    def decibels(one: Image.Image, other: Image.Image) -> float:
        statistics = ImageStat.Stat(ImageChops.difference(one, other))
        error = sum(statistics.sum2) / sum(statistics.count)
        return math.inf if error == 0 else 10 * math.log10(255**2 / error)

    return decibels


@pytest.fixture(scope='session')
def animation(photo: Callable[..., Image.Image]) -> Callable[..., list[Image.Image]]:
    """Frames with a square that moves over a picture, or over nothing."""

    def frames(count: int = 4, *, transparent: bool = False, size: tuple[int, int] = (80, 60)) -> list[Image.Image]:
        made = []
        for number in range(count):
            back = Image.new('RGBA', size) if transparent else photo(*size, 'RGBA')
            if not transparent:
                back.putalpha(255)
            left = number * size[0] // count
            # A WebP of opaque parts on nothing says that it has no alpha, and Pillow believes it.
            edge = (0, 0, 0, 200)
            ImageDraw.Draw(back).rectangle((left, 10, left + 15, 40), fill=(250, 40 * number, 20, 255), outline=edge)
            made.append(back if transparent else back.convert('RGB'))
        return made

    return frames


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often an image was opened, and how often its pixels were decoded."""
    counted = {'opened': 0, 'decoded': 0}
    load, frombytes = ImageFile.load, Image.frombytes

    def opening(kind: Format) -> Any:
        def open_image(file: Any, filename: str) -> ImageFile:
            counted['opened'] += 1
            assert kind.open is not None
            return kind.open(file, filename)

        return open_image

    def loading(image: ImageFile) -> Any:
        # Loaded again, an image has no tiles left to decode.
        counted['decoded'] += bool(image.tile)
        return load(image)

    def decoding(mode: str, size: tuple[int, int], data: Any, decoder: str = 'raw', *args: Any) -> Any:
        counted['decoded'] += decoder != 'raw'
        return frombytes(mode, size, data, decoder, *args)

    for name, kind in FORMATS.items():
        if kind.available:
            monkeypatch.setitem(FORMATS, name, dataclasses.replace(kind, open=opening(kind)))
    monkeypatch.setattr(ImageFile, 'load', loading)
    monkeypatch.setattr(Image, 'frombytes', decoding)
    return counted
