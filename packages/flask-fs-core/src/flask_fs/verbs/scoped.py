"""Views of a storage: restricted to one folder, read-only, or both."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import types
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, NoReturn

from .. import names
from ..backends.streams import Mode
from ..bindings import Binding
from ..errors import ConfigurationError, DeletionFailed, FSError, OperationNotSupported
from .receiving import Receiving

#: The methods that read, those of them that list lazily, and those that change something. Opening files and signing links
#: can do both.
READING = frozenset(
    ('deleted', 'exists', 'folder', 'list_files', 'metadata', 'path', 'read', 'read_chunks', 'read_range')
)
READING |= {'resolve_conflict', 'scan', 'serve', 'stat', 'transfer', 'url', 'usage'}
LISTING = frozenset(('deleted', 'list_files', 'scan'))
CHANGING = frozenset(
    ('accept_upload', 'copy', 'delete', 'delete_many', 'move', 'purge', 'remove', 'restore', 'save', 'set_attributes')
)
CHANGING |= {'signed_upload', 'write'}


class View(Receiving):
    """A storage restricted to one folder, to reading, or both.

    Filenames from the caller are checked and become full names. Results and errors contain names relative to the folder. In
    each application, a view shares the settings, backend and attributes of the storage.
    """

    __slots__ = ('_folder', '_is_read_only', '_storage')

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        scope = f'.scoped({self._folder[:-1]!r})' if self._folder else ''
        return f'{self._storage!r}{scope}{".read_only()" if self._is_read_only else ""}'

    @property
    def _identity(self) -> tuple[Any, ...]:
        return self._storage, self._folder, self._is_read_only

    # --- Delegated to the storage.

    def configure(self, app: Any) -> NoReturn:
        reason = f'{self!r} is a view of a storage: configure the storage itself, as with fs.init_app(app, storage)'
        raise ConfigurationError(reason=reason)

    def _bound(self) -> Binding:
        return self._storage._bound()

    def _candidates(self) -> list[Binding]:
        return self._storage._candidates()

    def _rebind(self, binding: Binding) -> None:
        self._storage._rebind(binding)

    # --- Names.

    @property
    def root(self) -> str | None:
        root = super().root
        return os.path.join(root, self._folder.rstrip('/')) if isinstance(root, str) and self._folder else root

    def _whole_name(self, filename: str) -> str:
        # First the name alone, because no part of it may lead out of the folder; then the length of the full name.
        return names.check(self._folder + names.check(filename))

    @contextlib.contextmanager
    def _relative_errors(self) -> Generator[None]:
        try:
            yield
        except FSError as error:
            self._make_relative(error)
            raise

    def _listed(self, found: Iterator[Any]) -> Generator[Any]:
        with self._relative_errors():
            yield from found

    def _make_relative(self, error: FSError) -> None:
        # Only once, because methods call each other. The names of other storages are not changed.
        if error.storage in (None, self.name) and not vars(error).setdefault('_is_relative', False):
            vars(error)['_is_relative'] = True
            whole = error.filename
            error.filename = whole and whole.removeprefix(self._folder)
            # repr() shows the arguments.
            error.args = tuple(error.filename if argument == whole else argument for argument in error.args)
            if error.reason and self._folder:
                error.reason = re.sub(rf'(?<![\w./-]){re.escape(self._folder)}', '', error.reason)
        if isinstance(error, DeletionFailed):
            for failure in error.failures.values():
                self._make_relative(failure)
            error.failures = {name.removeprefix(self._folder): failure for name, failure in error.failures.items()}

    def _store(self, *args: Any) -> None:
        # Also called when a file that is open for writing is closed, and by another storage's transfer().
        with self._relative_errors():
            super()._store(*args)

    # --- Methods.

    def _require_writable(self) -> None:
        if self._is_read_only:
            raise OperationNotSupported(storage=self.name, reason='this view is read-only')

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if not Mode(mode).reads:
            self._require_writable()
        with self._relative_errors():
            return super().open(filename, mode, **kwargs)

    def signed_url(self, filename: str, *, method: str = 'GET', **how: Any) -> str:
        if method == 'PUT':
            self._require_writable()
        with self._relative_errors():
            return super().signed_url(filename, method=method, **how)

    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        with contextlib.ExitStack() as stack:
            with self._relative_errors():
                path = stack.enter_context(super().local_file(filename))
            yield path


def _verb(name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(Receiving, name))
    def verb(self: View, *args: Any, **kwargs: Any) -> Any:
        if name in CHANGING:
            self._require_writable()
        with self._relative_errors():
            result = getattr(super(View, self), name)(*args, **kwargs)
            return self._listed(result) if name in LISTING else result

    return verb


for _name in READING | CHANGING:
    setattr(View, _name, _verb(_name))


@functools.cache
def _view_class(storage_class: Any) -> Any:
    # A view of an application's subclass of Storage inherits its overrides.
    return types.new_class(f'{storage_class.__name__}View', (View, storage_class))


def view_of(storage: Any, folder: str, is_read_only: bool) -> Any:
    """A view of *storage*, which isn't a view itself, restricted to *folder*: empty, or with a trailing slash."""
    cls: Any = type(storage)
    view = object.__new__(_view_class(cls))
    view.__dict__ = vars(storage)
    view._storage, view._folder, view._is_read_only = storage, folder, is_read_only
    return view
