"""Media types and content codings: what is stored, and what of it browsers receive.

A stored type is untrusted: it comes from an application, another program, or a visitor with a link for PUT. Parsers
disagree about malformed ones: a comma separates two types for some browsers. So a type is parsed once, strictly, and
serialized again from its parts.
"""

from __future__ import annotations

import functools
import re
from typing import Any

__all__ = ['UNKNOWN', 'content_coding', 'content_type', 'is_inert', 'normalized']

#: The type of unknown content. Browsers save it.
UNKNOWN = 'application/octet-stream'

#: Types that browsers show or play without running anything in them.
INERT_TYPES = frozenset(
    (
        'application/gzip',
        'application/json',
        'application/octet-stream',
        'application/pdf',
        'application/zip',
        'audio/aac',
        'audio/flac',
        'audio/mp4',
        'audio/mpeg',
        'audio/ogg',
        'audio/wav',
        'audio/webm',
        'audio/x-wav',
        'image/avif',
        'image/bmp',
        'image/gif',
        'image/heic',
        'image/heif',
        'image/jpeg',
        'image/png',
        'image/webp',
        'text/csv',
        'text/markdown',
        'text/plain',
        'video/mp4',
        'video/ogg',
        'video/webm',
    )
)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 9110 §8.3.1; a parameter may be missing between two semicolons (§5.6.6).
_PARAMETER = rf'({_TOKEN})=({_TOKEN}|"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*")'
_NEXT_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:{_PARAMETER})?')
_ESSENCE = re.compile(rf'[ \t]*({_TOKEN}/{_TOKEN})')
# Browsers sniff the content of the first three even with nosniff (MIME Sniffing Standard §7), and render each part of a
# multipart file as the type that the part claims.
_NO_TYPE = re.compile(r'\*/\*|unknown/unknown|application/unknown|multipart/.*')
# Encodings in which ASCII bytes mean ASCII letters. In others, such as UTF-7, UTF-16 and ISO-2022-JP, markup looks like
# harmless text to every check for it.
_CHARSETS = re.compile(
    r'utf-?8|us-ascii|iso-8859-([1-9]|1[0-6])|windows-125[0-8]|koi8-[ru]|gbk|gb2312|gb18030|big5(-hkscs)?|euc-(jp|kr)|shift_jis'
)
_CODINGS = re.compile(rf'{_TOKEN}([ \t]*,[ \t]*{_TOKEN})*')


def normalized(mime: Any) -> str:
    """*mime* serialized from its type and its supported parameters, or :data:`UNKNOWN` if it is malformed.

    Supported are ``charset``, for encodings that contain ASCII, and ``codecs``, for a single one.
    """
    return _normalized(mime) if isinstance(mime, str) else UNKNOWN


@functools.lru_cache(maxsize=1024)
def _normalized(mime: str) -> str:
    mime = mime.rstrip(' \t')
    if (essence := _ESSENCE.match(mime)) is None or _NO_TYPE.fullmatch(parsed := essence[1].lower()):
        return UNKNOWN
    parameters: dict[str, str] = {}
    at = essence.end()
    while at < len(mime):
        if (found := _NEXT_PARAMETER.match(mime, at)) is None:
            return UNKNOWN
        at = found.end()
        if found[1] is not None:
            parameters.setdefault(found[1].lower(), found[2].strip('"'))
    if (charset := parameters.get('charset', '').lower()) and _CHARSETS.fullmatch(charset):
        parsed += f'; charset={charset}'
    if re.fullmatch(_TOKEN, codecs := parameters.get('codecs', '')):
        parsed += f'; codecs={codecs}'
    return parsed


def content_type(mime: Any) -> str:
    """*mime* as a Content-Type header: normalized; text without a charset is UTF-8."""
    mime = normalized(mime)
    return f'{mime}; charset=utf-8' if mime.startswith('text/') and '; charset=' not in mime else mime


def is_inert(mime: Any) -> bool:
    """Whether browsers run nothing in content of the type *mime*."""
    return normalized(mime).partition(';')[0] in INERT_TYPES


def content_coding(value: Any) -> str | None:
    """The stored Content-Encoding *value* in lower case; None if there is none, or a malformed one."""
    if not isinstance(value, str) or not _CODINGS.fullmatch(value := value.strip(' \t').lower()):
        return None
    # aws-chunked was the framing of the upload; some stores keep it as if it were an encoding of the file.
    codings = [coding for part in value.split(',') if (coding := part.strip(' \t')) not in ('identity', 'aws-chunked')]
    return ', '.join(codings) or None
