"""The request headers of tus, parsed strictly, because they are untrusted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from flask import Request, abort

#: The version of the protocol in each request and response.
VERSION = '1.0.0'
#: The media type of the body of an upload.
BODY_TYPE = 'application/offset+octet-stream'
#: The algorithms of Upload-Checksum. The protocol requires sha1.
ALGORITHMS = ('sha1', 'sha256', 'md5')
#: The maximum length of Upload-Metadata: it is part of the upload's URL, and some servers accept URLs of at most 4 kB.
MAX_METADATA_BYTES = 2048

_NUMBER = re.compile(r'\d{1,18}', re.ASCII)
_KEY = re.compile(r'[!-+\--~]+')


class Checksum(NamedTuple):
    """The checksum that the body of a request must have.

    :param algorithm: One of :data:`ALGORITHMS`.
    """

    algorithm: str
    digest: bytes


def number(request: Request, header: str, missing: int = 400) -> int:
    """The number of bytes in a header.

    :param missing: The status of the response if it is missing.
    """
    if (text := request.headers.get(header)) is None:
        abort(missing, description=f'{header} is missing.')
    if not _NUMBER.fullmatch(text):
        abort(400, description=f'{header} must be a number of bytes.')
    return int(text)


def metadata(text: str) -> dict[str, str]:
    """The values of Upload-Metadata by key. Bytes that are not UTF-8 are replaced."""
    if len(text) > MAX_METADATA_BYTES:
        abort(431, description=f'Upload-Metadata may have at most {MAX_METADATA_BYTES} bytes.')
    values: dict[str, str] = {}
    for pair in filter(None, text.split(',')):
        key, _, value = pair.strip(' ').partition(' ')
        if not _KEY.fullmatch(key) or key in values:
            abort(400, description='Upload-Metadata has a key that is empty, not ASCII, or duplicate.')
        values[key] = _decoded(value, 'Upload-Metadata').decode('utf-8', 'replace')
    return values


def checksum(request: Request) -> Checksum | None:
    """The checksum in Upload-Checksum, or None without that header."""
    if (text := request.headers.get('Upload-Checksum')) is None:
        return None
    algorithm, _, digest = text.partition(' ')
    if algorithm not in ALGORITHMS:
        abort(400, description=f'Upload-Checksum must use one of {", ".join(ALGORITHMS)}.')
    decoded = _decoded(digest, 'Upload-Checksum')
    if len(decoded) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        abort(400, description=f'Upload-Checksum is not a valid {algorithm} checksum.')
    return Checksum(algorithm, decoded)


def _decoded(text: str, header: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        abort(400, description=f'{header} has a value that is not Base64.')
