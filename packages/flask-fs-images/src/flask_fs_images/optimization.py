"""Keeping the original, without metadata, if re-encoding does not make it smaller."""

from __future__ import annotations

import io
from collections.abc import Callable

from . import gif, heif, jpeg, png, webp
from .picture import Picture
from .reader import MAX_BYTES

#: How much smaller re-encoding must make an image to be worth the loss: with the tables of the original, and without.
_MAX_RATIO_SAME_TABLES, _MAX_RATIO = 0.99, 0.95
#: Functions that remove the metadata from a file without decoding it.
_STRIPPERS: dict[str, Callable[[bytes, int], bytes | None]] = {
    'JPEG': jpeg.stripped,
    'PNG': png.stripped,
    'GIF': gif.stripped,
    'WEBP': webp.stripped,
    'AVIF': heif.stripped,
    # BMP has no metadata.
    'BMP': lambda content, _: content,
}


def no_larger(picture: Picture, encoded: io.BytesIO, *, kept_quality: bool) -> io.BytesIO:
    """*encoded*, which is the re-encoded image, or the original file if re-encoding gains too little.

    The original is returned without metadata except its orientation.

    :param kept_quality: Whether the image was re-encoded with the tables of the original.
    """
    size_bytes, encoded_bytes = picture.reader.size_bytes(), len(encoded.getbuffer())
    if size_bytes > max(MAX_BYTES, encoded_bytes):
        return encoded
    picture.reader.on_read = None
    with picture.reader.content_errors():
        picture.reader.seek(0)
        content = b''.join(iter(lambda: picture.reader.read(1 << 20), b''))
        kept = _STRIPPERS[picture.format](content, picture.orientation.number)
    if kept is None:
        return encoded
    exact = picture.inspection.lossless or picture.format in {'PNG', 'GIF', 'BMP'}
    max_bytes = len(kept) * (1 if exact else _MAX_RATIO_SAME_TABLES if kept_quality else _MAX_RATIO)
    # Rotated pixels work in more programs than an orientation in EXIF.
    if encoded_bytes < max_bytes or (picture.orientation.number != 1 and encoded_bytes <= size_bytes):
        return encoded
    return io.BytesIO(kept)
