"""Which output is made from what: how much of a JPEG to decode, and which sizes come from which others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL.Image import Image, Transpose

from .spec import Box, Placement, Size

#: How many pixels a JPEG's decoder must leave across each one of an output. Decoders scale by 1/2, 1/4 and 1/8 in the
#: frequency domain, which is at least 50 dB close to scaling by a Lanczos filter from here on.
DECODED_PER_PIXEL = 1.5
#: The same for an output that is made from another one.
DERIVED_PER_PIXEL = 4
#: The same for scaling in two steps, of which the first takes means of whole blocks.
REDUCED_PER_PIXEL = 3.0

_OPERATIONS = (
    None,
    Transpose.FLIP_LEFT_RIGHT,
    Transpose.ROTATE_180,
    Transpose.FLIP_TOP_BOTTOM,
    Transpose.TRANSPOSE,
    Transpose.ROTATE_270,
    Transpose.TRANSVERSE,
    Transpose.ROTATE_90,
)


@dataclass(frozen=True)
class Turn:
    """How a picture is stored, compared to how it is shown: one of the eight orientations of EXIF.

    :param size: The size as shown.
    """

    orientation: int
    size: Size

    def stored(self, placement: Placement) -> Placement:
        """The same part of the picture in pixels as they are stored."""
        (left, upper, right, lower), size = placement
        width, height = self.size
        if self.orientation in {2, 3, 6, 7}:
            left, right = width - right, width - left
        if self.orientation in {3, 4, 7, 8}:
            upper, lower = height - lower, height - upper
        if self.orientation >= 5:
            return Placement((upper, left, lower, right), (size[1], size[0]))
        return Placement((left, upper, right, lower), size)

    def shown(self, image: Image) -> Image:
        """An image that is stored as it is shown."""
        operation = _OPERATIONS[self.orientation - 1]
        return image if operation is None else image.transpose(operation)


@dataclass(frozen=True)
class Step:
    """One output to make.

    :param number: Of the output.
    :param parent: The number of the output that it is made from; None for the decoded picture.
    :param place: Its part of the picture and its size, as stored.
    """

    number: int
    parent: int | None
    place: Placement


def scale_of(place: Placement) -> float:
    """How many pixels of output stand for one of the picture."""
    (left, upper, right, lower), (across, down) = place
    return max(across / (right - left), down / (lower - upper))


def decoding_factor(places: Sequence[Placement]) -> int:
    """By how much a JPEG's decoder may scale down for outputs at *places*: 1, 2, 4 or 8."""
    needed = DECODED_PER_PIXEL * max(map(scale_of, places), default=1)
    return next((factor for factor in (8, 4, 2) if factor * needed <= 1), 1)


def steps_for(places: Sequence[Placement]) -> list[Step]:
    """How to make outputs at *places*, larger ones first, each from the smallest one before it that will do."""
    steps: list[Step] = []
    for number in sorted(range(len(places)), key=lambda number: scale_of(places[number]), reverse=True):
        place = places[number]
        parents = [
            step
            for step in steps
            if _holds(step.place.box, place.box) and _least_scale(step.place) >= DERIVED_PER_PIXEL * scale_of(place)
        ]
        parent = min(parents, key=lambda step: step.place.size[0] * step.place.size[1], default=None)
        steps.append(Step(number, None if parent is None else parent.number, place))
    return steps


def _holds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _least_scale(place: Placement) -> float:
    (left, upper, right, lower), (across, down) = place
    return min(across / (right - left), down / (lower - upper))
