"""Derivatives: the files made from a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .limits import Limits
from .picture import open_image
from .rendering import Rendered, render
from .spec import Spec

_HEIC = frozenset(('heic', 'heif'))


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
    file: Any,
    main: Spec,
    sizes: Iterable[int],
    bbox: Iterable[float] | None,
    *,
    limits: Limits,
    filename: str,
    remake: bool = False,
) -> Derivatives:
    """What to store of the picture in *file*, which is decoded once, and is left at its position.

    :param main: The main file. None is made if the upload fits its size, and nothing else requires one.
    :param sizes: Those of the thumbnails, which are made with the effort of the main file.
    :param bbox: The part of the picture that the thumbnails show.
    :param filename: Its name in errors.
    :param remake: Whether to make a main file in any case.
    :raises InvalidContent: If it is not a picture, is broken, or exceeds the limits.
    :raises ValueError: If the bbox is invalid, or lies outside of the picture.
    """
    with open_image(file, limits=limits, filename=filename) as image:
        width, height, converted = image.info.width, image.info.height, image.info.format == 'HEIC'
        if width is None or height is None:
            # A bbox in pixels means nothing then.
            return Derivatives(None, {}, tuple(sizes))
        thumbnails = {size: Spec(size, 'cover', bbox, effort=main.effort) for size in sizes}
        is_made = remake or main.effort or converted or main.place(width, height).size != (width, height)
        mains = [main] if is_made else []
        # It must be possible to decode a picture, even if nothing is made from it.
        rendered = render(image, [*mains, *thumbnails.values()] or [Spec(1)])
    made = dict(zip(thumbnails, rendered[len(mains) :], strict=False))
    return Derivatives(rendered[0] if is_made else None, made, converted=converted)
