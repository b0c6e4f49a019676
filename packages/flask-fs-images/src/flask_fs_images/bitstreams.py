"""The sizes that AV1 and HEVC decoders allocate memory for, read from the bitstream itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .bits import Bits
from .limits import Extent
from .reader import Broken

#: Enough of a header to include its sizes.
_HEAD_BYTES = 128
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_SELECT = 2


def av1_extents(samples: Iterable[bytes]) -> Iterator[Extent]:
    """The size of each frame decoded from *samples*, and of each sequence of frames, with ``frames=0``.

    A frame whose size may differ from its sequence counts as the largest size that its header can encode.

    :raises Broken: If the headers are broken.
    """
    sequence: _Av1Sequence | None = None
    for sample in samples:
        for kind, unit in _open_bitstream_units(sample):
            if kind == _SEQUENCE:
                sequence = _Av1Sequence(unit)
                yield sequence.size._replace(frames=0)
            elif kind in {_FRAME_HEADER, _FRAME} and sequence is not None:
                own_size = sequence.has_own_size(unit)
                if own_size is not None:
                    yield sequence.largest if own_size else sequence.size


def _open_bitstream_units(content: bytes) -> Iterator[tuple[int, Bits]]:
    """The kind of each unit of *content*, and its beginning."""
    at = 0
    while at < len(content):
        unit = Bits(content, at)
        unit.read(1)
        kind, has_extension, has_size, _ = unit.read(4), unit.read(1), unit.read(1), unit.read(1)
        unit.read(8 * has_extension)
        size = unit.leb128() if has_size else len(content) - unit.at
        start, at = unit.at, unit.at + size
        if at > len(content):
            raise Broken('a unit of a bitstream is cut short')
        yield kind, Bits(content, start, min(at, start + _HEAD_BYTES))


class _Av1Sequence:
    """The values of a sequence header (AV1 Bitstream & Decoding Process Specification, 5.5)."""

    def __init__(self, bits: Bits) -> None:
        bits.read(4)
        self._reduced = bits.read(1)
        self._presentation_bits = self._frame_id_bits = 0
        if self._reduced:
            bits.read(5)
        else:
            self._presentation_bits = _skip_operating_points(bits)
        across_bits, down_bits = bits.read(4) + 1, bits.read(4) + 1
        self.size = Extent(bits.read(across_bits) + 1, bits.read(down_bits) + 1)
        self.largest = Extent(1 << across_bits, 1 << down_bits)
        if not self._reduced and bits.read(1):
            self._frame_id_bits = bits.read(4) + 2
            self._frame_id_bits += bits.read(3) + 1
        self._screen_content = self._integer_motion = _SELECT
        bits.read(3)
        if not self._reduced:
            bits.read(4)
            order_hint = bits.read(1)
            bits.read(2 * order_hint)
            self._screen_content = _SELECT if bits.read(1) else bits.read(1)
            if self._screen_content:
                self._integer_motion = _SELECT if bits.read(1) else bits.read(1)

    def has_own_size(self, bits: Bits) -> bool | None:
        """Whether a frame's size may differ from its sequence; None if the frame only repeats another one (5.9.2)."""
        if self._reduced:
            return False
        if bits.read(1):
            return None
        kind, shown = bits.read(2), bits.read(1)
        bits.read(self._presentation_bits if shown else 1)
        switch = kind == 3
        if not switch and not (kind == 0 and shown):
            bits.read(1)
        bits.read(1)
        screen_content = bits.read(1) if self._screen_content == _SELECT else self._screen_content
        if screen_content and self._integer_motion == _SELECT:
            bits.read(1)
        bits.read(self._frame_id_bits)
        return switch or bool(bits.read(1))


def _skip_operating_points(bits: Bits) -> int:
    """Skip to the size, and return the number of bits of a frame's presentation time."""
    presentation_bits = delay_bits = 0
    if bits.read(1):
        bits.read(64)
        equal_interval = bits.read(1)
        if equal_interval:
            bits.exp_golomb()
        if bits.read(1):
            delay_bits = bits.read(5) + 1
            bits.read(37)
            presentation_bits = 0 if equal_interval else bits.read(5) + 1
            bits.read(5 * equal_interval)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
    return presentation_bits


_SPS = 33


def hevc_extents(units: Iterable[bytes]) -> Iterator[Extent]:
    """The sizes in each sequence parameter set among the NAL units *units* (ITU-T H.265, 7.3).

    The first size is decoded; the second, with ``frames=0``, is the visible part of it.

    :raises Broken: If a parameter set is broken.
    """
    for unit in units:
        # Only the base layer is decoded.
        layer = (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 2 else 1
        if not layer and unit[0] >> 1 & 0x3F == _SPS:
            # Emulation prevention: 00 00 03 means 00 00.
            yield from _hevc_sizes(Bits(unit[2:_HEAD_BYTES].replace(b'\0\0\3', b'\0\0')))


def length_prefixed(content: bytes, length_bytes: int) -> Iterator[bytes]:
    """The beginnings of the NAL units of a sample."""
    at = 0
    while at + length_bytes <= len(content):
        size = int.from_bytes(content[at : at + length_bytes], 'big')
        at += length_bytes
        yield content[at : min(at + size, at + _HEAD_BYTES)]
        at += size


def _hevc_sizes(bits: Bits) -> tuple[Extent, Extent]:
    bits.read(4)
    sublayers = bits.read(3)
    bits.read(1)
    # profile_tier_level: the general part, then which sublayers have their own.
    bits.read(96)
    present = [(bits.read(1), bits.read(1)) for _ in range(sublayers)]
    if sublayers:
        bits.read(2 * (8 - sublayers))
    for profile, level in present:
        bits.read(88 * profile + 8 * level)
    bits.exp_golomb()
    chroma = bits.exp_golomb()
    if chroma == 3:
        bits.read(1)
    across, down = bits.exp_golomb(), bits.exp_golomb()
    cropped = [bits.exp_golomb() for _ in range(4)] if bits.read(1) else [0] * 4
    # In pixels of the chroma planes, which may be smaller.
    shown_across = across - sum(cropped[:2]) * (2 if chroma in {1, 2} else 1)
    shown_down = down - sum(cropped[2:]) * (2 if chroma == 1 else 1)
    return Extent(across, down), Extent(shown_across, shown_down, 0)
