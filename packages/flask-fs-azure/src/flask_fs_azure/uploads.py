"""Storing a stream: in one request if it is small, otherwise in blocks, and never partially."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, ContentSettings

from flask_fs.backends import (
    CHECKSUM_KEY,
    WRITER_KEY,
    Attributes,
    Checksum,
    Config,
    Container,
    FileInfo,
    Source,
    headers_of,
    info_of,
    metadata_of,
)
from flask_fs.errors import Changed, FileExists

from .attributes import identified, metadata_from
from .errors import code_of, status_of

#: The block size increases each time after this many blocks. With Azure's limit of 50,000 blocks, starting at 8 MiB,
#: a file can have 10 TiB.
_BLOCKS_OF_ONE_SIZE = 1000


def matching(etag: str | None) -> dict[str, Any]:
    """The library's parameters for a condition: the blob has that ETag, is missing if it is empty, or any if None."""
    if not etag:
        return {} if etag is None else {'match_condition': MatchConditions.IfMissing}
    return {'etag': '"{}"'.format(etag.strip('"')), 'match_condition': MatchConditions.IfNotModified}


def put(
    container: Container, blob: BlobClient, source: Source, attributes: Attributes, replaces: str | None, config: Config
) -> FileInfo:
    """Store the content of *source*, with its checksum.

    :param replaces: The ETag of the blob to replace: see :func:`matching`.
    :raises FileExists: If the blob must not exist, but does.
    :raises Changed: If the blob is not the expected version or does not exist.
    """
    name, write = blob.blob_name, partial(container.store, blob.blob_name)
    lost = container.error(Changed if replaces else FileExists, name)
    writer, checksum, block_bytes = secrets.token_hex(8), Checksum(config.checksum), config.block_bytes
    content = source.take(block_bytes)
    checksum.update(content)
    if len(content) < block_bytes:
        finish: Callable[..., Any] = partial(blob.upload_blob, content, length=len(content), overwrite=True)
    else:
        if replaces is not None and _etag(_find(blob)) != replaces:
            # Check before sending everything. Storing checks again.
            raise lost
        blocks: list[BlobBlock] = []
        while content:
            # All writers of a blob share a namespace of block IDs, which must have the same length.
            block_id = f'{writer}-{len(blocks):05}'
            write(partial(blob.stage_block, block_id, content, length=len(content)))
            blocks.append(BlobBlock(block_id))
            # Free its memory while the next block is read.
            del content
            content = source.take(block_bytes * (1 + len(blocks) // _BLOCKS_OF_ONE_SIZE))
            checksum.update(content)
        finish = partial(blob.commit_block_list, blocks)
    headers, metadata = headers_of(attributes, name), metadata_of(attributes)
    metadata |= {CHECKSUM_KEY: str(checksum), WRITER_KEY: writer}
    options = {'content_settings': ContentSettings(**identified(headers)), 'metadata': identified(metadata)}
    try:
        stored = write(partial(finish, **options, **matching(replaces)))
    except HttpResponseError as error:
        # Another writer might have been faster, and its blocks have replaced all others.
        is_refused = status_of(error) in (404, 409, 412) or code_of(error) == 'InvalidBlockList'
        if replaces is None or not is_refused or _etag(found := _find(blob)) == replaces:
            raise
        if found is None or metadata_from(found).get(WRITER_KEY) != writer:
            raise lost from error
        # An earlier attempt succeeded, but its response was lost.
        stored = found
    return info_of(name, checksum.size, stored['last_modified'], stored['etag'], headers, metadata)


def _find(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except ResourceNotFoundError:
        return None


def _etag(blob: BlobProperties | None) -> str:
    return '' if blob is None else blob.etag.strip('"')
