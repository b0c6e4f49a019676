"""Folders on disk: creating, traversing and removing them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..names import HIDDEN_FOLDERS, TEMPORARY_PREFIX
from .contract import STALE_S
from .symlinks import SymbolicLinkError, require_no_symlink_above

#: The errors of the operating system if a folder has the name that a file is about to get or lose.
IN_THE_WAY = frozenset((errno.EISDIR, errno.EPERM, errno.ENOTEMPTY, errno.EEXIST))
# The errors if a folder doesn't exist.
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
#: The maximum number of attempts if others remove folders at the same time.
TRIES = 100
#: How many entries of a folder are processed in one batch.
_BATCH = 1000

T = TypeVar('T')


def make(path: str, mode: int) -> None:
    """Create the folder *path* and its parents, unless they exist.

    :raises NotADirectoryError: If there is a file in place of one of them.
    """
    for left in reversed(range(TRIES)):  # pragma: no branch - the last try returns or raises
        try:
            os.makedirs(path, mode, exist_ok=True)
        except FileExistsError as error:
            if not left or (os.path.lexists(path) and not os.path.isdir(path)):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
        except FileNotFoundError:
            # A parent was removed after it was checked.
            if not left:
                raise
        else:
            return


def retry_creating_parent(make_folder: Callable[[], None], act: Callable[[], T]) -> T:
    """The result of *act*. If its folder is missing, create it with *make_folder* and retry, also if others remove it again."""
    left = TRIES
    while True:
        try:
            return act()
        except FileNotFoundError:
            if not left:
                raise
            left -= 1
            make_folder()


def walk(
    path_of: Callable[[str], str], prefix: str, on_missing: Callable[[], None]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """The regular files whose names begin with *prefix*, in batches from one folder, with the folder's name and a slash.

    It makes no system call per file: scandir() already distinguishes files from folders.

    :param on_missing: Called if a folder is missing. This isn't an error unless the function raises one.
    """
    inside, slash, stem = prefix.rpartition('/')
    pending = [(path_of(inside), inside + slash)]
    if is_below_symlink(*pending[0]):
        return
    while pending:
        folder, base = pending.pop()
        for batch in batches(folder, on_missing):
            if stem:
                batch = [entry for entry in batch if entry.name.startswith(stem)]
            files = [entry for entry in batch if entry.is_file(follow_symlinks=False)]
            if len(files) < len(batch):
                subfolders = [entry for entry in batch if entry.is_dir(follow_symlinks=False)]
                pending += [
                    (entry.path, f'{base}{entry.name}/')
                    for entry in subfolders
                    if not entry.name.startswith(HIDDEN_FOLDERS)
                ]
            yield base, files
        stem = ''


def is_below_symlink(path: str, base: str) -> bool:
    """Whether the folder at *path*, or a parent of it, is a symbolic link.

    :param base: Its name with a trailing slash; *path* ends with this name. Empty for the root, which may be a link.
    """
    inside = base[:-1]
    try:
        require_no_symlink_above(path, inside)
    except SymbolicLinkError:
        return True
    return bool(inside) and os.path.islink(path)


def batches(folder: str, on_missing: Callable[[], None]) -> Iterator[list[os.DirEntry[str]]]:
    """The entries of *folder* in batches. Nothing if it doesn't exist.

    :param on_missing: Called if it doesn't exist. This isn't an error unless the function raises one.
    """
    try:
        entries = os.scandir(folder)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        on_missing()
        return
    with entries:
        while batch := list(itertools.islice(entries, _BATCH)):
            yield batch


def first_entries(
    folder: str, after: str | None, count: int, is_shown: Callable[[str], bool], on_missing: Callable[[], None]
) -> list[tuple[str, os.DirEntry[str]]]:
    """The first *count* regular files and folders in *folder* after the name *after*, sorted. A folder's name ends with a slash.

    It goes through the complete folder, but keeps only that many entries plus one batch in memory.

    :param is_shown: Whether a file or folder with that basename belongs to the storage.
    :param on_missing: Called if the folder doesn't exist. This isn't an error unless the function raises one.
    """
    first: list[tuple[str, os.DirEntry[str]]] = []
    for batch in batches(folder, on_missing):
        remove_stale(batch)
        last = first[-1][0] if len(first) == count else None
        for entry in batch:
            # Skips most entries of a large folder without a system call.
            if last is not None and entry.name > last:
                continue
            name = f'{entry.name}/' if entry.is_dir(follow_symlinks=False) else entry.name
            if (
                (after is None or name > after)
                and is_shown(entry.name)
                and (name[-1] == '/' or entry.is_file(follow_symlinks=False))
            ):
                first.append((name, entry))
        # All names are different, so entries are never compared.
        first.sort()
        del first[count:]
    return first


def remove_stale(files: list[os.DirEntry[str]]) -> None:
    """Remove the temporary files of crashed processes among *files*."""
    for entry in files:
        if entry.name.startswith(TEMPORARY_PREFIX):
            removed_if_stale(entry, STALE_S)


def removed_if_stale(entry: os.DirEntry[str], older_than_s: float) -> bool:
    """Remove the file of *entry* if it is that old. Return whether it was removed."""
    try:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime < older_than_s:
            return False
        os.unlink(entry.path)
    except OSError:
        return False
    return True


def remove_tree(top: str) -> None:
    """Remove all files under *top*, and the folders that are then empty. Temporary files of other writers stay."""

    def fail(error: OSError) -> None:
        # The folder might be gone by now, or replaced by a file.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise error

    for folder, _, files in os.walk(top, topdown=False, onerror=fail):
        for file in files:
            if not file.startswith(TEMPORARY_PREFIX):
                # It might be gone by now, or replaced.
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    os.unlink(os.path.join(folder, file))
        _remove(folder)


def replace_empty_dirs(target: str, publish: Callable[[], None]) -> None:
    """Call *publish*, which gives a file the name *target*. Retry if only empty folders were in the way."""
    try:
        publish()
    except OSError as error:
        if error.errno not in IN_THE_WAY or not _removed_empty(target):
            raise
        publish()


def _removed_empty(top: str) -> bool:
    if not os.path.isdir(top):
        # It is a file, or a folder that is gone by now.
        return not os.path.lexists(top)
    return all(not files and _remove(folder) for folder, _, files in os.walk(top, topdown=False))


def remove_empty(folder: str, *, stop: str) -> None:
    """Remove *folder* and its parents, up to *stop*, as long as they are empty."""
    while folder.startswith(f'{stop}{os.sep}') and _remove(folder):
        folder = os.path.dirname(folder)


def remove_empty_below(top: str, name: str) -> None:
    """Remove the empty folders in *top*, and *top* itself if it is then empty, unless its path contains a symbolic link.

    :param name: The name of the folder in the storage. *top* ends with it.
    """
    if not is_below_symlink(top, f'{name}/'):
        for folder, _, _ in os.walk(top, topdown=False):
            _remove(folder)


def _remove(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.lexists(path)
    return True
