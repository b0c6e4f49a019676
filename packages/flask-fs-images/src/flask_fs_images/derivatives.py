"""Derivatives: the files made from an image."""

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
    :param converted: Whether its format differs from the upload's. HEIC is converted, because few browsers show it.
    :param thumbnails: The thumbnail of each size.
    :param sizes_of_main: The sizes for which the main file is also the thumbnail. An SVG fits any size.
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
    """Make the files to store for the image in *file*, which is decoded once and keeps its position.

    :param main: The main file. It is not made if the upload is small enough and nothing else requires it.
    :param sizes: The sizes of the thumbnails, which are made with the effort of the main file.
    :param bbox: The part of the image that the thumbnails show.
    :param filename: The filename for error messages.
    :param remake: Whether to make a main file in any case.
    :raises InvalidContent: If the file is not an image, is broken, or exceeds the limits.
    :raises ValueError: If the bbox is invalid or outside the image.
    """
    with open_image(file, limits=limits, filename=filename) as image:
        width, height, converted = image.info.width, image.info.height, image.info.format == 'HEIC'
        if width is None or height is None:
            # An SVG has no pixels that a bbox could refer to.
            return Derivatives(None, {}, tuple(sizes))
        thumbnails = {size: Spec(size, 'cover', bbox, effort=main.effort) for size in sizes}
        is_made = remake or main.effort or converted or main.place(width, height).size != (width, height)
        mains = [main] if is_made else []
        # Decode the image even if nothing is made from it, to find out whether it is valid.
        rendered = render(image, [*mains, *thumbnails.values()] or [Spec(1)])
    made = dict(zip(thumbnails, rendered[len(mains) :], strict=False))
    return Derivatives(rendered[0] if is_made else None, made, converted=converted)
