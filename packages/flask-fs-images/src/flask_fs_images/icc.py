"""Color profiles for images that define their colors by a few numbers instead."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Vector]

#: x and y of red, green, blue and white, by their code in ITU-T H.273, 8.1.
_PRIMARIES = {
    1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
}
_SRGB = _PRIMARIES[1]
#: The codes of transfer functions (8.2) that are plain powers, and the codes for a high dynamic range. Video is
#: displayed with 2.4 (ITU-R BT.1886).
_POWERS = {1: 2.4, 4: 2.2, 5: 2.8, 6: 2.4, 8: 1.0, 14: 2.4, 15: 2.4}
_PQ, _HLG = 16, 18
#: The brightness of white paper in a high dynamic range, in candela per square meter (ITU-R BT.2408).
_WHITE_NITS = 203
_TABLE_ENTRIES = 1024
#: The white point of profiles (ICC.1:2022, 7.2.16), and the Bradford transform that adapts to it.
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def from_gamma(gamma: bytes, chromaticities: bytes, *, gray: bool) -> bytes:
    """The profile for the content of a PNG's ``gAMA`` and ``cHRM``; empty if it is sRGB or invalid."""
    exponent = 100_000 / int.from_bytes(gamma, 'big')
    primaries: Sequence[float] = _SRGB
    if len(chromaticities) == 32:
        white, *others = zip(*[iter(n / 100_000 for n in struct.unpack('>8L', chromaticities))] * 2, strict=True)
        primaries = [number for pair in [*others, white] for number in pair]
    if abs(exponent - 2.2) < 0.01 and all(abs(a - b) < 0.002 for a, b in zip(primaries, _SRGB, strict=True)):
        return b''
    return _profile(_parametric(0, exponent), primaries, gray=gray)


def from_codes(codes: bytes, *, gray: bool) -> bytes:
    """The profile for the primaries and transfer of ``cICP`` or ``nclx``; empty if they are sRGB or undefined."""
    primaries, transfer = _PRIMARIES.get(codes[0], _SRGB), codes[1]
    if transfer in _POWERS:
        curve = _parametric(0, _POWERS[transfer])
    elif transfer in {_PQ, _HLG}:
        curve = _table([(_pq if transfer == _PQ else _hlg)(n / (_TABLE_ENTRIES - 1)) for n in range(_TABLE_ENTRIES)])
    elif primaries == _SRGB:
        return b''
    else:
        # Other codes are treated as sRGB, as in browsers.
        curve = _parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return _profile(curve, primaries, gray=gray)


def _pq(signal: float) -> float:
    # SMPTE ST 2084.
    root = math.pow(signal, 32 / 2523)
    light = math.pow(max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 16384 / 2610)
    return light * 10_000 / _WHITE_NITS


def _hlg(signal: float) -> float:
    # ARIB STD-B67, displayed with up to 1,000 candela per square meter.
    light = signal * signal / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return math.pow(light, 1.2) * 1_000 / _WHITE_NITS


def _profile(curve: bytes, primaries: Sequence[float], *, gray: bool) -> bytes:
    try:
        columns = _colorants(primaries)
    except (ZeroDivisionError, OverflowError):
        return b''
    tags = {b'desc': _text('As described by the image'), b'cprt': _text('CC0'), b'wtpt': _xyz(_D50)}
    if gray:
        tags[b'kTRC'] = curve
    else:
        tags |= {name: _xyz(column) for name, column in zip((b'rXYZ', b'gXYZ', b'bXYZ'), columns, strict=True)}
        tags |= {b'rTRC': curve, b'gTRC': curve, b'bTRC': curve}
    table, content, places = struct.pack('>L', len(tags)), b'', dict[bytes, int]()
    begin = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        if tag not in places:
            places[tag] = begin + len(content)
            content += tag + bytes(-len(tag) % 4)
        table += name + struct.pack('>LL', places[tag], len(tag))
    space = b'GRAY' if gray else b'RGB '
    head = struct.pack('>L4xL4s4s4s12x4s', begin + len(content), 0x04400000, b'mntr', space, b'XYZ ', b'acsp')
    return head.ljust(68, b'\0') + _fixed(*_D50) + bytes(48) + table + content


def _colorants(primaries: Sequence[float]) -> list[Vector]:
    """Red, green, and blue in XYZ, adapted to D50."""
    *corners, white = [(x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]
    shares = _times(_inverse(list(zip(*corners, strict=True))), white)
    seen, wanted = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    columns = []
    for corner, share in zip(corners, shares, strict=True):
        cone = _times(_BRADFORD, [number * share for number in corner])
        adapted = [number * b / a for number, a, b in zip(cone, seen, wanted, strict=True)]
        columns.append(_times(_inverse(_BRADFORD), adapted))
    return columns


def _times(matrix: Matrix, vector: Vector) -> Vector:
    return [sum(x * y for x, y in zip(row, vector, strict=True)) for row in matrix]


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    size = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        ((e * i - f * h) / size, (c * h - b * i) / size, (b * f - c * e) / size),
        ((f * g - d * i) / size, (a * i - c * g) / size, (c * d - a * f) / size),
        ((d * h - e * g) / size, (b * g - a * h) / size, (a * e - b * d) / size),
    )


def _fixed(*numbers: float) -> bytes:
    """*numbers*, each as an s15Fixed16Number."""
    return b''.join(struct.pack('>l', max(-(2**31), min(2**31 - 1, round(number * 65536)))) for number in numbers)


def _xyz(vector: Vector) -> bytes:
    return b'XYZ \0\0\0\0' + _fixed(*vector)


def _parametric(kind: int, *numbers: float) -> bytes:
    return b'para\0\0\0\0' + struct.pack('>HH', kind, 0) + _fixed(*numbers)


def _table(values: Sequence[float]) -> bytes:
    numbers = [round(min(1, value) * 65535) for value in values]
    return b'curv\0\0\0\0' + struct.pack(f'>L{len(numbers)}H', len(numbers), *numbers)


def _text(text: str) -> bytes:
    content = text.encode('utf-16-be')
    return b'mluc\0\0\0\0' + struct.pack('>LL4sLL', 1, 12, b'enUS', len(content), 28) + content
