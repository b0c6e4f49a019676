"""Files on the disk of this machine, or on one that several machines share."""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

from flask import current_app, has_app_context

from ..config import default_root
from ..errors import (
    BackendError,
    ConfigurationError,
    FileExists,
    FileNotFound,
    FSError,
    InvalidFilename,
    PermissionDenied,
    RangeNotSatisfiable,
    Replaced,
    Unavailable,
)
from ..files import mime_type
from ..names import TEMPORARY_PREFIX, check, windows_refusal
from ..settings import Setting, boolean, file_mode, folder
from . import folders
from .base import BaseBackend
from .contract import CHUNK_BYTES, NO_ATTRIBUTES, STALE_S, Attributes, Capability, FileInfo, Opened
from .draft import Disk, Draft
from .etags import UnsettledInfo, etag_finder, etag_of, settled, settled_in_ns
from .folders import removed_if_stale
from .handover import internal_location
from .sources import Source
from .streams import TranslatingFile, chunks_of, window

__all__ = ['LocalBackend']

# Without O_NONBLOCK, opening a FIFO that somebody put into the root would wait for a writer.
_READ = os.O_RDONLY
for _flag in ('O_CLOEXEC', 'O_NOFOLLOW', 'O_NONBLOCK', 'O_BINARY'):
    _READ |= getattr(os, _flag, 0)
_MISSING = frozenset((errno.ENOENT, errno.ENOTDIR))
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO))
# What comes of a server or a process behind the file system that does not answer, or no longer has this one.
_NO_ANSWER = frozenset(
    getattr(errno, name)
    for name in ('ECONNABORTED', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENODEV', 'ENOTCONN', 'ESHUTDOWN', 'ESTALE', 'ETIMEDOUT')
    if hasattr(errno, name)
)


class LocalBackend(BaseBackend):
    """Keeps each file as a file under one folder, its root.

    Files appear whole or not at all, and creating a name has one winner among threads, processes and hosts. Symbolic
    links below the root are not followed. What lies in the root and could not be a filename is left alone and unlisted.
    """

    kind = 'local'
    capabilities = Capability.ATOMIC_CREATE | Capability.RANGE | Capability.LOCAL_PATH
    seekable_streams = True
    settings = (
        Setting('root', folder, None, 'The folder that holds the files.', append_storage_name=True, allow_global=True),
        Setting(
            'accel_redirect',
            internal_location,
            None,
            'The internal location of nginx that stands for the root: nginx then sends what the application serves.',
            append_storage_name=True,
            allow_global=True,
        ),
        Setting(
            'fsync', boolean, False, 'Whether a file is safe from a power cut when it is saved.', allow_global=True
        ),
        Setting(
            'file_mode', file_mode, None, 'Permission bits of files; default: 666 less the umask.', allow_global=True
        ),
        Setting(
            'folder_mode',
            file_mode,
            None,
            'Permission bits of folders; default: 777. The umask applies.',
            allow_global=True,
        ),
    )

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        if self.config.get('root') is None and has_app_context():
            folder_of_all = current_app.config.get('FS_ROOT') or default_root(current_app)
            self.config['root'] = os.path.join(str(folder_of_all), name)
        if (given := self.config.get('root')) is not None:
            # Where it is now, whatever folder the process changes to.
            self.config['root'] = os.path.abspath(given)
        # The key prefix is a folder here, and so a part of the root.
        self._subfolder, self._prefix = self._prefix.rstrip('/'), ''
        modes = {'file_mode': self.config.get('file_mode'), 'folder_mode': self.config.get('folder_mode')}
        self._disk = Disk(**modes, fsync=self.config.fsync)
        # The root that was there when it was first used: if it is missing later, it has not been made yet but is gone.
        self._used_root: str | None = None

    @property
    def default_root(self) -> str:
        """The folder that holds the roots of storages without one of their own, each under its storage's name.

        Applications may override it, as a property or a plain attribute, for the whole class or a subclass.
        """
        if (root := self.config.get('root')) is None:
            reason = f"Storage {self.name!r} (local) needs a root: LocalBackend({self.name!r}, {{'root': 'a folder'}})."
            raise ConfigurationError(reason=reason)
        return os.path.dirname(str(root))

    @property
    def root(self) -> str:
        """The folder that holds the files of this storage."""
        explicit = 'root' in (self.config.explicit_keys or ())
        root = str(self.config.root) if explicit else os.path.join(self.default_root, self.name)
        return os.path.join(root, self._subfolder) if self._subfolder else root

    def path(self, filename: str) -> str:
        """The absolute path where a file is, or would be. Every operation asks here, so that an override moves them all."""
        if not filename:
            return os.path.join(self.root, '')
        name = check(filename)
        if os.name == 'nt' and (reason := windows_refusal(name)):
            raise self.error(InvalidFilename, name, reason)
        return os.path.join(self.root, name)

    def sweep(self, *, older_than_s: float = STALE_S) -> int:
        """Remove the temporary files that processes left when they died; the number of those removed.

        Listing does the same along its way. Where the file system has unnamed files there are hardly ever any.
        """
        with _Translated(self, None, reading=True):
            return sum(
                removed_if_stale(entry, older_than_s)
                for _, entries in self._walk('')
                for entry in entries
                if entry.name.startswith(TEMPORARY_PREFIX)
            )

    # --- Hooks.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        fd, facts = self._open_file(name)
        stream = self._stream(fd, name)
        try:
            if etag is not None and (etag != etag_of(facts) or etag != settled(fd, facts)[1]):
                raise self.error(Replaced, name)
            size = facts.st_size
            if start >= max(size, 1):
                raise self.error(RangeNotSatisfiable, name)
            info = self._info(name, facts, lambda: os.fstat(fd))
            return Opened(info, window(stream, max(0, size + start) if start < 0 else start, stop))
        except BaseException:
            stream.close()
            raise

    def _read(self, name: str) -> bytes:
        fd, facts = self._open_file(name)
        with _Translated(self, name):
            try:
                # One byte more than the size tells that this was the end.
                content = os.read(fd, facts.st_size + 1)
                if len(content) != facts.st_size:
                    # Longer or shorter than one read can tell: the file was open while somebody wrote to it in place,
                    # or it has more bytes than the kernel reads at once.
                    content += b''.join(iter(lambda: os.read(fd, CHUNK_BYTES), b''))
                return content
            finally:
                os.close(fd)

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        target = self._place(name, PermissionDenied)
        disk = _Translated(self, name)
        with disk:
            draft = Draft(target, self._disk, lambda: self._require_root(name))
        try:
            # Reading the source stands outside of `with disk`: what it raises reaches the caller as it is.
            if (file := stream.file) is not None:
                start = file.tell()
                with disk:
                    self._refuse_early(name, target, create)
                    copied = draft.copy_from(file.fileno(), start)
                file.seek(start + copied)
            for chunk in chunks_of(stream):
                with disk:
                    draft.write(chunk)
                    if len(chunk) == CHUNK_BYTES:
                        self._refuse_early(name, target, create)
            with disk:
                folders.past_empty(target, lambda: draft.publish(create=create))
        finally:
            draft.close()
            if not self._disk.creates_atomically:
                self.capabilities &= ~Capability.ATOMIC_CREATE

    def _stat(self, name: str) -> FileInfo:
        with _Translated(self, name, reading=True):
            return self._info(name, os.lstat(self._place(name, FileNotFound)))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        for names, entries in self._listed(prefix):
            for name, entry in zip(names, entries, strict=True):
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    self._require_root(name)
                    continue
                yield self._info(name, facts)

    def _names(self, prefix: str) -> Iterator[str]:
        return itertools.chain.from_iterable(names for names, _ in self._listed(prefix))

    def _remove(self, name: str) -> None:
        self._unlink(name)

    def _delete(self, name: str) -> None:
        if not self._unlink(name):
            with _Translated(self, name, reading=True):
                folders.remove_tree(self.path(name))

    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._stat(name)
        source, path = self.path(name), self._place(target, PermissionDenied)
        if create and not self._disk.links:
            super()._move(name, target, create=create)
            return
        move = _link_and_unlink if create else os.replace

        def make_folder() -> None:
            # What is missing may be the file itself.
            self._stat(name)
            folders.make(os.path.dirname(path), self._disk.folder_mode)

        with _Translated(self, target):
            folders.within(make_folder, lambda: folders.past_empty(path, lambda: move(source, path)))

    def _local_path(self, name: str) -> str:
        # An override may give a path object.
        return os.fspath(self.path(name))

    def _refuse_early(self, name: str, target: str, create: bool) -> None:
        """Spare a large upload that cannot win the rest of its way; publishing decides, free of races."""
        if create and os.path.isfile(target):
            raise self.error(FileExists, name)

    # --- Places.

    def _place(self, name: str, refusal: type[FSError]) -> str:
        """The path of *name*, reached without a symbolic link; with one it is an error of the kind *refusal*."""
        path = self._local_path(name)
        if '/' in name and (link := folders.link_above(path, name)):
            raise self.error(refusal, name, f'{link} is a symbolic link, which local storage does not follow')
        return path

    def _internal_location(self, name: str) -> str | None:
        """Where nginx has the file; None if it sends none, or if an override of ``path`` has put this one elsewhere."""
        if (location := self.config.get('accel_redirect')) is None:
            return None
        path, folder = self._local_path(name), os.path.join(self._local_path(''), '')
        if not path.startswith(folder):
            return None
        return '/'.join(filter(None, (location, self._subfolder, path.removeprefix(folder))))

    def _open_file(self, name: str) -> tuple[int, os.stat_result]:
        with _Translated(self, name, reading=True):
            fd = os.open(self._place(name, FileNotFound), _READ)
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                os.close(fd)
                raise self.error(FileNotFound, name)
            return fd, facts

    def _stream(self, fd: int, name: str) -> IO[bytes]:
        # Opened by number but named by path, which other libraries ask for.
        return cast('IO[bytes]', TranslatingFile(fd, self.path(name), functools.partial(_Translated, self, name)))

    def _unlink(self, name: str) -> bool:
        """Remove what is at *name*, unless it is a folder; false if it is one."""
        with contextlib.suppress(FileNotFound), _Translated(self, name, reading=True):
            path = self._place(name, FileNotFound)
            try:
                os.unlink(path)
            except OSError as error:
                if error.errno == errno.EROFS:
                    # Linux says so of what is not there, too: then this raises that.
                    os.lstat(path)
                # A folder is EISDIR on Linux and EPERM elsewhere (unlink(2)).
                if error.errno not in folders.IN_THE_WAY:
                    raise
                if os.path.isdir(path):
                    return False
                # After EISDIR, or with nothing left, it was a folder that somebody else has removed since.
                if error.errno != errno.EISDIR and os.path.lexists(path):
                    raise
        return True

    def _listed(self, prefix: str) -> Iterator[tuple[list[str], list[os.DirEntry[str]]]]:
        """The files whose path begins with *prefix*, some of one folder at a time; stale temporary ones are removed."""
        with _Translated(self, prefix or None, reading=True, listing=True):
            for base, entries in self._walk(prefix):
                if os.name == 'nt':
                    entries = [entry for entry in entries if not windows_refusal(base + entry.name)]
                names = [base + entry.name for entry in entries]
                # One look at all names at once: there are hardly ever any.
                if TEMPORARY_PREFIX in '/'.join(names):
                    folders.remove_stale(entries)
                yield names, entries

    def _walk(self, prefix: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
        inside = prefix.rpartition('/')[0]
        if os.name == 'nt' and inside and windows_refusal(inside):
            return iter(())
        return folders.walk(self._local_path, prefix, lambda: self._require_root(None))

    def _info(self, name: str, facts: os.stat_result, look: Callable[[], os.stat_result] | None = None) -> FileInfo:
        if not stat.S_ISREG(facts.st_mode):
            raise self.error(FileNotFound, name)
        modified = datetime.datetime.fromtimestamp(facts.st_mtime, datetime.timezone.utc)
        if settled_in_ns(facts) <= 0:
            return FileInfo(name, facts.st_size, modified, mime_type(name), None, etag_of(facts))
        etag: Any = etag_finder(facts, look or (lambda: os.lstat(self.path(name))))
        return UnsettledInfo(name, facts.st_size, modified, mime_type(name), None, etag)

    # --- The root.

    def _require_root(self, name: str | None) -> None:
        """Called when something is missing: it may be the root.

        :raises Unavailable: If that was used, and is gone: a volume that is not mounted holds files all the same.
        """
        root = self._local_path(name or '')
        if name:
            if not root.endswith(name):
                # An override of `path` has put it elsewhere, and the root is its own business.
                return
            root = root[: -len(name)]
        # Asked first: another thread may make the root, and use it, in between.
        used = self._used_root
        if os.path.isdir(root):
            self._used_root = root
        elif root == used:
            reason = f'its root {root!r} is gone. Mount the volume it was on, or make the folder anew'
            raise self.error(Unavailable, name, reason)

    def _root_was_used(self, name: str | None) -> None:
        if self._used_root is None:
            self._require_root(name)


class _Translated:
    """Turns an OSError inside its ``with`` block into the error that tells storage, file and remedy.

    :param reading: What is in the way of a name means that there is no such file.
    :param listing: *name* is a prefix, and need not be a filename.
    """

    __slots__ = ('_backend', '_file', '_name', '_reading')

    def __init__(
        self, backend: LocalBackend, name: str | None, *, reading: bool = False, listing: bool = False
    ) -> None:
        self._backend = backend
        self._name = name
        self._file = None if listing else name
        self._reading = reading

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._backend._root_was_used(self._file)
        elif isinstance(error, OSError) and not isinstance(error, FSError):
            if error.errno in _MISSING:
                self._backend._require_root(self._file)
            kind, reason = translate(error, reading=self._reading)
            raise self._backend.error(kind, self._name, reason) from error


def translate(error: OSError, *, reading: bool) -> tuple[type[FSError], str | None]:
    """What kind of error *error* is to an application, and the reason to tell."""
    number = error.errno
    if number == errno.ENOENT or (reading and number in _ABSENT):
        return FileNotFound, None
    if number == errno.ENAMETOOLONG:
        return InvalidFilename, 'a part of it is longer than the file system allows'
    if number == errno.EEXIST and not os.path.isdir(error.filename2 or error.filename):
        return FileExists, None
    if number in (errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        return FileExists, 'it is a folder that holds files, and on disk a name is either a file or a folder'
    if number == errno.ENOTDIR:
        return FileExists, 'a part of its path is a file, and on disk a name is either a file or a folder'
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PermissionDenied, f'{error.strerror}: {error.filename!r}'
    kind = Unavailable if number in _NO_ANSWER else BackendError
    return kind, f'{error.strerror}' + (f': {error.filename!r}' if error.filename else '')


def _link_and_unlink(source: str, target: str) -> None:
    os.link(source, target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source)
