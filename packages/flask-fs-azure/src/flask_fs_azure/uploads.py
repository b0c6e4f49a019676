"""Storing a stream: by one request where it is small, in blocks where it is not, and not at all where that fails."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, ContentSettings

from flask_fs.backends import Checksum, Source
from flask_fs.errors import FSError

from .attributes import CHECKSUM_KEY
from .errors import code_of, status_of

#: The key of a text that one write alone has: by it a writer whose response was lost recognizes its own blob.
_WRITER_KEY = 'fs_writer'
#: After so many blocks the next ones are larger: Azure accepts 50,000, which are then 10 TiB where they begin with 8 MiB.
_BLOCKS_OF_ONE_SIZE = 1000


class Condition(NamedTuple):
    """What has to hold for a blob to be stored.

    :param options: How the library is given it.
    :param holds: Whether it does, by the blob that is there.
    :param error: What to raise if it does not.
    """

    options: Mapping[str, Any]
    holds: Callable[[BlobProperties | None], bool]
    error: Callable[[], FSError]


def unmodified(etag: str) -> dict[str, Any]:
    """The condition, by the library's names, that a blob is still the version *etag*, which is in quotes."""
    return {'etag': etag, 'match_condition': MatchConditions.IfNotModified}


def put(
    blob: BlobClient,
    source: Source,
    write: Callable[[Callable[[], Any]], Any],
    condition: Condition | None,
    block_bytes: int,
    checksum: Checksum,
    settings: ContentSettings,
    metadata: Mapping[str, str],
) -> Any:
    """Store what *source* holds, all of which *checksum* sees, and return Azure's response.

    :param write: Calls what writes to the store, and again where it had to create the container first.
    :param condition: None replaces whatever is there.
    """
    writer = secrets.token_hex(8)
    content = source.take(block_bytes)
    checksum.update(content)
    if len(content) < block_bytes:
        finish: Callable[..., Any] = partial(blob.upload_blob, content, length=len(content), overwrite=True)
    else:
        if condition is not None and not condition.holds(_find(blob)):
            # Rather than after all has been sent; storing looks again.
            raise condition.error()
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
    metadata = {**metadata, CHECKSUM_KEY: str(checksum), _WRITER_KEY: writer}
    finish = partial(finish, content_settings=settings, metadata=metadata)
    if condition is None:
        return write(finish)
    try:
        return write(partial(finish, **condition.options))
    except HttpResponseError as error:
        # Another writer may have been faster, and its blocks have replaced all others.
        if status_of(error) not in (404, 409, 412) and code_of(error) != 'InvalidBlockList':
            raise
        found = _find(blob)
        if found is not None and (found.metadata or {}).get(_WRITER_KEY) == writer:
            # An earlier attempt had succeeded, whose response was lost.
            return found
        if condition.holds(found):
            raise
        raise condition.error() from error


def _find(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except ResourceNotFoundError:
        return None
