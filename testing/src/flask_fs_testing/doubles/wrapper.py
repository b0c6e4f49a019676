"""A backend in front of another, through which every hook passes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from flask_fs import DeletedFile, FileInfo
from flask_fs.backends import BaseBackend, Capability
from flask_fs.errors import FileNotFound, FSError

#: The hooks of a backend, as tests name them: without the underscore.
HOOKS = (
    'open', 'put', 'stat', 'scan', 'remove', 'swap', 'set_attributes', 'folder', 'names', 'delete', 'copy', 'move', 'retain',
    'deleted', 'restore', 'purge', 'local_path', 'signed_url', 'signed_upload', 'signed_part', 'join',
)  # fmt: skip
#: Those that store content from a source.
STORING = ('put', 'swap')
#: Those that list, lazily.
LISTING = ('scan', 'names', 'deleted')


#: Those that also get the name of a file that they create.
WITH_TARGET = ('copy', 'move', 'join')

Subject = str | DeletedFile | Sequence[FileInfo]


def name_of(given: Subject) -> str:
    """The name or prefix that a hook is about, from its first argument; for several pieces, that of the first one."""
    if isinstance(given, str):
        return given
    return given.name if isinstance(given, DeletedFile) else given[0].name


def _passing_on(hook: str) -> Callable[..., Any]:
    def call(self: BackendWrapper, *args: Any, **kwargs: Any) -> Any:
        return self.pass_on(hook, *args, **kwargs)

    return call


class BackendWrapper(BaseBackend):
    """Behaves like *backend*, with the same name, settings and capabilities, and all its other attributes.

    The verbs are those of BaseBackend; they call the hooks of *backend*. Hooks that
    *backend* itself calls do not pass through the wrapper. If many files are removed, each is removed with a separate call.
    Subclasses override :meth:`pass_on`.

    ``isinstance(wrapper, type(backend))`` is true, because applications use it to find out where their files are.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, including another wrapper.
    """

    def __init__(self, backend: BaseBackend) -> None:
        if not isinstance(backend, BaseBackend):
            raise TypeError(f'{type(self).__name__} wraps backends made from BaseBackend, not {type(backend).__name__}')
        self.wrapped = backend
        self.name = backend.name
        self.config = backend.config
        self._prefix = backend._prefix
        # A class attribute in other backends; here, that of the wrapped backend.
        for name in ('kind', 'settings', 'seekable_streams', 'signed_put_headers', 'page_size'):
            vars(self)[name] = getattr(backend, name)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} around {self.wrapped!r}>'

    @property  # type: ignore[misc]  # as the doubles of unittest.mock do
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.wrapped.__class__

    def __getattr__(self, name: str) -> Any:
        if name == 'wrapped':
            # Requested before __init__, for example by copy.copy().
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]  # each time: a backend may narrow its own
        return self.wrapped.capabilities

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        return self.wrapped.location

    def _sweep(self, older_than_s: float) -> int | None:
        return self.wrapped.sweep(older_than_s=older_than_s)

    def describe_location(self) -> str:
        return self.wrapped.describe_location()

    def pass_on(self, hook: str, *args: Any, **kwargs: Any) -> Any:
        """Call a hook of the wrapped backend. Every hook call goes through this method.

        :param hook: The hook's name without its underscore.
        :param args: Its arguments. The first is the name of the file, for ``scan``, ``names``, ``deleted`` and
            ``folder`` the prefix, for ``restore`` and ``purge`` a :class:`~flask_fs.DeletedFile`, for ``join`` the pieces.
        """
        # A legacy backend might not raise the right error for a missing file: call exists() first.
        if hook in ('open', 'stat') and not self.wrapped.capabilities and not self.wrapped.exists(args[0]):
            raise self.error(FileNotFound, args[0])
        # Errors are translated here, so that errors that a subclass raises reach the caller unchanged.
        wrapped = self.wrapped
        if hook == 'open':
            return wrapped._open_translated(*args, **kwargs)
        call = getattr(wrapped, f'_{hook}')
        if hook in LISTING:
            return wrapped._list_hook(call, *args)
        try:
            return call(*args, **kwargs)
        except wrapped.errors as error:
            if isinstance(error, FSError) or (hook in STORING and error is args[1].error):
                raise
            raise wrapped.translated(error, name_of(args[0])) from error

    def shown(self, name: Subject) -> str:
        """*name* as applications use it: without the key prefix that hooks get."""
        return name_of(name).removeprefix(self._prefix)

    # --- Hooks.

    def _internal_location(self, name: str) -> str | None:
        return self.wrapped._internal_location(name)

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        return self.wrapped._call_hook(lambda _: self.wrapped._allow_origins(origins, dry_run=dry_run), '')

    # With the signatures of BaseBackend.
    _open: Any = _passing_on('open')
    _put: Any = _passing_on('put')
    _stat: Any = _passing_on('stat')
    _scan: Any = _passing_on('scan')
    _remove: Any = _passing_on('remove')
    _swap: Any = _passing_on('swap')
    _set_attributes: Any = _passing_on('set_attributes')
    _folder: Any = _passing_on('folder')
    _names: Any = _passing_on('names')
    _delete: Any = _passing_on('delete')
    _copy: Any = _passing_on('copy')
    _move: Any = _passing_on('move')
    _retain: Any = _passing_on('retain')
    _deleted: Any = _passing_on('deleted')
    _restore: Any = _passing_on('restore')
    _purge: Any = _passing_on('purge')
    _local_path: Any = _passing_on('local_path')
    _signed_url: Any = _passing_on('signed_url')
    _signed_upload: Any = _passing_on('signed_upload')
    _signed_part: Any = _passing_on('signed_part')
    _join: Any = _passing_on('join')
