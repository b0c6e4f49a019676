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
#: Those that store what they are given.
STORING = ('put', 'swap')
#: Those that list, lazily.
LISTING = ('scan', 'names', 'deleted')


#: Those that are also given the name of a file that they make.
WITH_TARGET = ('copy', 'move', 'join')

Subject = str | DeletedFile | Sequence[FileInfo]


def name_of(given: Subject) -> str:
    """The name, or prefix, that a hook is about, by what it was given first; of several pieces that of the first one."""
    if isinstance(given, str):
        return given
    return given.name if isinstance(given, DeletedFile) else given[0].name


def _passing_on(hook: str) -> Callable[..., Any]:
    def call(self: BackendWrapper, *args: Any, **kwargs: Any) -> Any:
        return self.pass_on(hook, *args, **kwargs)

    return call


class BackendWrapper(BaseBackend):
    """Behaves as *backend* does: same name, settings and capabilities, and every other attribute of it.

    The verbs are those of the template; they call the hooks of *backend*. The hooks that
    *backend* itself calls are its own business and do not pass here. Of many files, each is removed by a call of its own.
    Subclasses override :meth:`pass_on`.

    ``isinstance(wrapper, type(backend))`` holds, because applications use that to find out where their files are.

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
        for name in ('kind', 'settings', 'seekable_streams', 'signed_put_headers', 'page_size'):
            vars(self)[name] = getattr(backend, name)

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
        """Call a hook of the wrapped backend. Every call of a hook comes here.

        :param hook: The hook's name without its underscore.
        :param args: What it is given: first the name of the file it is about, of ``scan``, ``names``, ``deleted`` and
            ``folder`` the prefix, of ``restore`` and ``purge`` a :class:`~flask_fs.DeletedFile`, of ``join`` the pieces.
        """
        # A legacy backend need not raise the right error for a file that is not there: exists() comes first.
        if hook in ('open', 'stat') and not self.wrapped.capabilities and not self.wrapped.exists(args[0]):
            raise self.error(FileNotFound, args[0])
        # Errors are translated here, so that those which a subclass raises itself reach the caller as they are.
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
        """*name* as applications use it: without the key prefix that hooks are given."""
        return name_of(name).removeprefix(self._prefix)

    # --- Hooks.

    def _internal_location(self, name: str) -> str | None:
        return self.wrapped._internal_location(name)

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        return self.wrapped._call_hook(lambda _: self.wrapped._allow_origins(origins, dry_run=dry_run), '')

    # Of the template's own signatures.
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
