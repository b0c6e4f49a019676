"""Derivatives: the files made from a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_fs.errors import InvalidContent

from .limits import Limits
from .picture import open_image
from .rendering import Rendered, render
from .spec import Spec

_HEIC = frozenset(('heic', 'heif'))


@dataclass(frozen=True)
class Recipe:
    """What to make from a picture.

    :param max_size: The maximum width and height of the main file, in pixels.
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
    """The files made from an upload.

    :param main: The main file, if it is not the upload itself.
    :param converted: Whether its format differs from that of the upload: browsers do not show HEIC.
    :param thumbnails: The thumbnail of each size.
    :param sizes_of_main: The sizes for which the main file is the thumbnail too. An SVG has any size.
    """

    main: Rendered | None
    thumbnails: Mapping[int, Rendered]
    sizes_of_main: Sequence[int] = ()
    converted: bool = False

    def renamed(self, filename: str) -> str:
        """The name of a file made from *filename*: ``a.jpg`` for ``a.heic``."""
        stem, dot, extension = filename.rpartition('.')
        return f'{stem}{dot}jpg' if self.converted and extension.lower() in _HEIC else filename


def derive(
    recipe: Recipe, file: Any, bbox: Iterable[float] | None, filename: str, storage: str, *, remake: bool = False
) -> Derivatives:
    """What *recipe* makes from the picture in *file*, which is decoded once, and is left at its position.

    :param filename: Its name in errors.
    :param storage: The name of its storage in errors.
    :param remake: Whether to make a main file in any case.
    :raises InvalidContent: If it is not a picture, is broken, or exceeds the limits.
    :raises ValueError: If the bbox lies outside of the picture.
    """
    sizes, effort = recipe.thumbnail_sizes, recipe.effort
    try:
        with open_image(file, limits=recipe.limits, filename=filename) as image:
            info = image.info
            if info.width is None or info.height is None:
                return Derivatives(None, {}, sizes)
            exceeds = recipe.max_size is not None and (
                info.width > recipe.max_size[0] or info.height > recipe.max_size[1]
            )
            converted = info.format == 'HEIC'
            main = [Spec(recipe.max_size, effort=effort)] if remake or effort or converted or exceeds else []
            thumbnails = [Spec(size, 'cover', bbox, effort=effort) for size in sizes]
            # It must be possible to decode a picture, even if nothing is made from it.
            rendered = render(image, [*main, *thumbnails] or [Spec(1)])
    except InvalidContent as error:
        error.storage = error.storage or storage
        raise
    made = dict(zip(sizes, rendered[len(main) :], strict=False))
    return Derivatives(rendered[0] if main else None, made, converted=converted)
