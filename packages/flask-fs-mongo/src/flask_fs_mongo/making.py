"""What an image field has made from a picture."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_fs import InvalidContent
from flask_fs_images import Rendered, Spec, identify, render

from .stored import Bbox

if TYPE_CHECKING:
    from .fields import ImageField

#: What can be read only once is kept in memory up to this size, then in a temporary file.
_SPOOL_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Made:
    """The files of a picture besides the upload.

    :param main: The main file, if it is not the upload itself.
    :param thumbnails: By size.
    :param stands_in_for: The sizes for which the main file stands in. An SVG has any size.
    """

    main: Rendered | None
    thumbnails: Mapping[int, Rendered]
    stands_in_for: Sequence[int] = ()


def make(field: ImageField, file: Any, bbox: Bbox | None, filename: str, *, remake: bool = False) -> Made:
    """What *field* wants from the picture in *file*, which is decoded once, and stands where it stood afterwards.

    :param filename: Its name in errors.
    :param remake: Whether to make a main file in any case.
    :raises InvalidContent: If it is no picture, or a broken one, or over the field's limits.
    :raises ValueError: If the bbox lies outside of the picture.
    """
    try:
        return _made(field, file, bbox, filename, remake=remake)
    except InvalidContent as error:
        error.storage = error.storage or field.fs.name
        raise


def _made(field: ImageField, file: Any, bbox: Bbox | None, filename: str, *, remake: bool) -> Made:
    sizes = field.thumbnails
    limits = field.limits_now()
    info = identify(file, limits=limits, filename=filename)
    if info.width is None or info.height is None:
        return Made(None, {}, sizes)
    effort = field.optimizes()
    thumbnails = [Spec(size, 'cover', bbox, effort=effort) for size in sizes]
    main = [Spec(field.max_size, effort=effort)]
    if not remake and not effort and not _exceeds((info.width, info.height), field.max_size):
        main = []
    # A field takes pictures that can be decoded, even where nothing has to be made from them.
    specs = [*main, *thumbnails] or [Spec(1)]
    rendered = render(file, specs, limits=limits, filename=filename)
    return Made(rendered[0] if main else None, dict(zip(sizes, rendered[len(main) :], strict=False)))


def _exceeds(size: tuple[int, int], most: int | tuple[int, int] | None) -> bool:
    if most is None:
        return False
    across, down = (most, most) if isinstance(most, int) else most
    return size[0] > across or size[1] > down


@contextlib.contextmanager
def readable_twice(file: Any) -> Generator[Any]:
    """*file* itself, or where it can be read only once, a copy of what is left in it."""
    stream = getattr(file, 'stream', file)
    seekable = getattr(stream, 'seekable', None)
    if isinstance(file, os.PathLike) or (seekable() if callable(seekable) else hasattr(stream, 'seek')):
        yield file
        return
    if not callable(getattr(stream, 'read', None)):
        raise TypeError(f'cannot save {type(file).__name__}: it has no read()')
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy
