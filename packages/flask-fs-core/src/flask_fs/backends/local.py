"""Files on a local disk, or on a disk that several machines share."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Mapping
from stat import S_ISREG
from typing import IO, Any, cast

from ..config import root_in_current_app
from ..errors import (
    Changed,
    ConfigurationError,
    FileNotFound,
    FSError,
    InvalidFilename,
    Replaced,
)
from ..names import (
    HIDDEN_FOLDERS,
    TEMPORARY_PREFIX,
    check,
    check_stored,
    is_valid,
    is_valid_prefix,
    valid_in_folder,
    windows_refusal,
)
from ..settings import Setting, boolean, file_mode, folder
from . import folders, xattrs
from .attributes import changed
from .base import BaseBackend
from .contract import NO_ATTRIBUTES, Attributes, Capability, FileInfo, Folder, Opened
from .etags import etag_of, settled_etag, settled_in_ns
from .filesystem import FilesystemSupport, LacksCapability
from .local_files import LocalFiles
from .os_errors import translate, unencodable
from .sendfile import internal_location
from .sources import Source
from .streams import TranslatingFile, limited
from .symlinks import require_no_symlink_above

__all__ = ['LocalBackend', 'translate']

# The methods that are implemented here without hooks, and the hooks that do the same.
_HOOKS_OF_VERBS = {'exists': ('_stat',), 'read': ('_open',), 'list_files': ('_names', '_scan')}

_global_setting = functools.partial(Setting, allow_global=True)


class LocalBackend(LocalFiles):
    """Stores each file as a file under one folder, its root.

    Files appear completely or not at all. If several threads, processes or hosts create the same name, exactly one succeeds.
    Symbolic links below the root are not followed. Files in the root with invalid names are ignored and not listed.
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
    settings = (
        _global_setting('root', folder, None, 'The folder that contains the files.', append_storage_name=True),
        _global_setting(
            'accel_redirect',
            internal_location,
            None,
            'The internal nginx location for the root. nginx then sends the files that the application serves.',
            append_storage_name=True,
        ),
        _global_setting('fsync', boolean, False, 'Whether a save waits until the file is safe from a power failure.'),
        _global_setting('file_mode', file_mode, None, 'Permission bits of files. If not set, 666 minus the umask.'),
        _global_setting(
            'folder_mode', file_mode, None, 'Permission bits of folders. If not set, 777. The umask applies.'
        ),
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a subclass that overrides a hook the methods of BaseBackend, which call that hook."""
        super().__init_subclass__(**kwargs)
        for verb, hooks in _HOOKS_OF_VERBS.items():
            if getattr(cls, verb) is getattr(LocalBackend, verb) and any(
                getattr(cls, hook) is not getattr(LocalBackend, hook) for hook in hooks
            ):
                setattr(cls, verb, getattr(BaseBackend, verb))

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        # The key prefix is a folder here, and therefore part of the root.
        self._subfolder, self._prefix = self._prefix.rstrip('/'), ''
        self._root: str | None = None
        if (given := self.config.get('root') or root_in_current_app(name)) is not None:
            # Absolute, because the process might change its working directory.
            self.config['root'] = root = os.path.abspath(given)
            self._root = os.path.join(root, self._subfolder) if self._subfolder else root
        modes = {'file_mode': self.config.get('file_mode'), 'folder_mode': self.config.get('folder_mode')}
        self._filesystem = FilesystemSupport(**modes, fsync=self.config.fsync)
        if not xattrs.is_supported():
            self.drop_capability(Capability.ATTRIBUTES)
        if os.name == 'nt':
            self.drop_capability(Capability.COMPARE_AND_SWAP)
        self._used_root = None

    @property
    def default_root(self) -> str:
        """The folder of storages without their own root. Each storage uses a subfolder with its name.

        Applications can override this, as a property or a plain attribute, for the class or a subclass.
        """
        if (root := self.config.get('root')) is None:
            reason = f"Storage {self.name!r} (local) needs a root: LocalBackend({self.name!r}, {{'root': 'a folder'}})."
            raise ConfigurationError(reason=reason)
        return os.path.dirname(str(root))

    @property
    def root(self) -> str:
        """The folder with the files of this storage."""
        root = self._root
        if root is not None and self.__class__.default_root is _DEFAULT_ROOT:
            return root
        if root is None or 'root' not in (self.config.explicit_keys or ()):
            root = os.path.join(self.default_root, self.name, *filter(None, (self._subfolder,)))
        return root

    def path(self, filename: str) -> str:
        """The absolute path of a file, whether it exists or not. All operations call this, so you can override it."""
        if not filename:
            return os.path.join(self.root, '')
        root, name = self.root, check_stored(filename)
        if os.name == 'nt' and (reason := windows_refusal(name)):
            raise self.error(InvalidFilename, name, reason)
        if not name.isascii() and (reason := unencodable(name)):
            raise self.error(InvalidFilename, name, reason)
        # The result of os.path.join(), in a fifth of its time.
        return f'{root}{name}' if root[-1] == os.sep else f'{root}{os.sep}{name}'

    # --- Methods without the overhead that is necessary for stores behind a network.

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

    def delete(self, filename: str) -> None:
        super().delete(filename)
        if self._retains:
            # The files were removed one by one, without their folders.
            folders.remove_empty_below(self._local_path(filename), filename)

    # --- Hooks.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        fd, status = self._open_file(name)
        try:
            # Opened by descriptor, but with the path as its name, which other libraries use.
            stream = cast('IO[bytes]', TranslatingFile(fd, self.path(name), lambda error: self.translated(error, name)))
        except BaseException:
            # An interrupt before the stream owns the file.
            os.close(fd)
            raise
        try:
            if etag is not None and (etag != etag_of(status) or etag != settled_etag(status, lambda: os.fstat(fd))):
                raise self.error(Replaced, name)

            def lookup() -> os.stat_result:
                # After closing, the descriptor can belong to another file.
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
        """Compare and swap, among writers that use ``if_match``.

        Only these lock each other out, so nobody else waits. A change by another writer between the comparison and the
        immediately following rename is lost.
        """

        def replace(temporary: str, path: str) -> None:
            while True:
                with self._locked_version(name, etag) as status:
                    if settled_in_ns(status) <= 0:
                        os.replace(temporary, path)
                        return
                # Wait without the lock: until then, the next version could get the same tag.
                if settled_etag(status, functools.partial(os.lstat, path)) != etag:
                    raise self.error(Changed, name)

        try:
            # Check before reading the source, which can take minutes.
            with self._locked_version(name, etag):
                pass
        except OSError as error:
            if isinstance(error, FSError):
                raise
            raise self._write_error(error, name) from error
        self._store(name, stream, attributes=attributes, replace=replace)

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
        self._tidy(name)

    def _tidy(self, name: str) -> None:
        """Remove folders that are empty after removing a hidden file. Only :meth:`_delete` removes other empty folders."""
        if name.startswith(HIDDEN_FOLDERS):
            folders.remove_empty(os.path.dirname(self.path(name)), stop=self.root)

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
            # The file itself might be missing.
            self._call_hook(self._lstat, name)
            folders.make(os.path.dirname(path), self._filesystem.folder_mode)

        try:
            require_no_symlink_above(path, target)
            folders.retry_creating_parent(
                make_folder, lambda: folders.replace_empty_dirs(path, lambda: move(source, path))
            )
            self._tidy(name)
        except OSError as error:
            if isinstance(error, FSError):
                raise
            raise self._write_error(error, target) from error

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change attributes in place: content and modification time stay, and the etag changes."""
        try:
            with contextlib.ExitStack() as stack:
                with contextlib.suppress(LacksCapability, PermissionError):
                    # The lock keeps concurrent changes from undoing each other.
                    stack.enter_context(self._filesystem.locked(os.path.dirname(self._local_path(name))))
                fd, status = self._open_file(name)
                stack.callback(os.close, fd)
                attributes = changed(xattrs.read(fd, status), changes)
                xattrs.replace(fd, xattrs.encoded(name, attributes))
                if self._filesystem.fsync:
                    os.fsync(fd)
        except PermissionError:
            # A process can replace files of other users and read-only files, but can't change them.
            super()._set_attributes(name, changes)
        except LacksCapability as error:
            raise self._write_error(error, name) from error

    def _local_path(self, name: str) -> str:
        # An override can return a path object.
        return os.fspath(self.path(name))

    def _internal_location(self, name: str) -> str | None:
        if (location := self.config.get('accel_redirect')) is None:
            return None
        path, root = self._local_path(name), os.path.join(self._local_path(''), '')
        if not path.startswith(root):
            # An override of path() moved it elsewhere.
            return None
        return '/'.join(filter(None, (location, self._subfolder, path.removeprefix(root))))

    # --- Many files.

    def _listed_names(self, prefix: str) -> Iterator[list[str]]:
        """The valid names that begin with *prefix*, in batches from one folder each."""
        for base, entries in self._walk(prefix):
            names = valid_in_folder(base, [entry.name for entry in entries])
            if len(names) < len(entries):
                # The invalid names can include temporary files.
                folders.remove_stale(entries)
            yield names

    def _has_files(self, prefix: str) -> bool:
        """Whether a folder contains files: an empty folder doesn't exist, as in every other store."""
        try:
            return any(self._listed_names(prefix))
        except PermissionError:
            # A folder that we may not read counts as existing.
            return True

    def _walk(self, prefix: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
        """The files whose names begin with *prefix*, in batches from one folder, with the folder's name and a slash."""
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
        """Remove temporary files of crashed processes, and return their number.

        Listing does this too. On file systems with unnamed files there are hardly ever any.
        """
        return sum(
            folders.removed_if_stale(entry, older_than_s)
            for _, entries in self._walk('')
            for entry in entries
            if entry.name.startswith(TEMPORARY_PREFIX)
        )


# The value of `default_root` unless an application overrides it.
_DEFAULT_ROOT = LocalBackend.default_root


def _link_and_unlink(source: str, target: str) -> None:
    os.link(source, target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source)
