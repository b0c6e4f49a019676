"""The methods that read content and metadata, and list files."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import posixpath
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from .. import names, urls
from ..backends.contract import CHUNK_BYTES, DeletedFile, FileInfo, Folder
from ..errors import ConfigurationError
from .linking import Linking

Listed = TypeVar('Listed', FileInfo, DeletedFile)


class Usage(NamedTuple):
    """The storage space that files use.

    :param files: The number of files.
    :param bytes: Their total size, as stored.
    """

    files: int
    bytes: int


class Reading(Linking):
    """The methods that read content and metadata, and list files."""

    def read(self, filename: str) -> bytes:
        """The complete content of a file.

        :raises FileNotFound: If no file with that name exists.
        """
        return self._bound().driver.read(self._whole_name(filename))

    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        """The bytes [start, stop) of a file, in one request. A backend with RANGE transfers only these bytes.

        :param start: The first byte. A negative number counts from the end, and cannot be combined with *stop*.
        :param stop: The end, exclusive. Default, and maximum: the end of the file.
        :raises FileNotFound: If no file with that name exists.
        :raises RangeNotSatisfiable: If *start* is at or after the end of the file, unless it is 0.
        :raises ValueError: If *stop* is less than *start*, or passed with a negative *start*.
        """
        return self._bound().driver.read_range(self._whole_name(filename), start, stop)

    def read_chunks(
        self, filename: str, chunk_size: int = CHUNK_BYTES, *, chunks_size: int | None = None
    ) -> Iterator[bytes]:
        """The content of a file in chunks of *chunk_size* bytes. The last chunk can be shorter.

        Closing or discarding the iterator releases its resources.

        :param chunks_size: The same as *chunk_size*, for backward compatibility.
        :raises FileNotFound: Immediately, if no file with that name exists.
        """
        return self._bound().driver.read_chunks(
            self._whole_name(filename), chunk_size if chunks_size is None else chunks_size
        )

    def local_file(self, filename: str) -> contextlib.AbstractContextManager[str]:
        """A path where programs on this machine can read the file: its own path, or a temporary copy's.

        :raises FileNotFound: If no file with that name exists.
        """
        return self._bound().driver.local_file(self._whole_name(filename))

    def exists(self, filename: str) -> bool:
        """Whether a file with that name exists. Folders don't count."""
        return self._bound().driver.exists(self._whole_name(filename))

    def __contains__(self, filename: str) -> bool:
        return self.exists(filename)

    def stat(self, filename: str) -> FileInfo:
        """The metadata of a file, in one request to the store.

        :raises FileNotFound: If no file with that name exists.
        """
        info = self._bound().driver.stat(self._whole_name(filename))
        return self._relative(info) if self._folder else info

    def metadata(self, filename: str) -> dict[str, Any]:
        """The metadata of a file: filename (without folders), url, checksum (``algorithm:hex``), mime, size and modified.

        If the backend does not store checksums, as on a local disk, accessing ``checksum`` reads the file.

        :raises FileNotFound: If no file with that name exists.
        """
        bound, name = self._bound(), self._whole_name(filename)
        facts = bound.driver.metadata(name)
        facts['filename'] = posixpath.basename(name)
        facts['url'] = None
        # Without init_app(), the storage has no URL, but the other metadata is available.
        with contextlib.suppress(ConfigurationError):
            facts['url'] = urls.under(self.base_url, name[len(self._folder) :])
        return facts

    def resolve_conflict(self, target_folder: str, basename: str) -> str:
        """The basename of the first available one of ``name_1.ext``, ``name_2.ext`` and so on in *target_folder*.

        :param target_folder: A folder of the storage. If files have paths on this machine, its absolute path works too.
        """
        root = self.root
        if isinstance(root, str) and f'{target_folder}/'.startswith(f'{root}/'):
            target_folder = target_folder[len(root) :]
        folder = f'{target_folder}/' if (target_folder := names.join(target_folder)) else ''
        wanted, skipped = self._folder + folder + names.join(basename), len(self._folder)
        numbered = (names.with_suffix(wanted, f'_{number}')[skipped:] for number in itertools.count(1))
        return next(name for name in numbered if not self.exists(name)).removeprefix(folder)

    def list_files(self, prefix: str = '') -> Iterator[str]:
        """The name of every file whose name begins with the literal text *prefix*, lazily, in the order of the store."""
        found, skipped = self._bound().driver.list_files(self._folder + prefix), len(self._folder)
        return (name[skipped:] for name in found) if skipped else found

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with the literal text *prefix*, lazily."""
        found = self._bound().driver.scan(self._folder + prefix)
        return map(self._relative, found) if self._folder else found

    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        """One page of the files and subfolders directly in a folder, in one request to the store.

        A folder exists as long as there are files under it. The page of a nonexistent folder is empty.

        :param prefix: The folder's name, with or without a trailing slash; empty for the top level.
        :param after: The ``next`` of the previous page, to continue from there.
        :param limit: The maximum number of files and folders together, 1 to 1000. A page can have fewer, or even none. The last
            page is the one whose ``next`` is None.
        :raises InvalidFilename: If no folder can have that name.
        :raises ValueError: If *limit* or *after* is not valid.
        """
        if not self._folder:
            return self._bound().driver.folder(prefix, after=after, limit=limit)
        inside = prefix.removesuffix('/')
        whole = self._whole_name(inside) if inside else self._folder
        page, skipped = self._bound().driver.folder(whole, after=after, limit=limit), len(self._folder)
        return Folder([*map(self._relative, page.files)], [name[skipped:] for name in page.folders], page.next)

    def usage(self, prefix: str = '') -> Usage:
        """The number and total size of the files whose names begin with the literal text *prefix*.

        It lists these files, so it takes as long as the listing.
        """
        files = size = 0
        for info in self._bound().driver.scan(self._folder + prefix):
            files, size = files + 1, size + info.size
        return Usage(files, size)

    def path(self, filename: str) -> str:
        """The absolute path of a file on this machine, whether it exists or not.

        :raises OperationNotSupported: If the backend stores files elsewhere. :meth:`local_file` works with every backend.
        """
        return self._bound().driver.path(self._whole_name(filename))

    def _relative(self, info: Listed) -> Listed:
        """*info* with the file's name relative to this view."""
        return dataclasses.replace(info, name=info.name[len(self._folder) :])
