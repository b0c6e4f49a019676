"""Copies made inside the store."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import CHUNK_BYTES
from flask_fs.errors import FileExists
from flask_fs.files import mime_type
from flask_fs.media_types import normalized

from .bodies import spooled
from .bucket import WRITER_KEY, Bucket, as_content_type
from .errors import code_of, status_of
from .multipart import Upload, part_size
from .settings import MAX_PART_BYTES
from .uploads import put_object

#: How large the parts of a copy are: no byte of them passes through here, and a request can take as long as it does.
_PART_BYTES = 512 * 1024 * 1024
#: What is taken over from the source when the copy is not made by CopyObject as it is.
_KEPT = ('CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'ContentType', 'Metadata')


def copy(bucket: Bucket, name: str, target: str, *, create: bool) -> None:
    """Copy an object; with *create*, only where there is none of the key *target*.

    One request where both names suggest the same type, and two where the copy must not overwrite.
    """
    if not create:
        _copy(bucket, name, target)
    elif bucket.conditional and not bucket.is_amazon:
        _create(bucket, name, target)
    else:
        # Looked at before, too: of those who imitate Amazon some copy over what is there, whatever the condition.
        bucket.refuse_if_taken(target)
        _copy(bucket, name, target, **({'IfNoneMatch': '*'} if bucket.conditional else {}))


def _create(bucket: Bucket, name: str, target: str) -> None:
    """Copy by reading and storing, which is conditional on more stores than a copy is; in parts where that holds too."""
    source: Any = bucket.request('get_object', name)
    size = source['ContentLength']
    with contextlib.closing(source['Body']) as body:
        writer = secrets.token_hex(8)
        parameters = _parameters(bucket, source, name, target, writer)
        if size < bucket.config.multipart_threshold_bytes:
            put_object(bucket, target, body.read(), parameters, writer)
            return
        if bucket.creates_at_once and size <= MAX_PART_BYTES:
            # Rather than after all has been read; storing looks again.
            bucket.refuse_if_taken(target)
            with spooled(iter(lambda: body.read(CHUNK_BYTES), b'')) as copied:
                put_object(bucket, target, copied, parameters, writer)
            return
    _copy_in_parts(bucket, name, target, source, create=True)


def _copy(bucket: Bucket, name: str, target: str, **conditions: Any) -> None:
    source: Any = None
    parameters = bucket.parameters_of_copies()
    if mime_type(name) != mime_type(target):
        # A type that only the old name suggested gives way to the one that the new name suggests.
        source = bucket.head(name)
        parameters |= {
            **_kept(source, name, target),
            'MetadataDirective': 'REPLACE',
            'CopySourceIfMatch': source['ETag'],
        }
    try:
        bucket.request('copy_object', target, CopySource=bucket.at(name), **parameters, **conditions)
    except ClientError as error:
        if status_of(error) == 412 and conditions:
            raise bucket.error(FileExists, target) from error
        if code_of(error) not in ('InvalidRequest', 'EntityTooLarge'):
            raise
        source = source or bucket.head(name)
        if source['ContentLength'] <= MAX_PART_BYTES:
            raise
        _copy_in_parts(bucket, name, target, source, create=bool(conditions))


def _copy_in_parts(bucket: Bucket, name: str, target: str, source: Any, *, create: bool) -> None:
    """Copy what is too large for CopyObject, or for reading and storing it."""
    writer = secrets.token_hex(8)
    parameters = _parameters(bucket, source, name, target, writer)
    size = source['ContentLength']
    with Upload(bucket, target, parameters) as upload:
        upload.copy(bucket.at(name), size, part_size(size, _PART_BYTES), source['ETag'])
        upload.finish(writer, create=create)


def _parameters(bucket: Bucket, source: Any, name: str, target: str, writer: str) -> dict[str, Any]:
    """What a copy is stored with that the store does not make as it is."""
    kept = _kept(source, name, target)
    return {**bucket.parameters_of_copies(), **kept, 'Metadata': {**kept['Metadata'], WRITER_KEY: writer}}


def _kept(source: Any, name: str, target: str) -> dict[str, Any]:
    kept = {key: source[key] for key in _KEPT if key in source}
    if 'ContentEncoding' in kept:
        # What some stores keep of how an upload was framed would be mistaken for the framing of this one.
        codings = [coding.strip() for coding in kept.pop('ContentEncoding').split(',')]
        if kept_codings := [coding for coding in codings if coding and coding.lower() != 'aws-chunked']:
            kept['ContentEncoding'] = ', '.join(kept_codings)
    if 'ContentType' in kept:
        mime = normalized(kept['ContentType'])
        kept['ContentType'] = as_content_type(mime_type(target) if mime == mime_type(name) else mime)
    return kept
