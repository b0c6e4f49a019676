"""Calls that were written for flask-fs 0.x, flask-fs2 or flask-storage, by their documentation."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from flask_fs.images import make_thumbnail, optimize, resize


@pytest.fixture
def picture() -> io.BytesIO:
    file = io.BytesIO()
    Image.new('RGB', (300, 200), 'navy').save(file, 'PNG')
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ('call', 'size'),
    [
        (lambda file: make_thumbnail(file, 100), (100, 100)),
        (lambda file: make_thumbnail(file, 50, [0, 0, 100, 100]), (50, 50)),
        (lambda file: make_thumbnail(file, 50, bbox=(0, 0, 100, 100)), (50, 50)),
        (lambda file: resize(file, 600), (300, 200)),
        (optimize, (300, 200)),
    ],
)
def test_they_give_what_they_gave(picture: io.BytesIO, call: Callable[[Any], Any], size: tuple[int, int]) -> None:
    made = call(picture)
    assert made.tell() == 0
    with Image.open(made) as image:
        assert (image.size, image.format) == (size, 'PNG')


@pytest.mark.parametrize(
    ('call', 'size'),
    [
        (lambda file: make_thumbnail(file, 400), (200, 200)),
        (lambda file: make_thumbnail(file, 100, (0, 0, 50, 80)), (50, 50)),
        (lambda file: resize(file, 100), (100, 67)),
    ],
)
def test_thumbnails_are_not_enlarged_and_sizes_are_met(
    picture: io.BytesIO, call: Callable[[Any], Any], size: tuple[int, int]
) -> None:
    """Older packages gave 400, 100, and 99 by 66 pixels."""
    with Image.open(call(picture)) as image:
        assert image.size == size


def test_text_is_no_path_any_more(picture: io.BytesIO) -> None:
    with pytest.raises(TypeError, match='not str'):
        resize('photo.png', 100)
