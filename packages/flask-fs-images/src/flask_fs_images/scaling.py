"""Planning how to scale outputs: how small a JPEG is decoded, and which sizes are made from which others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL.Image import Image, Resampling

from .color import premultiplied
from .spec import Box, Placement, Size

#: The minimum number of decoded JPEG pixels per output pixel, on each side. Decoders scale by 1/2, 1/4, and 1/8 in the
#: frequency domain. From this value on, the result matches scaling with a Lanczos filter with a PSNR of 50 dB or more.
DECODED_PER_PIXEL = 1.5
#: The same for an output that is made from another one.
DERIVED_PER_PIXEL = 4
#: The same for scaling in two steps, where the first step averages complete blocks.
REDUCED_PER_PIXEL = 3.0


@dataclass(frozen=True)
class Step:
    """One output to make.

    :param number: The number of the output.
    :param parent: The number of the output that it is made from; None for the decoded image.
    :param placement: Its part of the image and its size, in the stored orientation.
    """

    number: int
    parent: int | None
    placement: Placement


def scales(placement: Placement) -> tuple[float, float]:
    """The number of output pixels per image pixel, across and down."""
    (left, upper, right, lower), (width, height) = placement
    return width / (right - left), height / (lower - upper)


def decoding_factor(placements: Sequence[Placement]) -> int:
    """The factor by which a JPEG decoder can scale down for these outputs: 1, 2, 4, or 8."""
    needed = DECODED_PER_PIXEL * max((max(scales(placement)) for placement in placements), default=1)
    return next((factor for factor in (8, 4, 2) if factor * needed <= 1), 1)


def plan(placements: Sequence[Placement]) -> list[Step]:
    """The steps to make these outputs, largest first, each from the smallest previous one that is large enough."""
    steps: list[Step] = []
    for number, placement in sorted(enumerate(placements), key=lambda item: max(scales(item[1])), reverse=True):
        needed = DERIVED_PER_PIXEL * max(scales(placement))
        parents = [
            step
            for step in steps
            if _contains(step.placement.box, placement.box) and min(scales(step.placement)) >= needed
        ]
        parent = min(parents, key=lambda step: step.placement.size[0] * step.placement.size[1], default=None)
        steps.append(Step(number, None if parent is None else parent.number, placement))
    return steps


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


class Level:
    """The image, or a part of it, in some size, from which smaller ones are made.

    :param box: The part that it shows, in pixels of the stored image.
    """

    def __init__(self, image: Image, box: Box) -> None:
        self.image = image
        self._left, self._upper = box[:2]
        self._scales = scales(Placement(box, image.size))

    def part(self, box: Box, size: Size) -> Image:
        """The part in *box*, scaled to *size*. The level must contain that part."""
        left, right = ((x - self._left) * self._scales[0] for x in box[::2])
        upper, lower = ((y - self._upper) * self._scales[1] for y in box[1::2])
        corner = round(left), round(upper)
        if (left, upper, right, lower) == (*corner, corner[0] + size[0], corner[1] + size[1]):
            return self.image if size == self.image.size else self.image.crop((left, upper, right, lower))
        self.image = premultiplied(self.image)
        inside = max(0, left), max(0, upper), min(self.image.width, right), min(self.image.height, lower)
        return self.image.resize(size, Resampling.LANCZOS, inside, REDUCED_PER_PIXEL)
