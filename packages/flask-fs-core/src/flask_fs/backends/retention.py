"""Deleted files that can be restored: where they are kept, on a store that has no way of its own to keep them."""

from __future__ import annotations

import datetime
import posixpath
import re
import secrets
from collections.abc import Iterable, Iterator

from ..names import DELETED_PREFIX, MAX_BYTES, MAX_PART_BYTES
from .contract import DeletedFile, FileInfo

# The last part of a name under which a deleted file is kept: when that was, in UTC, and what makes it unique, and hard to
# guess for the visitors of a web server that serves the store.
_KEPT = re.compile(rf'{re.escape(DELETED_PREFIX)}-(\d{{8}}T\d{{12}})Z-[0-9a-f]{{16}}(\.[^/]*)?')
_TIME = '%Y%m%dT%H%M%S%f'


def folder_of(key_prefix: str) -> str:
    """What the names of all deleted files begin with."""
    return f'{key_prefix}{DELETED_PREFIX}/'


def kept_name(name: str, key_prefix: str) -> str | None:
    """Where the file *name*, which is deleted now, is kept: in a folder of that name, which no verb lists.

    None if that would be too long for some stores. It has the extension of the file, so that both suggest one media type,
    unless that is too long to suggest any.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    last = f'{DELETED_PREFIX}-{now.strftime(_TIME)}Z-{secrets.token_hex(8)}'
    ending = posixpath.splitext(name)[1]
    last += ending if len((last + ending).encode()) <= MAX_PART_BYTES else ''
    kept = f'{folder_of(key_prefix)}{name.removeprefix(key_prefix)}/{last}'
    return kept if len(kept.encode()) <= MAX_BYTES else None


def deleted_files(kept: Iterable[FileInfo], key_prefix: str) -> Iterator[DeletedFile]:
    """The files that are *kept*, each with the key prefix in front of its name; what else lies there is left out."""
    skipped = len(folder_of(key_prefix))
    for info in kept:
        name, _, last = info.name[skipped:].rpartition('/')
        if name and (found := _KEPT.fullmatch(last)) is not None:
            try:
                deleted = datetime.datetime.strptime(f'{found[1]}+0000', f'{_TIME}%z')
            except ValueError:
                continue
            yield DeletedFile(f'{key_prefix}{name}', deleted, info.size, info.name)
