"""Media types and content codings: parsing stored ones, and making them safe for browsers.

A stored type is untrusted: it comes from an application, another program, or a visitor with a link for PUT. Parsers
disagree about malformed types; for some browsers, a comma separates two types. So a type is parsed once, strictly, and
serialized again from its parts.
"""

from __future__ import annotations

import functools
import re
from typing import Any

__all__ = ['UNKNOWN', 'content_coding', 'content_type', 'is_inert', 'normalized']

#: The type of unknown content. Browsers save it instead of showing it.
UNKNOWN = 'application/octet-stream'

#: Types that browsers show or play without running any code in them.
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
# multipart file with the type that the part declares.
_NO_TYPE = re.compile(r'\*/\*|unknown/unknown|application/unknown|multipart/.*')
# Encodings that contain ASCII. In others, such as UTF-7, UTF-16 and ISO-2022-JP, checks for markup see only harmless
# text.
_CHARSETS = re.compile(
    r'utf-?8|us-ascii|iso-8859-([1-9]|1[0-6])|windows-125[0-8]|koi8-[ru]|gbk|gb2312|gb18030|big5(-hkscs)?|euc-(jp|kr)|shift_jis'
)
_CODINGS = re.compile(rf'{_TOKEN}([ \t]*,[ \t]*{_TOKEN})*')


def normalized(mime: Any) -> str:
    """*mime* with only its type and supported parameters, or :data:`UNKNOWN` if it is malformed.

    The supported parameters are ``charset``, for encodings that contain ASCII, and ``codecs``, with a single codec.
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
    """*mime* as a Content-Type header: normalized, with UTF-8 as the default charset of text."""
    mime = normalized(mime)
    return f'{mime}; charset=utf-8' if mime.startswith('text/') and '; charset=' not in mime else mime


def is_inert(mime: Any) -> bool:
    """Whether browsers run no code in content of the type *mime*."""
    return normalized(mime).partition(';')[0] in INERT_TYPES


def content_coding(value: Any) -> str | None:
    """The stored Content-Encoding *value* in lowercase; None if it is missing or malformed."""
    if not isinstance(value, str) or not _CODINGS.fullmatch(value := value.strip(' \t').lower()):
        return None
    # aws-chunked was the framing of the upload. Some stores keep it like an encoding of the file.
    codings = [coding for part in value.split(',') if (coding := part.strip(' \t')) not in ('identity', 'aws-chunked')]
    return ', '.join(codings) or None
