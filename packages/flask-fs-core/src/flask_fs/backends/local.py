"""Files on the disk of this machine, or on one that several machines share."""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import itertools
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from stat import S_ISREG
from typing import IO, Any, cast

from ..config import root_in_current_app
from ..errors import (
    Changed,
    ConfigurationError,
    FileExists,
    FileNotFound,
    FSError,
    InvalidFilename,
    Replaced,
    Unavailable,
)
from ..files import mime_type
from ..names import TEMPORARY_PREFIX, check, check_stored, is_valid, is_valid_prefix, valid_in_folder, windows_refusal
from ..settings import Setting, boolean, file_mode, folder
from . import folders, xattrs
from .atomic_file import AtomicFile
from .attributes import changed
from .base import BaseBackend
from .contract import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, DeletedFile, FileInfo, Folder, Opened
from .etags import UnsettledInfo, etag_finder, etag_of, settled_etag, settled_in_ns
from .filesystem import FilesystemSupport, LacksCapability
from .os_errors import MISSING, translate, unencodable
from .sendfile import internal_location
from .sources import Source
from .streams import TranslatingFile, limited
from .symlinks import require_no_symlink_above

__all__ = ['LocalBackend']

# Without O_NONBLOCK, opening a FIFO that somebody put into the root would wait for a writer.
_READ = os.O_RDONLY
for _flag in ('O_CLOEXEC', 'O_NOFOLLOW', 'O_NONBLOCK', 'O_BINARY'):
    _READ |= getattr(os, _flag, 0)

# The verbs that do without hooks of the template, and the hooks that do the same.
_HOOKS_OF_VERBS = {'exists': ('_stat',), 'read': ('_open',), 'list_files': ('_names', '_scan')}

_global_setting = functools.partial(Setting, allow_global=True)


class LocalBackend(BaseBackend):
    """Keeps each file as a file under one folder, its root.

    Files appear whole or not at all, and creating a name has one winner among threads, processes and hosts. Symbolic
    links below the root are not followed. What lies in the root and could not be a filename is left alone and unlisted.
    """

    kind = 'local'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.RANGE
        | Capability.LOCAL_PATH
        | Capability.ATTRIBUTES
        | Capability.COMPARE_AND_SWAP
    )
    seekable_streams = True
    errors = (OSError,)
    settings = (
        _global_setting('root', folder, None, 'The folder that holds the files.', append_storage_name=True),
        _global_setting(
            'accel_redirect',
            internal_location,
            None,
            'The internal location of nginx that stands for the root: nginx then sends what the application serves.',
            append_storage_name=True,
        ),
        _global_setting('fsync', boolean, False, 'Whether a file is safe from a power cut when it is saved.'),
        _global_setting('file_mode', file_mode, None, 'Permission bits of files; default: 666 less the umask.'),
        _global_setting('folder_mode', file_mode, None, 'Permission bits of folders; default: 777. The umask applies.'),
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass that overrides a hook has the template's verbs, which go through it."""
        super().__init_subclass__(**kwargs)
        for verb, hooks in _HOOKS_OF_VERBS.items():
            if getattr(cls, verb) is getattr(LocalBackend, verb) and any(
                getattr(cls, hook) is not getattr(LocalBackend, hook) for hook in hooks
            ):
                setattr(cls, verb, getattr(BaseBackend, verb))

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        # The key prefix is a folder here, and so a part of the root.
        self._subfolder, self._prefix = self._prefix.rstrip('/'), ''
        self._root: str | None = None
        if (given := self.config.get('root') or root_in_current_app(name)) is not None:
            # Where it is now, whatever folder the process changes to.
            self.config['root'] = root = os.path.abspath(given)
            self._root = os.path.join(root, self._subfolder) if self._subfolder else root
        modes = {'file_mode': self.config.get('file_mode'), 'folder_mode': self.config.get('folder_mode')}
        self._filesystem = FilesystemSupport(**modes, fsync=self.config.fsync)
        if not xattrs.is_supported():
            self.drop_capability(Capability.ATTRIBUTES)
        if os.name == 'nt':
            self.drop_capability(Capability.COMPARE_AND_SWAP)
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
        root = self._root
        if root is not None and self.__class__.default_root is _DEFAULT_ROOT:
            return root
        if root is None or 'root' not in (self.config.explicit_keys or ()):
            root = os.path.join(self.default_root, self.name, *filter(None, (self._subfolder,)))
        return root

    def path(self, filename: str) -> str:
        """The absolute path where a file is, or would be. Every operation asks here, so that an override moves them all."""
        if not filename:
            return os.path.join(self.root, '')
        root, name = self.root, check_stored(filename)
        if os.name == 'nt' and (reason := windows_refusal(name)):
            raise self.error(InvalidFilename, name, reason)
        if not name.isascii() and (reason := unencodable(name)):
            raise self.error(InvalidFilename, name, reason)
        # What os.path.join() gives, in a fifth of its time.
        return f'{root}{name}' if root[-1] == os.sep else f'{root}{os.sep}{name}'

    # --- Verbs that do without what the template does for stores behind a network.

    def exists(self, filename: str) -> bool:
        name = check(filename)
        try:
            return S_ISREG(self._lstat(name).st_mode)
        except FileNotFound:
            return False
        except OSError as error:
            if isinstance(error, FSError):
                raise
            if isinstance(failure := self.translated(error, name), FileNotFound):
                return False
            raise failure from error

    def read(self, filename: str) -> bytes:
        return self._call_hook(self._read_whole, check(filename))

    def list_files(self, prefix: str = '') -> Iterator[str]:
        if not is_valid_prefix(prefix):
            return iter(())
        return itertools.chain.from_iterable(self._translating(self._listed_names(prefix), prefix))

    # --- Hooks.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        fd, status = self._open_file(name)
        try:
            # Opened by number but named by path, which other libraries ask for.
            stream = cast('IO[bytes]', TranslatingFile(fd, self.path(name), lambda error: self.translated(error, name)))
        except BaseException:
            # An interrupt, before the stream has the file.
            os.close(fd)
            raise
        try:
            if etag is not None and (etag != etag_of(status) or etag != settled_etag(status, lambda: os.fstat(fd))):
                raise self.error(Replaced, name)

            def lookup() -> os.stat_result:
                # Once it is closed, the number may be that of another file.
                return os.lstat(self.path(name)) if stream.closed else os.fstat(fd)

            info = self._info(name, status, lookup, xattrs.read(fd, status))
            if start := self.range_start(info, start):
                stream.seek(start)
            return Opened(info, stream if stop is None else limited(stream, stop - start))
        except BaseException:
            stream.close()
            raise

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        self._store(name, stream, create=create, attributes=attributes)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        """As the contract has it, among those who replace a file with ``if_match``.

        Only they lock each other out, so that nobody else waits: what another writer, or one that removes the file, does
        between the comparison and the renaming that follows it at once is replaced.
        """

        def replace(temporary: str, path: str) -> None:
            while True:
                with self._locked_version(name, etag) as status:
                    if settled_in_ns(status) <= 0:
                        os.replace(temporary, path)
                        return
                # Waited for without the lock: the next version may have the same tag until then.
                if settled_etag(status, functools.partial(os.lstat, path)) != etag:
                    raise self.error(Changed, name)

        try:
            # Before the source is read for nothing.
            with self._locked_version(name, etag):
                pass
        except OSError as error:
            if isinstance(error, FSError):
                raise
            raise self._write_error(error, name) from error
        self._store(name, stream, attributes=attributes, replace=replace)

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
        # Where attributes may not be kept, that is found out before anything is read.
        reads_first = file is None and not values
        try:
            chunk = stream.take(CHUNK_BYTES) if reads_first else b''
            new = AtomicFile(
                path,
                name,
                self._filesystem,
                self._require_root,
                create=create,
                is_short=reads_first and len(chunk) < CHUNK_BYTES,
                values=values,
                replace=replace,
            )
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

    def _stat(self, name: str) -> FileInfo:
        return self._info_of_version(name, self._lstat(name))

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        for base, entries in self._walk(prefix):
            folders.remove_stale(entries)
            for entry in entries:
                if (info := self._info_of_entry(base + entry.name, entry)) is not None:
                    yield info

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        if self._used_root is None:
            self._lost_root(None)
        top = self._local_path(prefix[:-1])
        if folders.is_below_symlink(top, prefix) or (os.name == 'nt' and prefix and windows_refusal(prefix[:-1])):
            return Folder([], [])

        def is_shown(basename: str) -> bool:
            return is_valid(prefix + basename) and not (os.name == 'nt' and windows_refusal(basename))

        entries = folders.first_entries(top, after, limit + 1, is_shown, lambda: self._require_root(None))
        page = entries[:limit]
        infos = (self._info_of_entry(prefix + name, entry) for name, entry in page if name[-1] != '/')
        return Folder(
            files=[info for info in infos if info is not None],
            folders=[prefix + name[:-1] for name, _ in page if name[-1] == '/' and self._has_files(prefix + name)],
            next=page[-1][0] if len(entries) > limit else None,
        )

    def _remove(self, name: str) -> None:
        self._unlink(name)

    def _restore(self, file: DeletedFile) -> None:
        super()._restore(file)
        self._tidy(file)

    def _purge(self, file: DeletedFile) -> None:
        super()._purge(file)
        self._tidy(file)

    def _tidy(self, file: DeletedFile) -> None:
        """Remove the folders that *file* was the last one in; nothing else does that in the hidden folder."""
        folders.remove_empty(os.path.dirname(self.path(file.id)), stop=self.root)

    def _delete(self, name: str) -> None:
        if not self._unlink(name):
            folders.remove_tree(self.path(name))

    def _move(self, name: str, target: str, *, create: bool) -> None:
        # Raises unless it is a file.
        self._info(name, self._lstat(name))
        if create and not self._filesystem.links:
            super()._move(name, target, create=create)
            return
        source, path = self._local_path(name), self._local_path(target)
        move = _link_and_unlink if create else os.replace

        def make_folder() -> None:
            # What is missing may be the file itself.
            self._call_hook(self._lstat, name)
            folders.make(os.path.dirname(path), self._filesystem.folder_mode)

        try:
            require_no_symlink_above(path, target)
            folders.retry_creating_parent(
                make_folder, lambda: folders.replace_empty_dirs(path, lambda: move(source, path))
            )
        except OSError as error:
            if isinstance(error, FSError):
                raise
            raise self._write_error(error, target) from error

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        """In place: the file's bytes and modification time stay, and its etag changes."""
        try:
            with contextlib.ExitStack() as stack:
                with contextlib.suppress(LacksCapability, PermissionError):
                    # Of two changes at once, neither undoes the other.
                    stack.enter_context(self._filesystem.locked(os.path.dirname(self._local_path(name))))
                fd, status = self._open_file(name)
                stack.callback(os.close, fd)
                attributes = changed(xattrs.read(fd, status), changes)
                xattrs.replace(fd, xattrs.encoded(name, attributes))
                if self._filesystem.fsync:
                    os.fsync(fd)
        except PermissionError:
            # One may replace a file of others, and one that is not writable, but not change it.
            super()._set_attributes(name, changes)
        except LacksCapability as error:
            raise self._write_error(error, name) from error

    def _local_path(self, name: str) -> str:
        # An override may give a path object.
        return os.fspath(self.path(name))

    def _internal_location(self, name: str) -> str | None:
        if (location := self.config.get('accel_redirect')) is None:
            return None
        path, root = self._local_path(name), os.path.join(self._local_path(''), '')
        if not path.startswith(root):
            # An override of `path` has put it elsewhere.
            return None
        return '/'.join(filter(None, (location, self._subfolder, path.removeprefix(root))))

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

    # --- One file.

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
            os.close(fd)
            raise self.error(FileNotFound, name)
        if self._used_root is None:
            self._lost_root(name)
        return fd, status

    def _read_whole(self, name: str) -> bytes:
        fd, status = self._open_file(name)
        try:
            # One byte more than the size shows that this was the end.
            content = os.read(fd, status.st_size + 1)
            if len(content) != status.st_size:
                # Longer or shorter than one read can tell: the file was open while somebody wrote to it in place,
                # or it has more bytes than the kernel reads at once.
                content += b''.join(iter(lambda: os.read(fd, CHUNK_BYTES), b''))
            return content
        finally:
            os.close(fd)

    def _refuse_early(self, name: str, path: str, create: bool) -> None:
        """Spare a large upload that cannot win the rest of its way; publishing decides, free of races."""
        if create and os.path.isfile(path):
            raise self.error(FileExists, name)

    def _unlink(self, name: str) -> bool:
        """Remove what is at *name*, unless it is a folder; false if it is one."""
        path = self.path(name)
        try:
            if '/' in name:
                require_no_symlink_above(os.fspath(path), name)
            os.unlink(path)
        except OSError as error:
            if error.errno in folders.IN_THE_WAY and os.path.isdir(path):
                # Unlinking a folder gives EISDIR on Linux and EPERM elsewhere (unlink(2)).
                return False
            # After EISDIR it was a folder that somebody else has removed since. Linux gives EROFS for what is absent, too.
            is_absent = error.errno == errno.EISDIR or isinstance(self.translated(error, name), FileNotFound)
            if is_absent or (error.errno in (*folders.IN_THE_WAY, errno.EROFS) and not os.path.lexists(path)):
                return True
            raise
        if self._used_root is None:
            self._lost_root(name)
        return True

    @contextlib.contextmanager
    def _locked_version(self, name: str, etag: str) -> Generator[os.stat_result]:
        """The status of the file *name*, which is the version *etag*, while all others who swap in its folder wait."""
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
        """The metadata of what a listing found; None if it is gone by now, or could not be a file of the storage."""
        try:
            return self._info_of_version(name, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            self._require_root(name)
        except InvalidFilename:
            # What has no possible name is left out later, unless it looks as if it had attributes.
            pass
        return None

    def _info_of_version(self, name: str, status: os.stat_result) -> FileInfo:
        """The metadata of the file that has *status*, or of the one that has its name since."""
        if status.st_mode & xattrs.MARK and S_ISREG(status.st_mode):
            # The attributes of one that cannot be opened are nobody's business.
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

    # --- Many files.

    def _listed_names(self, prefix: str) -> Iterator[list[str]]:
        """The possible names that begin with *prefix*, some of one folder at a time."""
        for base, entries in self._walk(prefix):
            names = valid_in_folder(base, [entry.name for entry in entries])
            if len(names) < len(entries):
                # Temporary files are among what has no possible name.
                folders.remove_stale(entries)
            yield names

    def _has_files(self, prefix: str) -> bool:
        """Whether there is a file below a folder: one without is not there, as in every other store."""
        try:
            return any(self._listed_names(prefix))
        except PermissionError:
            # One that we may not look into is there.
            return True

    def _walk(self, prefix: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
        """The files whose name begins with *prefix*, some of one folder at a time, with the folder's name and a slash."""
        if self._used_root is None:
            self._lost_root(None)
        inside = prefix.rpartition('/')[0]
        if os.name == 'nt' and inside and windows_refusal(inside):
            return iter(())
        found = folders.walk(self._local_path, prefix, lambda: self._require_root(None))
        if os.name != 'nt':
            return found
        return ((base, [e for e in entries if not windows_refusal(base + e.name)]) for base, entries in found)

    def _sweep(self, older_than_s: float) -> int:
        """Remove the temporary files that processes left when they died; the number of those removed.

        Listing does the same along its way. Where the file system has unnamed files there are hardly ever any.
        """
        return sum(
            folders.removed_if_stale(entry, older_than_s)
            for _, entries in self._walk('')
            for entry in entries
            if entry.name.startswith(TEMPORARY_PREFIX)
        )

    # --- The root.

    def _require_root(self, name: str | None) -> None:
        """Called when something is missing, which may be the root.

        :raises Unavailable: If that was used, and is gone: a volume that is not mounted holds files all the same.
        """
        if reason := self._lost_root(name):
            raise self.error(Unavailable, name, reason)

    def _lost_root(self, name: str | None) -> str | None:
        """What happened to the root if it was used, and is gone; one that is there counts as used from now on."""
        if name and not is_valid(name):
            # The prefix of a listing.
            name = None
        root = self._local_path(name or '')
        if name:
            if not root.endswith(name):
                # An override of `path` has put it elsewhere, and the root is its own business.
                return None
            root = root[: -len(name)]
        # Asked first: another thread may make the root, and use it, in between.
        used = self._used_root
        if os.path.isdir(root):
            self._used_root = root
        elif root == used:
            return f'its root {root!r} is gone. Mount the volume it was on, or make the folder anew'
        return None


# What `default_root` is unless an application overrides it.
_DEFAULT_ROOT = LocalBackend.default_root


def _link_and_unlink(source: str, target: str) -> None:
    os.link(source, target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source)
