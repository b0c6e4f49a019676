"""Copies made inside the store."""

from __future__ import annotations

import secrets
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.errors import FileExists
from flask_fs.files import mime_type

from .bucket import WRITER_KEY, Bucket
from .failures import code_of, status_of
from .multipart import MOST_COPIED_BYTES, Upload, part_size
from .writing import put_whole

#: How large the parts of a copy are: no byte of them passes through here, and a request can take as long as it does.
_PART_BYTES = 512 * 1024 * 1024
#: What is taken over from the source when the copy is not made by CopyObject as it is.
_KEPT = ('CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'ContentType', 'Metadata')


def copy(bucket: Bucket, name: str, target: str, *, create: bool) -> None:
    """Copy an object; with *create*, only where there is none of the key *target*.

    One request where both names suggest the same type and the store is known to heed conditions on copies.
    """
    with bucket.translated(name):
        if not create:
            _copy(bucket, name, target)
        elif not bucket.conditional:
            bucket.refuse_if_taken(target)
            _copy(bucket, name, target)
        elif bucket.copies_conditionally(name):
            _copy(bucket, name, target, IfNoneMatch='*')
        else:
            _copy_in_parts(bucket, name, target, bucket.client.head_object(**bucket.at(name)), create=True)


def _copy(bucket: Bucket, name: str, target: str, **conditions: Any) -> None:
    source: Any = None
    parameters = bucket.parameters_of_copies()
    if mime_type(name) != mime_type(target):
        # A type that only the old name suggested gives way to the one that the new name suggests.
        source = bucket.client.head_object(**bucket.at(name))
        parameters |= {
            **_kept(source, name, target),
            'MetadataDirective': 'REPLACE',
            'CopySourceIfMatch': source['ETag'],
        }
    try:
        bucket.client.copy_object(**bucket.at(target), CopySource=bucket.at(name), **parameters, **conditions)
    except ClientError as error:
        if status_of(error) == 412 and conditions:
            raise bucket.error(FileExists, target) from error
        if code_of(error) not in ('InvalidRequest', 'EntityTooLarge'):
            raise
        source = source or bucket.client.head_object(**bucket.at(name))
        if source['ContentLength'] <= MOST_COPIED_BYTES:
            raise
        _copy_in_parts(bucket, name, target, source, create=bool(conditions))


def _copy_in_parts(bucket: Bucket, name: str, target: str, source: Any, *, create: bool) -> None:
    """Copy by an upload in parts: for objects that are too large for CopyObject, and where that heeds no condition."""
    size = source['ContentLength']
    writer = secrets.token_hex(8)
    parameters = {**bucket.parameters_of_copies(), **_kept(source, name, target)}
    parameters['Metadata'] = {**parameters['Metadata'], WRITER_KEY: writer}
    if not size:
        # There is no part of nothing.
        put_whole(bucket, target, b'', parameters, writer if create else None)
        return
    with Upload(bucket.client, bucket.at(target), parameters, bucket.config.concurrency) as upload:
        upload.copy(bucket.at(name), size, part_size(size, _PART_BYTES), source['ETag'])
        if create:
            bucket.create_only(target, writer, upload.complete)
        else:
            upload.complete()


def _kept(source: Any, name: str, target: str) -> dict[str, Any]:
    kept = {key: source[key] for key in _KEPT if key in source}
    if kept.get('ContentType') == mime_type(name):
        kept['ContentType'] = mime_type(target)
    return kept
