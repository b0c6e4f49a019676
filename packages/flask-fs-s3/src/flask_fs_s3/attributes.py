"""Attributes of files: the headers and metadata of objects that hold them, and what of these is the backend's own."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from flask_fs.backends import Attributes, FileInfo, attachment, changed, decode_text, download_name_of, encode_text
from flask_fs.files import mime_type
from flask_fs.media_types import UNKNOWN, normalized

from .responses import object_size

#: The key in an object's metadata under which its checksum is kept.
CHECKSUM_KEY = 'fs-checksum'
#: The key of a text that one write alone has: by it a writer whose response was lost recognizes its own object.
WRITER_KEY = 'fs-writer'
_OWN_KEYS = (CHECKSUM_KEY, WRITER_KEY)
#: What S3 reports of objects that came without a type.
_NO_TYPE = ('', 'binary/octet-stream')
#: What holds each attribute, by the names that both requests and responses use.
_PARAMETERS = {
    'mime': 'ContentType',
    'cache_control': 'CacheControl',
    'content_encoding': 'ContentEncoding',
    'content_language': 'ContentLanguage',
    'download_name': 'ContentDisposition',
    'metadata': 'Metadata',
}
#: What an object also has, and loses when it is replaced by itself without naming it again.
_IN_PLACE = ('ServerSideEncryption', 'SSEKMSKeyId', 'BucketKeyEnabled', 'StorageClass', 'WebsiteRedirectLocation')


def parameters_of(key: str, attributes: Attributes) -> dict[str, Any]:
    """The parameters that store an object with *attributes*; its media type is always among them, and its metadata."""
    given = {
        'CacheControl': attributes.cache_control,
        'ContentEncoding': attributes.content_encoding,
        'ContentLanguage': attributes.content_language,
        'ContentDisposition': attributes.download_name and attachment(attributes.download_name),
    }
    return {
        **{parameter: value for parameter, value in given.items() if value},
        'ContentType': _as_content_type(attributes.mime or mime_type(key)),
        'Metadata': {name: encode_text(value) for name, value in attributes.metadata.items()},
    }


def info_of(key: str, response: Any) -> FileInfo:
    """The metadata of a file, from the checked response to HeadObject or GetObject."""
    mime = response.get('ContentType', '')
    metadata = metadata_of(response)
    return FileInfo(
        key,
        object_size(response),
        response['LastModified'].astimezone(datetime.timezone.utc),
        mime_type(key) if mime in _NO_TYPE else mime,
        metadata.get(CHECKSUM_KEY),
        response['ETag'].strip('"'),
        response.get('ContentEncoding'),
        response.get('CacheControl'),
        response.get('ContentLanguage'),
        download_name_of(_text(response.get('ContentDisposition', ''))),
        {name: decode_text(_text(value)) for name, value in metadata.items() if name not in _OWN_KEYS},
    )


def metadata_of(response: Any) -> dict[str, str]:
    """The metadata of an object, the backend's own too; some stores write the names as headers are usually written."""
    return {name.lower(): value for name, value in response.get('Metadata', {}).items()}


def kept(source: Any, key: str, target: str) -> dict[str, Any]:
    """The parameters that store an object like *source*, the response for *key*, under the key *target*."""
    found = {name: _text(source[name]) for name in _PARAMETERS.values() if name in source and name != 'Metadata'}
    if 'ContentEncoding' in found:
        # What some stores keep of how an upload was framed would be mistaken for the framing of this one.
        codings = [coding.strip() for coding in found.pop('ContentEncoding').split(',')]
        if kept_codings := [coding for coding in codings if coding and coding.lower() != 'aws-chunked']:
            found['ContentEncoding'] = ', '.join(kept_codings)
    if 'ContentType' in found:
        mime = normalized(found['ContentType'])
        found['ContentType'] = _as_content_type(mime_type(target) if mime == mime_type(key) else mime)
    # Without a malformed one, which botocore does not send.
    if source.get('Expires'):
        found['Expires'] = source['Expires']
    # botocore sends ASCII alone, whatever other programs store.
    metadata = {name: encode_text(decode_text(_text(value))) for name, value in metadata_of(source).items()}
    return {**found, 'Metadata': metadata}


def kept_with(source: Any, key: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that store an object like *source*, the response for *key*, with *changes* of its attributes."""
    new = parameters_of(key, changed(info_of(key, source).attributes, changes))
    before = kept(source, key, key)
    own = {name: value for name, value in before['Metadata'].items() if name in _OWN_KEYS}
    replaced = {_PARAMETERS[name] for name in changes}
    parameters = {name: value for name, value in before.items() if name not in replaced}
    parameters |= {name: value for name, value in new.items() if name in replaced}
    if 'Metadata' in replaced:
        parameters['Metadata'] |= own
    return {**{name: source[name] for name in _IN_PLACE if name in source}, **parameters}


def _text(header: str) -> str:
    """What is read as ISO 8859-1, as headers are, but was sent as UTF-8 by another program: as it was sent."""
    try:
        return header if header.isascii() else header.encode('latin-1').decode()
    except UnicodeError:
        return header


def _as_content_type(mime: str) -> str:
    """The Content-Type that makes a store keep the media type *mime*."""
    # In its usual form, SeaweedFS replaces this one by what the name suggests, and so an untrusted file becomes a page.
    # RFC 9110 §8.3.1: the case of its letters means nothing.
    return 'Application/octet-stream' if mime == UNKNOWN else mime
