"""Storing a stream: by one request where it is small, in blocks where it is not, and not at all where that fails."""

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

#: After so many blocks the next ones are larger: Azure accepts 50,000, which are then 10 TiB where they begin with 8 MiB.
_BLOCKS_OF_ONE_SIZE = 1000


def matching(etag: str | None) -> dict[str, Any]:
    """The condition, by the library's names, that a blob is the version *etag*; that there is none if it is empty, None if None."""
    if not etag:
        return {} if etag is None else {'match_condition': MatchConditions.IfMissing}
    return {'etag': '"{}"'.format(etag.strip('"')), 'match_condition': MatchConditions.IfNotModified}


def put(
    container: Container, blob: BlobClient, source: Source, attributes: Attributes, replaces: str | None, config: Config
) -> FileInfo:
    """Store what *source* holds, with its checksum.

    :param replaces: What is replaced: see :func:`matching`.
    :raises FileExists: If there must be nothing, and is something.
    :raises Changed: If something else is there, or nothing.
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
            # Rather than after all has been sent; storing looks again.
            raise lost
        blocks: list[BlobBlock] = []
        while content:
            # The blocks of all who write one blob share a space of names, in which all are equally long.
            block_id = f'{writer}-{len(blocks):05}'
            write(partial(blob.stage_block, block_id, content, length=len(content)))
            blocks.append(BlobBlock(block_id))
            # Not kept here while the next one is read.
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
        # Another writer may have been faster, and its blocks have replaced all others.
        is_refused = status_of(error) in (404, 409, 412) or code_of(error) == 'InvalidBlockList'
        if replaces is None or not is_refused or _etag(found := _find(blob)) == replaces:
            raise
        if found is None or metadata_from(found).get(WRITER_KEY) != writer:
            raise lost from error
        # An earlier attempt had succeeded, whose response was lost.
        stored = found
    return info_of(name, checksum.size, stored['last_modified'], stored['etag'], headers, metadata)


def _find(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except ResourceNotFoundError:
        return None


def _etag(blob: BlobProperties | None) -> str:
    return '' if blob is None else blob.etag.strip('"')
