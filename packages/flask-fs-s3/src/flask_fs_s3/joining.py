"""Joining pieces that clients have uploaded into one object, inside the store.

The content does not pass through the application, except for pieces that are too small to be a part of an object, and
the start of the piece after them.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import IO, Any

from flask_fs.backends import CHECKSUM_KEY, Attributes, FileInfo, chunks_of
from flask_fs.errors import FileExists, FileNotFound, FileTooLarge, OperationNotSupported, Replaced

from .attributes import stored_sha256
from .bodies import Part
from .bucket import Bucket
from .multipart import COPIED_PART_BYTES, MAX_PARTS, Span, TooManyParts, Upload, spans
from .removal import remove
from .settings import MAX_PART_BYTES, MIN_PART_BYTES
from .writes import Write, repeated

#: Opens the bytes [start, stop) of a piece, if it is still the version that was listed.
OpenRange = Callable[[FileInfo, int, int], IO[bytes]]


def join(
    bucket: Bucket, pieces: Sequence[FileInfo], attributes: Attributes, write: Write, open_range: OpenRange
) -> None:
    """Store an object with the content of *pieces* and with *attributes*. No attributes of the pieces are kept.

    :param write: The write to the key of the object, possibly with a condition.
    :raises FileTooLarge: If there are more pieces than an object can have parts.
    """
    if any(piece.etag is None for piece in pieces):
        # Without ETags, a client that can upload a piece could replace it after it was checked.
        reason = f'the store lists no ETags; set {bucket.settings}CONDITIONAL_WRITES = False'
        raise bucket.error(OperationNotSupported, write.key, f'{reason} to have the application receive uploads')
    # Check before copying everything. Storing checks again.
    write.check()
    filled = [piece for piece in pieces if piece.size] or pieces[:1]
    size = sum(piece.size for piece in filled)
    if len(filled) == 1 and size <= MAX_PART_BYTES:
        with _telling_apart(bucket, filled[0]):
            checksum = _checksum(bucket, filled[0])
            _copy(bucket, filled[0].name, write, _parameters(bucket, attributes, write, checksum), _quoted(filled[0]))
        return
    parts = functools.partial(_parts, filled, open_range)
    if write.at_once and size <= MAX_PART_BYTES:
        # On stores where completing a multipart upload can lose a race, copying was never observed to lose one.
        hidden = Write(bucket, f'{filled[0].name.rpartition("/")[0]}/joined-{secrets.token_hex(8)}')
        try:
            _assemble(bucket, hidden, _parameters(bucket, attributes, hidden), parts())
            _copy(bucket, hidden.key, write, _parameters(bucket, attributes, write))
        finally:
            remove(bucket, hidden.key)
    else:
        _assemble(bucket, write, _parameters(bucket, attributes, write), parts())


def _copy(bucket: Bucket, source: str, write: Write, parameters: dict[str, Any], etag: str | None = None) -> None:
    if etag is not None:
        parameters['CopySourceIfMatch'] = etag
    if 'Tagging' in parameters:
        parameters['TaggingDirective'] = 'REPLACE'
    copy = functools.partial(
        bucket.request,
        'copy_object',
        write.key,
        CopySource=bucket.at(source),
        MetadataDirective='REPLACE',
        **parameters,
    )
    write.run(repeated(copy))


def _assemble(bucket: Bucket, write: Write, parameters: dict[str, Any], parts: Iterator[Part | Span]) -> None:
    with Upload(bucket, write.key, parameters) as upload:
        try:
            upload.send(parts)
        except TooManyParts:
            reason = f'it was uploaded in more than {MAX_PARTS} pieces, the maximum number of parts of an object'
            raise bucket.error(FileTooLarge, write.key, reason) from None
        upload.finish(write)


def _parts(pieces: Sequence[FileInfo], open_range: OpenRange) -> Iterator[Part | Span]:
    """The parts of the object. Pieces that are too small are read, and sent with the start of the next piece."""
    small = bytearray()
    for piece in pieces:
        is_last = piece is pieces[-1]
        read = min(piece.size, MIN_PART_BYTES - len(small)) if small else 0
        # S3 does not copy ranges of objects that are no larger than the smallest part.
        if (piece.size - read < MIN_PART_BYTES and not is_last) or (read and piece.size <= MIN_PART_BYTES):
            read = piece.size
        if read:
            with open_range(piece, 0, read) as stream:
                for chunk in chunks_of(stream):
                    small += chunk
        if len(small) >= MIN_PART_BYTES:
            yield Part(bytes(small))
            small.clear()
        if read < piece.size:
            yield from spans(piece.name, _quoted(piece), read, piece.size, COPIED_PART_BYTES)
    if small:
        yield Part(bytes(small))


def _parameters(bucket: Bucket, attributes: Attributes, write: Write, checksum: str | None = None) -> dict[str, Any]:
    metadata = {CHECKSUM_KEY: checksum} if checksum else {}
    return bucket.parameters(write.key, attributes, {**metadata, **write.metadata})


def _checksum(bucket: Bucket, piece: FileInfo) -> str | None:
    """The checksum that the store has computed for a piece, if it uses the algorithm of this storage."""
    if bucket.config.checksum != 'sha256':
        return None
    return stored_sha256(bucket.request('head_object', piece.name, ChecksumMode='ENABLED', IfMatch=_quoted(piece)))


@contextlib.contextmanager
def _telling_apart(bucket: Bucket, piece: FileInfo) -> Generator[None]:
    """Raise FileExists only if the condition on the target failed: a failed condition on the source looks the same."""
    try:
        yield
    except FileExists:
        found = bucket.find(piece.name)
        if found is None:
            raise bucket.error(FileNotFound, piece.name) from None
        if found['ETag'] != _quoted(piece):
            raise bucket.error(Replaced, piece.name) from None
        raise


def _quoted(piece: FileInfo) -> str:
    return f'"{piece.etag}"'
