"""Folders on disk: traversal, and the ones that get in the way."""

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

#: What the operating system reports when a folder has the name that a file is to get or to lose.
IN_THE_WAY = frozenset((errno.EISDIR, errno.EPERM, errno.ENOTEMPTY, errno.EEXIST))
# What it reports where there is no such folder.
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
#: How often something is tried that others, removing folders at the same time, can undo.
TRIES = 100
#: How many entries of a folder are looked at together.
_BATCH = 1000

T = TypeVar('T')


def make(path: str, mode: int) -> None:
    """Make the folder *path* and those above it, unless they are there.

    :raises NotADirectoryError: If a file stands where one of them should.
    """
    for left in reversed(range(TRIES)):  # pragma: no branch - the last try returns or raises
        try:
            os.makedirs(path, mode, exist_ok=True)
        except FileExistsError as error:
            if not left or (os.path.lexists(path) and not os.path.isdir(path)):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from error
        except FileNotFoundError:
            # A folder above was removed since it was seen.
            if not left:
                raise
        else:
            return


def retry_creating_parent(make_folder: Callable[[], None], act: Callable[[], T]) -> T:
    """What *act* gives, which needs the folder that *make_folder* makes: if it is missing, and again if others remove it."""
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
    """The regular files whose name begins with *prefix*: some of one folder at a time, with the folder's name and a slash.

    No file is looked at by itself: scandir tells files from folders.

    :param on_missing: Called where a folder is missing, which is no error unless it raises one.
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
    """Whether the folder at *path*, or one that it is in, is a symbolic link.

    :param base: Its name with a slash, which *path* ends with but for that slash; empty for the root, which may be one.
    """
    inside = base[:-1]
    try:
        require_no_symlink_above(path, inside)
    except SymbolicLinkError:
        return True
    return bool(inside) and os.path.islink(path)


def batches(folder: str, on_missing: Callable[[], None]) -> Iterator[list[os.DirEntry[str]]]:
    """All that is in *folder*, some at a time; nothing if there is no such folder.

    :param on_missing: Called if there is none, which is no error unless it raises one.
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
    """The first *count* regular files and folders in *folder* behind the name *after*, sorted; a folder's name has a slash.

    All of the folder is looked through, and no more than that many entries are kept.

    :param is_shown: Whether a file or folder of that basename is one of the storage.
    :param on_missing: Called if there is no such folder, which is no error unless it raises one.
    """
    first: list[tuple[str, os.DirEntry[str]]] = []
    for batch in batches(folder, on_missing):
        remove_stale(batch)
        last = first[-1][0] if len(first) == count else None
        for entry in batch:
            # Most entries of a large folder end here: no more is found out about them.
            if last is not None and entry.name > last:
                continue
            name = f'{entry.name}/' if entry.is_dir(follow_symlinks=False) else entry.name
            if (
                (after is None or name > after)
                and is_shown(entry.name)
                and (name[-1] == '/' or entry.is_file(follow_symlinks=False))
            ):
                first.append((name, entry))
        # No two names are equal, so entries are never compared.
        first.sort()
        del first[count:]
    return first


def remove_stale(files: list[os.DirEntry[str]]) -> None:
    """Remove the temporary files among *files* that were left by processes that died."""
    for entry in files:
        if entry.name.startswith(TEMPORARY_PREFIX):
            removed_if_stale(entry, STALE_S)


def removed_if_stale(entry: os.DirEntry[str], older_than_s: float) -> bool:
    """Whether the file of *entry* was that old, and is removed."""
    try:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime < older_than_s:
            return False
        os.unlink(entry.path)
    except OSError:
        return False
    return True


def remove_tree(top: str) -> None:
    """Remove all files under *top*, and the folders that are then empty; what other writers have begun stays."""

    def fail(error: OSError) -> None:
        # What was a folder may be gone by now, or a newer file.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise error

    for folder, _, files in os.walk(top, topdown=False, onerror=fail):
        for file in files:
            if not file.startswith(TEMPORARY_PREFIX):
                # It may be gone by now, or have made room for what came after.
                with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    os.unlink(os.path.join(folder, file))
        _remove(folder)


def replace_empty_dirs(target: str, publish: Callable[[], None]) -> None:
    """Call *publish*, which gives a file the name *target*; once more if only empty folders were in its way."""
    try:
        publish()
    except OSError as error:
        if error.errno not in IN_THE_WAY or not _removed_empty(target):
            raise
        publish()


def _removed_empty(top: str) -> bool:
    if not os.path.isdir(top):
        # A file; or a folder that was, and is gone by now.
        return not os.path.lexists(top)
    return all(not files and _remove(folder) for folder, _, files in os.walk(top, topdown=False))


def remove_empty(folder: str, *, stop: str) -> None:
    """Remove *folder* and those above it, up to *stop*, as long as they are empty."""
    while folder.startswith(f'{stop}{os.sep}') and _remove(folder):
        folder = os.path.dirname(folder)


def remove_empty_below(top: str, name: str) -> None:
    """Remove *top*, which ends with *name*, and the folders in it, as far as they are empty and no symbolic link leads there."""
    if not is_below_symlink(top, f'{name}/'):
        for folder, _, _ in os.walk(top, topdown=False):
            _remove(folder)


def _remove(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.lexists(path)
    return True
