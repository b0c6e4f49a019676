"""What is made from a picture."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_fs import InvalidContent
from flask_fs.backends.streams import chunks_of
from flask_fs.uploads import position_kept
from flask_fs_images import Limits, Rendered, Spec, identify, render

#: What can be read only once is kept in memory up to this size, then in a temporary file.
_SPOOL_BYTES = 1024 * 1024
_HEIC = frozenset(('heic', 'heif'))


@dataclass(frozen=True)
class Recipe:
    """What to make from a picture.

    :param max_size: The most pixels across and down of the main file.
    :param thumbnail_sizes: The width and height of each thumbnail.
    :param effort: Whether to spend time on smaller files.
    :param limits: How much a picture may demand.
    """

    max_size: tuple[int, int] | None
    thumbnail_sizes: Sequence[int]
    effort: bool
    limits: Limits


@dataclass(frozen=True)
class Derivatives:
    """The files of a picture besides the upload.

    :param main: The main file, if it is not the upload itself.
    :param converted: Whether it is of another format than the upload: browsers do not show HEIC.
    :param thumbnails: By size.
    :param stands_in_for: The sizes for which the main file stands in. An SVG has any size.
    """

    main: Rendered | None
    thumbnails: Mapping[int, Rendered]
    stands_in_for: Sequence[int] = ()
    converted: bool = False

    def renamed(self, filename: str) -> str:
        """What is made from *filename* is named like this: ``a.jpg`` for ``a.heic``."""
        stem, dot, extension = filename.rpartition('.')
        return f'{stem}{dot}jpg' if self.converted and extension.lower() in _HEIC else filename


def make(
    recipe: Recipe, file: Any, bbox: Iterable[float] | None, filename: str, storage: str, *, remake: bool = False
) -> Derivatives:
    """What *recipe* says from the picture in *file*, which is decoded once, and is left at its position.

    :param filename: Its name in errors.
    :param storage: Likewise.
    :param remake: Whether to make a main file in any case.
    :raises InvalidContent: If it is no picture, or a broken one, or over the limits.
    :raises ValueError: If the bbox lies outside of the picture.
    """
    try:
        return _made(recipe, file, bbox, filename, remake=remake)
    except InvalidContent as error:
        error.storage = error.storage or storage
        raise


def _made(recipe: Recipe, file: Any, bbox: Iterable[float] | None, filename: str, *, remake: bool) -> Derivatives:
    sizes, effort = recipe.thumbnail_sizes, recipe.effort
    info = identify(file, limits=recipe.limits, filename=filename)
    if info.width is None or info.height is None:
        return Derivatives(None, {}, sizes)
    thumbnails = [Spec(size, 'cover', bbox, effort=effort) for size in sizes]
    main = [Spec(recipe.max_size, effort=effort)]
    converted = info.format == 'HEIC'
    if not remake and not effort and not converted and not _exceeds((info.width, info.height), recipe.max_size):
        main = []
    # Pictures must be ones that can be decoded, even where nothing is made from them.
    specs = [*main, *thumbnails] or [Spec(1)]
    rendered = render(file, specs, limits=recipe.limits, filename=filename)
    made = dict(zip(sizes, rendered[len(main) :], strict=False))
    return Derivatives(rendered[0] if main else None, made, converted=converted)


def _exceeds(size: tuple[int, int], max_size: tuple[int, int] | None) -> bool:
    return max_size is not None and (size[0] > max_size[0] or size[1] > max_size[1])


@contextlib.contextmanager
def readable_twice(file: Any, limit: Callable[[Any], Any]) -> Generator[Any]:
    """*file* itself, opened if it is a path; where it can be read only once, a copy of what is left in it.

    :param limit: Gives a file that is small enough as it is; of one whose size is not known, it gives a reader that raises
        once too much was read.
    """
    if isinstance(file, os.PathLike):
        with open(file, 'rb') as opened:
            yield limit(opened)
        return
    stream = getattr(file, 'stream', file)
    seekable = getattr(stream, 'seekable', None)
    if seekable() if callable(seekable) else hasattr(stream, 'seek'):
        if (reader := limit(file)) is not file:
            with position_kept(file):
                for _ in chunks_of(reader):
                    pass
        yield file
        return
    if not callable(getattr(stream, 'read', None)):
        raise TypeError(f'cannot save {type(file).__name__}: it has no read()')
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as copy:
        shutil.copyfileobj(limit(stream), copy)
        copy.seek(0)
        yield copy
