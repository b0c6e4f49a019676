"""A backend in front of another, through which every hook passes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import IO, Any

from flask_fs.backends import BaseBackend, ByteReader, Capability, FileInfo
from flask_fs.errors import FileNotFound

#: The hooks of a backend, as tests name them: without the underscore.
HOOKS = (
    'open',
    'put',
    'stat',
    'scan',
    'remove',
    'names',
    'read',
    'delete',
    'remove_many',
    'copy',
    'move',
    'checksum',
    'serve',
    'local_path',
    'signed_url',
)


class BackendWrapper(BaseBackend):
    """Behaves as *backend* does: same name, settings and capabilities, and every other attribute of it.

    The verbs are those of the template; what they ask of hooks is asked of the hooks of *backend*. The hooks that
    *backend* itself calls are its own business and do not pass here. Subclasses override :meth:`pass_on`.

    ``isinstance(wrapper, type(backend))`` holds, because applications ask that to find out where their files are.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, another wrapper included.
    """

    def __init__(self, backend: BaseBackend) -> None:
        if not isinstance(backend, BaseBackend):
            raise TypeError(f'{type(self).__name__} wraps backends made from BaseBackend, not {type(backend).__name__}')
        self.wrapped = backend
        self.name = backend.name
        self.config = backend.config
        self._prefix = backend._prefix
        # Of the class in other backends, and here of what is wrapped.
        vars(self).update(kind=backend.kind, settings=backend.settings)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} around {self.wrapped!r}>'

    @property  # type: ignore[misc]  # as the doubles of unittest.mock do
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.wrapped.__class__

    def __getattr__(self, name: str) -> Any:
        if name == 'wrapped':
            # Asked for before __init__, by copy.copy() for instance.
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]  # asked each time: a backend may narrow its own
        return self.wrapped.capabilities

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        return self.wrapped.location

    def describe_location(self) -> str:
        return self.wrapped.describe_location()

    def pass_on(self, hook: str, *args: Any, **kwargs: Any) -> Any:
        """Ask the wrapped backend. Whatever is asked goes through here.

        :param hook: The hook's name without its underscore.
        :param args: What it is given: first the name of the file it is about (of ``scan`` and ``names`` the prefix, of
            ``remove_many`` the names).
        """
        # A backend from older days need not know what to say of a file that is not there: it is asked first.
        if hook in ('open', 'stat', 'read') and not self.wrapped.capabilities and not self.wrapped.exists(args[0]):
            raise self.error(FileNotFound, args[0])
        if kwargs.pop('seekable', False):
            return self.wrapped._open_seekable(args[0])
        return getattr(self.wrapped, f'_{hook}')(*args, **kwargs)

    def shown(self, name: str) -> str:
        """*name* as applications know it: without the key prefix that hooks are given."""
        return name.removeprefix(self._prefix)

    # --- Hooks.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> IO[bytes]:
        stream: IO[bytes] = self.pass_on('open', name, start, stop, etag=etag)
        return stream

    def _open_seekable(self, name: str) -> IO[bytes]:
        # To a test it is the same whether the file is opened to be read from anywhere.
        stream: IO[bytes] = self.pass_on('open', name, 0, None, seekable=True)
        return stream

    def _put(self, name: str, stream: ByteReader, *, create: bool = False, mime: str | None = None) -> None:
        self.pass_on('put', name, stream, create=create, mime=mime)

    def _stat(self, name: str) -> FileInfo:
        info: FileInfo = self.pass_on('stat', name)
        return info

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        found: Iterator[FileInfo] = self.pass_on('scan', prefix)
        return found

    def _remove(self, name: str) -> None:
        self.pass_on('remove', name)

    def _names(self, prefix: str) -> Iterator[str]:
        names: Iterator[str] = self.pass_on('names', prefix)
        return names

    def _read(self, name: str) -> bytes:
        content: bytes = self.pass_on('read', name)
        return content

    def _delete(self, name: str) -> None:
        self.pass_on('delete', name)

    def _remove_many(self, names: Iterable[str]) -> None:
        self.pass_on('remove_many', names)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self.pass_on('copy', name, target, create=create)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        self.pass_on('move', name, target, create=create)

    def _checksum(self, name: str) -> str:
        checksum: str = self.pass_on('checksum', name)
        return checksum

    def _serve(self, name: str) -> Any:
        return self.pass_on('serve', name)

    def _local_path(self, name: str) -> str:
        path: str = self.pass_on('local_path', name)
        return path

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        url: str = self.pass_on('signed_url', name, expires_s=expires_s, method=method, download_name=download_name)
        return url
