"""Copies inside the store: to another name, or onto the same name with other attributes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import CHUNK_BYTES
from flask_fs.errors import Changed, FileExists, Replaced
from flask_fs.files import mime_type

from .attributes import kept, kept_with
from .bodies import spooled
from .bucket import Bucket
from .errors import code_of, status_of
from .multipart import COPIED_PART_BYTES, Upload, part_size, spans
from .settings import MAX_PART_BYTES
from .uploads import put_object
from .writes import Creation, Swap, Write, require_swaps


def copy(bucket: Bucket, name: str, target: str, *, create: bool) -> None:
    """Copy an object; with *create*, only if no object has the key *target*.

    This takes one request if both names suggest the same type and overwriting is allowed.
    """
    if not create:
        _copy(bucket, name, target)
    elif bucket.conditional and not bucket.is_amazon:
        _write_anew(bucket, name, lambda source: (Creation(bucket, target), kept(source, name, target)))
    else:
        # Also checked beforehand: some stores that imitate Amazon overwrite an existing object despite the condition.
        bucket.refuse_if_taken(target)
        _copy(bucket, name, target, **({'IfNoneMatch': '*'} if bucket.conditional else {}))


def change_attributes(bucket: Bucket, name: str, changes: Mapping[str, Any], prefix: str) -> None:
    """Change attributes of an object, unless it is replaced in the meantime. The other attributes are kept.

    On Amazon, the object is copied onto itself. On other stores, such as SeaweedFS and Swift, such a copy can undo a
    concurrent replacement despite its conditions, so the object is written again with a condition.

    :param prefix: The prefix of all keys of the storage.
    :raises OperationNotSupported: If the store does not support conditional writes.
    :raises Replaced: If the object is replaced in the meantime.
    """
    if not bucket.swaps:
        reason = 'the store cannot replace a specific version of a file, so a concurrent replacement could be undone'
        raise bucket.unsupported(name, reason)
    try:
        if bucket.is_amazon:
            _copy_in_place(bucket, name, changes)
        else:
            require_swaps(bucket, name, prefix)
            _write_anew(
                bucket, name, lambda source: (Swap(bucket, name, _etag(source)), kept_with(source, name, changes))
            )
    except (Changed, ClientError) as error:
        if isinstance(error, ClientError) and status_of(error) not in (409, 412):
            raise
        raise bucket.error(Replaced, name) from error


def _write_anew(bucket: Bucket, name: str, prepare: Callable[[Any], tuple[Write, dict[str, Any]]]) -> None:
    """Copy by reading and writing, because more stores support conditions for writes than for copies.

    A large object is copied in parts if the store also enforces conditions there.

    :param prepare: Returns, for the response with the object, the write and the parameters of the new object.
    """
    source: Any = bucket.request('get_object', name)
    size = source['ContentLength']
    with contextlib.closing(source['Body']) as body:
        write, found = prepare(source)
        parameters = _parameters(bucket, found, write)
        if size < bucket.config.multipart_threshold_bytes:
            put_object(bucket, body.read(), parameters, write)
            return
        if write.at_once and size <= MAX_PART_BYTES:
            # Check before reading everything. Storing checks again.
            write.check()
            with spooled(iter(lambda: body.read(CHUNK_BYTES), b'')) as copied:
                put_object(bucket, copied, parameters, write)
            return
    _copy_in_parts(bucket, name, source, parameters, write)


def _copy_in_place(bucket: Bucket, name: str, changes: Mapping[str, Any]) -> None:
    source = bucket.head(name)
    write = Swap(bucket, name, _etag(source))
    parameters = _parameters(bucket, kept_with(source, name, changes), write)
    if source['ContentLength'] > MAX_PART_BYTES:
        _copy_in_parts(bucket, name, source, parameters, write)
        return
    parameters |= {'MetadataDirective': 'REPLACE', 'CopySourceIfMatch': source['ETag'], 'CopySource': bucket.at(name)}
    write.run(lambda **conditions: bucket.request('copy_object', name, **parameters, **conditions))


def _copy(bucket: Bucket, name: str, target: str, **conditions: Any) -> None:
    source: Any = None
    parameters = bucket.parameters_of_copies()
    if mime_type(name) != mime_type(target):
        # If the old name suggested the type, the copy gets the type that the new name suggests.
        source = bucket.head(name)
        parameters |= {
            **kept(source, name, target),
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
        write = Creation(bucket, target) if conditions else Write(bucket, target)
        _copy_in_parts(bucket, name, source, _parameters(bucket, kept(source, name, target), write), write)


def _copy_in_parts(bucket: Bucket, name: str, source: Any, parameters: dict[str, Any], write: Write) -> None:
    """Copy an object that is too large for CopyObject, or for reading and writing it."""
    size = source['ContentLength']
    with Upload(bucket, write.key, parameters) as upload:
        upload.send(spans(name, source['ETag'], 0, size, part_size(size, COPIED_PART_BYTES)))
        upload.finish(write)


def _parameters(bucket: Bucket, found: Mapping[str, Any], write: Write) -> dict[str, Any]:
    """The parameters of a copy that does not inherit them: those *found* on the source, with the mark of its writer."""
    return {**bucket.parameters_of_copies(), **found, 'Metadata': {**found['Metadata'], **write.metadata}}


def _etag(source: Any) -> str:
    return str(source['ETag']).strip('"')
