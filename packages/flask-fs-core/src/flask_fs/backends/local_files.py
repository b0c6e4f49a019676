"""Operations on single files of a local storage, and checks that its root still exists."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
from collections.abc import Callable, Generator
from stat import S_ISREG
from typing import Any

from ..errors import Changed, FileExists, FileNotFound, FSError, InvalidFilename, Unavailable
from ..files import mime_type
from ..names import is_valid
from . import folders, xattrs
from .atomic_file import AtomicFile
from .base import BaseBackend
from .contract import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, FileInfo
from .etags import UnsettledInfo, etag_finder, etag_of, settled_in_ns
from .filesystem import FilesystemSupport, LacksCapability, close_folder
from .os_errors import MISSING, translate
from .sources import Source
from .symlinks import require_no_symlink_above

# Without O_NONBLOCK, opening a FIFO in the root would wait for a writer.
_READ = os.O_RDONLY
for _flag in ('O_CLOEXEC', 'O_NOFOLLOW', 'O_NONBLOCK', 'O_BINARY'):
    _READ |= getattr(os, _flag, 0)


class LocalFiles(BaseBackend):
    """The operations of :class:`LocalBackend` on single files."""

    errors = (OSError,)

    _filesystem: FilesystemSupport
    # The root, once it was seen to exist: if it is missing later, it is gone, and not just uncreated.
    _used_root: str | None = None

    # --- Writing.

    def _store(
        self,
        name: str,
        stream: Source,
        *,
        create: bool = False,
        attributes: Attributes = NO_ATTRIBUTES,
        replace: Callable[[str, str], None] | None = None,
    ) -> None:
        path, file = self._local_path(name), stream.file
        values = None if attributes is NO_ATTRIBUTES else xattrs.encoded(name, attributes)
        # If attributes might not be supported, find out before reading anything.
        reads_first = file is None and not values
        try:
            chunk = stream.take(CHUNK_BYTES) if reads_first else b''
            is_short = reads_first and len(chunk) < CHUNK_BYTES
            # The arguments are positional because that is faster.
            new = AtomicFile(path, name, self._filesystem, self._require_root, create, is_short, values, replace)
            try:
                if file is not None:
                    self._refuse_early(name, path, create)
                    start = file.tell()
                    file.seek(start + new.copy_from(file.fileno(), start))
                if not reads_first:
                    chunk = stream.take(CHUNK_BYTES)
                while chunk:
                    new.write(chunk)
                    if len(chunk) < CHUNK_BYTES:
                        break
                    self._refuse_early(name, path, create)
                    chunk = stream.take(CHUNK_BYTES)
                folders.replace_empty_dirs(path, new.publish)
            finally:
                new.close()
                if create and not self._filesystem.creates_atomically:
                    self.drop_capability(Capability.ATOMIC_CREATE)
            if self._used_root is None:
                self._lost_root(name)
        except OSError as error:
            if error is stream.error or isinstance(error, FSError):
                raise
            raise self._write_error(error, name) from error

    # --- Status and bytes.

    def _lstat(self, name: str) -> os.stat_result:
        path = self.path(name)
        status = os.lstat(path)
        if '/' in name:
            require_no_symlink_above(os.fspath(path), name)
        if self._used_root is None:
            self._lost_root(name)
        return status

    def _open_file(self, name: str) -> tuple[int, os.stat_result]:
        fd = self._filesystem.opener.open(self._local_path(name), name, _READ)
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            close_folder(fd)
            raise self.error(FileNotFound, name)
        if self._used_root is None:
            self._lost_root(name)
        return fd, status

    def _read_whole(self, name: str) -> bytes:
        fd, status = self._open_file(name)
        try:
            # Reading one byte more than the size shows that this is the end.
            content = os.read(fd, status.st_size + 1)
            if len(content) != status.st_size:
                # Another program wrote to the file in place, or it is larger than the kernel reads at once.
                content += b''.join(iter(lambda: os.read(fd, CHUNK_BYTES), b''))
            return content
        finally:
            os.close(fd)

    def _refuse_early(self, name: str, path: str, create: bool) -> None:
        """Stop a large upload early if the name is taken. Publishing does the final, race-free check."""
        if create and os.path.isfile(path):
            raise self.error(FileExists, name)

    def _unlink(self, name: str) -> bool:
        """Remove the file *name*. False if it is a folder, which stays."""
        path = self.path(name)
        try:
            if '/' in name:
                require_no_symlink_above(os.fspath(path), name)
            os.unlink(path)
        except OSError as error:
            if error.errno in folders.IN_THE_WAY and os.path.isdir(path):
                # Unlinking a folder fails with EISDIR on Linux and EPERM elsewhere (unlink(2)).
                return False
            # EISDIR here means a folder that was removed in the meantime. Linux also reports EROFS for missing files.
            is_absent = error.errno == errno.EISDIR or isinstance(self.translated(error, name), FileNotFound)
            if is_absent or (error.errno in (*folders.IN_THE_WAY, errno.EROFS) and not os.path.lexists(path)):
                return True
            raise
        if self._used_root is None:
            self._lost_root(name)
        return True

    @contextlib.contextmanager
    def _locked_version(self, name: str, etag: str) -> Generator[os.stat_result]:
        """The status of the version *etag* of the file *name*, while all other swaps in its folder wait."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._filesystem.locked(os.path.dirname(self._local_path(name))))
                status = self._lstat(name)
            except OSError as error:
                if isinstance(error, FSError) or not isinstance(self.translated(error, name), FileNotFound):
                    raise
                raise self.error(Changed, name) from error
            if not S_ISREG(status.st_mode) or etag != etag_of(status):
                raise self.error(Changed, name)
            yield status

    def _info_of_entry(self, name: str, entry: os.DirEntry[str]) -> FileInfo | None:
        """The metadata of a listed entry; None if it is gone by now, or not a valid file of the storage."""
        try:
            return self._info_of_version(name, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            self._require_root(name)
        except InvalidFilename:
            # Invalid names are filtered out later. They only get here if they seem to have attributes.
            pass
        return None

    def _info_of_version(self, name: str, status: os.stat_result) -> FileInfo:
        """The metadata of the file with *status*, or of the file that has its name by now."""
        if status.st_mode & xattrs.MARK and S_ISREG(status.st_mode):
            # A file that can't be opened is reported without attributes.
            with contextlib.suppress(PermissionError):
                fd, status = self._open_file(name)
                try:
                    return self._info(name, status, None, xattrs.read(fd, status))
                finally:
                    os.close(fd)
        return self._info(name, status)

    def _info(
        self,
        name: str,
        status: os.stat_result,
        lookup: Callable[[], os.stat_result] | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> FileInfo:
        if not S_ISREG(status.st_mode):
            raise self.error(FileNotFound, name)
        modified = datetime.datetime.fromtimestamp(status.st_mtime, datetime.timezone.utc)
        given = {} if attributes is NO_ATTRIBUTES else attributes.given()
        mime = given.pop('mime', None) or mime_type(name)
        if settled_in_ns(status) <= 0:
            return FileInfo(name, status.st_size, modified, mime, None, etag_of(status), **given)
        etag: Any = etag_finder(status, lookup or (lambda: os.lstat(self.path(name))))
        return UnsettledInfo(name, status.st_size, modified, mime, None, etag, **given)

    # --- Errors, and the root.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        assert isinstance(error, OSError), 'the only kind in `errors`'
        if error.errno in MISSING and (reason := self._lost_root(name)):
            return Unavailable, reason
        return translate(error)

    def _write_error(self, error: OSError, name: str) -> FSError:
        if error.errno in MISSING:
            self._require_root(name)
        if isinstance(error, LacksCapability):
            self.drop_capability(error.capability)
            return self.unsupported(name, error.reason)
        kind, reason = translate(error, writing=True)
        return self.error(kind, name, reason)

    def _require_root(self, name: str | None) -> None:
        """Check the root, after something was found missing.

        :raises Unavailable: If the root was used before, and is gone: a volume that isn't mounted still contains files.
        """
        if reason := self._lost_root(name):
            raise self.error(Unavailable, name, reason)

    def _lost_root(self, name: str | None) -> str | None:
        """The reason to report if the root was used before and is gone, or None. If it exists, it counts as used from now on."""
        if name and not is_valid(name):
            # The prefix of a listing.
            name = None
        root = self._local_path(name or '')
        if name:
            if not root.endswith(name):
                # An override of path() moved it elsewhere, and is responsible for its root.
                return None
            root = root[: -len(name)]
        # Read first, because another thread might create and use the root in between.
        used = self._used_root
        if os.path.isdir(root):
            self._used_root = root
        elif root == used:
            return f'its root {root!r} is gone. Mount its volume, or create the folder again'
        return None
