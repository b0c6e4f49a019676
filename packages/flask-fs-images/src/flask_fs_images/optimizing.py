"""Never more bytes than before: the picture as it came, without its metadata, where encoding it again gains nothing."""

from __future__ import annotations

import io
from collections.abc import Callable

from . import gif, heif, jpeg, png, webp
from .opening import Picture
from .source import MOST_BYTES

#: How small encoding again must make a picture to be worth what it loses: with the tables that it came with, and without.
_WORTH_LITTLE, _WORTH_A_LOSS = 0.99, 0.95


def _unchanged(content: bytes, orientation: int) -> bytes | None:
    return content


#: What takes the metadata out of a file without decoding it.
_STRIPPERS: dict[str, Callable[[bytes, int], bytes | None]] = {
    'JPEG': jpeg.stripped,
    'PNG': png.stripped,
    'GIF': gif.stripped,
    'WEBP': webp.stripped,
    'AVIF': heif.stripped,
    'BMP': _unchanged,
}


def no_larger(picture: Picture, made: io.BytesIO, *, kept_quality: bool) -> io.BytesIO:
    """*made*, the same picture encoded again, or if that is not worth it, the file that it was made from.

    That file comes without metadata, but for how it is turned where it is.

    :param kept_quality: Whether it was encoded with the tables that it came with.
    """
    size_bytes, made_bytes = picture.source.size_bytes(), len(made.getbuffer())
    if size_bytes > max(MOST_BYTES, made_bytes):
        return made
    picture.source.watch = None
    with picture.source.blamed():
        picture.source.seek(0)
        content = b''.join(iter(lambda: picture.source.read(1 << 20), b''))
        kept = _STRIPPERS[picture.format](content, picture.orientation)
    if kept is None:
        return made
    exact = picture.lossless or picture.format in {'PNG', 'GIF', 'BMP'}
    most = len(kept) * (1 if exact else _WORTH_LITTLE if kept_quality else _WORTH_A_LOSS)
    # Turned pixels are read by more programs than a note of how to turn them.
    if made_bytes < most or (picture.orientation != 1 and made_bytes <= size_bytes):
        return made
    return io.BytesIO(kept)
