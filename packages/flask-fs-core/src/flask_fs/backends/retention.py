"""Keep deleted files for restoring, on stores that don't have this feature themselves."""

from __future__ import annotations

import datetime
import posixpath
import re
import secrets
from collections.abc import Iterable, Iterator

from ..names import DELETED_PREFIX, MAX_BYTES, MAX_PART_BYTES
from .contract import DeletedFile, FileInfo

# The last part of the name of a kept file: the time of its deletion, in UTC, and a random suffix. That makes it unique, and
# hard to guess for visitors of a web server that serves the store.
_KEPT = re.compile(rf'{re.escape(DELETED_PREFIX)}-(\d{{8}}T\d{{12}})Z-[0-9a-f]{{16}}(\.[^/]*)?')
_TIME = '%Y%m%dT%H%M%S%f'


def folder_of(key_prefix: str) -> str:
    """The prefix of the names of all deleted files."""
    return f'{key_prefix}{DELETED_PREFIX}/'


def kept_name(name: str, key_prefix: str) -> str | None:
    """The name under which the file *name*, deleted now, is kept: in a folder with that name, which no method lists.

    None if it would be too long for some stores. It keeps the file's extension, so that both names suggest the same media
    type, unless the extension is too long to be a real one.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    last = f'{DELETED_PREFIX}-{now.strftime(_TIME)}Z-{secrets.token_hex(8)}'
    ending = posixpath.splitext(name)[1]
    last += ending if len((last + ending).encode()) <= MAX_PART_BYTES else ''
    kept = f'{folder_of(key_prefix)}{name.removeprefix(key_prefix)}/{last}'
    return kept if len(kept.encode()) <= MAX_BYTES else None


def deleted_files(kept: Iterable[FileInfo], key_prefix: str) -> Iterator[DeletedFile]:
    """The deleted files in *kept*, with the key prefix in their names. Anything else in that folder is left out."""
    skipped = len(folder_of(key_prefix))
    for info in kept:
        name, _, last = info.name[skipped:].rpartition('/')
        if name and (found := _KEPT.fullmatch(last)) is not None:
            try:
                deleted = datetime.datetime.strptime(f'{found[1]}+0000', f'{_TIME}%z')
            except ValueError:
                continue
            yield DeletedFile(f'{key_prefix}{name}', deleted, info.size, info.name)
