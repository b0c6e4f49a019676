"""Storing a stream: by one request where it is small, in blocks where it is not, and not at all where that fails."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties

from flask_fs.backends import Checksum, Source
from flask_fs.errors import FileExists

from .errors import code_of, status_of

#: The key in a blob's metadata under which its checksum is kept. It has to be an identifier.
CHECKSUM_KEY = 'fs_checksum'
#: The key of a text that one write alone has: by it a writer whose response was lost recognizes its own blob.
_WRITER_KEY = 'fs_writer'
#: After so many blocks the next ones are larger: Azure accepts 50,000, which are then 10 TiB where they begin with 8 MiB.
_BLOCKS_OF_ONE_SIZE = 1000


def put(
    blob: BlobClient,
    source: Source,
    write: Callable[[Callable[[], Any]], Any],
    taken: Callable[[], FileExists] | None,
    block_bytes: int,
    checksum: Checksum,
    headers: Mapping[str, Any],
) -> Any:
    """Store what *source* holds, all of which *checksum* sees, and return Azure's response.

    :param write: Calls what writes to the store, and again where it had to create the container first.
    :param taken: The error to raise if there is a blob; None replaces it.
    :param headers: What it is stored with, by the library's names.
    """
    writer = secrets.token_hex(8)
    content = source.take(block_bytes)
    checksum.update(content)
    if len(content) < block_bytes:
        finish: Callable[..., Any] = partial(blob.upload_blob, content, length=len(content), overwrite=True)
    else:
        if taken is not None and _find(blob) is not None:
            # Rather than after all has been sent; storing looks again.
            raise taken()
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
    finish = partial(finish, metadata={CHECKSUM_KEY: str(checksum), _WRITER_KEY: writer}, **headers)
    if taken is None:
        return write(finish)
    try:
        return write(partial(finish, match_condition=MatchConditions.IfMissing))
    except HttpResponseError as error:
        # Another writer may have been faster, and its blocks have replaced all others.
        may_be_taken = status_of(error) in (409, 412) or code_of(error) == 'InvalidBlockList'
        if not may_be_taken or (found := _find(blob)) is None:
            raise
        if (found.metadata or {}).get(_WRITER_KEY) == writer:
            # An earlier attempt had succeeded, whose response was lost.
            return found
        raise taken() from error


def _find(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except ResourceNotFoundError:
        return None
