"""Attributes of files, stored as the headers and metadata of objects, and the backend's own metadata."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from typing import Any

from flask_fs.backends import (
    HEADERS,
    Attributes,
    FileInfo,
    changed_headers,
    changed_metadata,
    decode_text,
    encode_text,
    headers_of,
    info_of,
    metadata_of,
    unmangled,
)
from flask_fs.files import mime_type
from flask_fs.media_types import UNKNOWN, normalized

from .responses import object_size

#: The type that S3 reports for objects that were stored without one.
_NO_TYPE = 'binary/octet-stream'
#: The parameter for each header. Requests and responses use the same names.
_PARAMETERS = {header: header.title().replace('-', '') for header in HEADERS.values()}
#: Parameters that an object loses when it is copied onto itself, unless they are sent again.
_IN_PLACE = ('ServerSideEncryption', 'SSEKMSKeyId', 'BucketKeyEnabled', 'StorageClass', 'WebsiteRedirectLocation')


def parameters_of(key: str, attributes: Attributes) -> dict[str, Any]:
    """The parameters that store an object with *attributes*; they always include its media type and metadata."""
    return {**_parameters(headers_of(attributes, key)), 'Metadata': metadata_of(attributes)}


def info_from(key: str, response: Any) -> FileInfo:
    """The metadata of a file, from the checked response to HeadObject or GetObject."""
    headers = {header: unmangled(response.get(parameter, '')) for header, parameter in _PARAMETERS.items()}
    if headers['content-type'] == _NO_TYPE:
        del headers['content-type']
    modified = response['LastModified'].astimezone(datetime.timezone.utc)
    metadata = {name: unmangled(value) for name, value in all_metadata(response).items()}
    return info_of(key, object_size(response), modified, response['ETag'], headers, metadata)


def stored_sha256(response: Any) -> str | None:
    """The SHA-256 of a complete object that the store has verified, from a HeadObject response with ChecksumMode."""
    try:
        digest = base64.b64decode(response.get('ChecksumSHA256') or '', validate=True)
    except ValueError:
        # A checksum of the checksums of its parts.
        return None
    return f'sha256:{digest.hex()}' if digest else None


def all_metadata(response: Any) -> dict[str, str]:
    """The metadata of an object, including the backend's own. Some stores capitalize the names like headers."""
    return {name.lower(): value for name, value in response.get('Metadata', {}).items()}


def kept(source: Any, key: str, target: str) -> dict[str, Any]:
    """The parameters that store an object like *source*, the response for *key*, under the key *target*."""
    found = {name: unmangled(source[name]) for name in _PARAMETERS.values() if name in source}
    if 'ContentEncoding' in found:
        # Some stores keep the transfer encoding of the upload, which would be mistaken for the encoding of this one.
        codings = [coding.strip() for coding in found.pop('ContentEncoding').split(',')]
        if kept_codings := [coding for coding in codings if coding and coding.lower() != 'aws-chunked']:
            found['ContentEncoding'] = ', '.join(kept_codings)
    if 'ContentType' in found:
        mime = normalized(found['ContentType'])
        found['ContentType'] = _as_content_type(mime_type(target) if mime == mime_type(key) else mime)
    # It is empty if it is malformed, and botocore would not send it.
    if source.get('Expires'):
        found['Expires'] = source['Expires']
    # botocore sends only ASCII, but other programs store other text.
    metadata = {name: encode_text(decode_text(unmangled(value))) for name, value in all_metadata(source).items()}
    return {**found, 'Metadata': metadata}


def kept_with(source: Any, key: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that store an object like *source*, the response for *key*, with *changes* of its attributes."""
    parameters = kept(source, key, key) | _parameters(changed_headers(changes, key))
    parameters['Metadata'] = changed_metadata(parameters['Metadata'], changes)
    in_place = {name: source[name] for name in _IN_PLACE if name in source}
    return in_place | {name: value for name, value in parameters.items() if value is not None}


def _parameters(headers: Mapping[str, str | None]) -> dict[str, Any]:
    parameters = {_PARAMETERS[header]: value for header, value in headers.items()}
    if parameters.get('ContentType') == UNKNOWN:
        parameters['ContentType'] = _as_content_type(UNKNOWN)
    return parameters


def _as_content_type(mime: str) -> str:
    """The Content-Type that makes a store keep the media type *mime*."""
    # SeaweedFS replaces the usual form with the type that the name suggests, so an untrusted file would become a page.
    # RFC 9110 §8.3.1: media types are case-insensitive.
    return 'Application/octet-stream' if mime == UNKNOWN else mime
