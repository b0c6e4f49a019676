"""What is kept with a file besides its bytes, as the headers of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    FileInfo,
    attachment,
    changed,
    decode_text,
    download_name_of,
    encode_text,
)
from flask_fs.files import mime_type

_METADATA = 'x-object-meta-'
_OWN_METADATA = f'{_METADATA}fs-'
#: Where a file's own checksum is kept with it.
CHECKSUM = f'{_OWN_METADATA}checksum'
#: What distinguishes one creation of a file from every other.
CREATION = f'{_OWN_METADATA}creation'
#: What distinguishes one change of attributes from every other, after the ETag of the content that it was meant for.
CHANGE = f'{_OWN_METADATA}change'

_HEADERS = {
    'mime': 'content-type',
    'cache_control': 'cache-control',
    'content_encoding': 'content-encoding',
    'content_language': 'content-language',
    'download_name': 'content-disposition',
}
# Besides metadata, what an object loses when a change of its headers does not repeat it; but for its type.
_REPEATED = frozenset((*_HEADERS.values(), 'expires', 'x-delete-at', 'x-object-manifest', 'x-robots-tag'))
#: Attributes that not every store keeps: Swift's operators choose the headers (allowed_headers of the object server).
PROBE = Attributes(cache_control='no-cache', content_encoding='gzip', content_language='en', download_name='probe')


def headers_of(attributes: Attributes, name: str) -> dict[str, str]:
    """The headers with which a file *name* is stored."""
    given = attributes.given() | {'mime': attributes.mime or mime_type(name)}
    if attributes.download_name:
        given['download_name'] = attachment(attributes.download_name)
    headers = {header: given[each] for each, header in _HEADERS.items() if each in given}
    return headers | {_METADATA + key: encode_text(value) for key, value in attributes.metadata.items()}


def attributes_from(headers: Mapping[str, str]) -> dict[str, Any]:
    """The attributes of a file but for its type, by name, as an object's *headers* have them."""
    return {
        'cache_control': headers.get('cache-control') or None,
        'content_encoding': headers.get('content-encoding') or None,
        'content_language': headers.get('content-language') or None,
        'download_name': download_name_of(headers.get('content-disposition')),
        'metadata': {
            header.removeprefix(_METADATA): decode_text(value)
            for header, value in headers.items()
            if _is_metadata(header)
        },
    }


def repeated(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of an object's *headers* that a change of its headers, or a copy of a large one, has to send again."""
    return {header: value for header, value in headers.items() if header in _REPEATED or header.startswith(_METADATA)}


def changed_headers(headers: Mapping[str, str], info: FileInfo, changes: Mapping[str, Any]) -> dict[str, str]:
    """What to send to make *changes* to an object, and lose nothing else.

    :param headers: Those that it has.
    :param info: What they say.
    """
    wanted = headers_of(changed(NO_ATTRIBUTES, changes), info.name)
    gone = {'content-type', *(_HEADERS[each] for each in changes if each in _HEADERS)}
    if info.checksum != headers.get(CHECKSUM):
        # It is that of other content.
        gone.add(CHECKSUM)
    if 'metadata' in changes:
        gone.update(filter(_is_metadata, headers))
    if 'mime' not in changes:
        # The store keeps the one that it has, in whatever form.
        del wanted['content-type']
    return {header: value for header, value in repeated(headers).items() if header not in gone} | wanted


def _is_metadata(header: str) -> bool:
    return header.startswith(_METADATA) and not header.startswith(_OWN_METADATA)
