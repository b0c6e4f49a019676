"""The names of files, and the types that a storage accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from typing import Any

from werkzeug.datastructures import FileStorage

from .. import names
from ..bindings import AppBound
from ..errors import InvalidFilename
from ..files import bare_extension, contains, extension

#: A folder or a name, or a callable that returns one. If the callable takes an argument, it gets the application.
UploadTo = str | Callable[..., str]


class Naming(AppBound):
    """The parts of a storage that choose the name of a file, and check its type."""

    extensions: Container[str]
    upload_to: UploadTo | None
    overwrite: bool
    basename: UploadTo | None

    #: In a view of one folder, the prefix of every full name, including the slash: see :class:`View`.
    _folder = ''
    _is_read_only = False
    #: Checks a filename from the caller, and returns the full name in the storage.
    _whole_name = staticmethod(names.check)

    @property
    def _storage(self) -> Naming:
        """The storage itself, if this is a view."""
        return self

    def _require_writable(self) -> None:
        """Raise OperationNotSupported if this is a read-only view."""

    @property
    def root(self) -> str | None:
        """The folder that contains the files, or None if the backend has none."""
        return getattr(self.backend, 'root', None)

    def extension_allowed(self, ext: str) -> bool:
        """Whether files with the extension *ext*, without its dot, are accepted. Case is ignored."""
        bound, ext = self._configured(), bare_extension(ext)
        allow, deny = ((), ()) if bound is None else (bound.config['allow'], bound.config['deny'])
        # Both settings are rare. A custom container can be false although it contains something.
        if allow != () and contains(allow, ext):
            return True
        return contains(self.extensions, ext) and not (deny != () and contains(deny, ext))

    def file_allowed(self, storage: FileStorage, basename: str) -> bool:
        """Whether the upload *storage* can be saved as *basename*."""
        return self.extension_allowed(extension(basename))

    def _named(
        self, app: Any, file: Any, filename: str | None, prefix: UploadTo | None, upload_to: UploadTo | None
    ) -> str:
        if not filename:
            if (filename := names.of_source(file)) is None:
                raise InvalidFilename(reason=f'{type(file).__name__} has no filename: pass filename= to save()')
            if basename := _given(self.basename, app):
                ext = extension(filename)
                filename = f'{basename}.{ext}' if ext else basename
        filename = names.check(filename)
        if not upload_to and not prefix:
            return filename
        return names.check(names.join(_given(upload_to, app), _given(prefix, app), filename))

    def _may_overwrite(self, overwrite: bool | None) -> bool:
        return self.overwrite if overwrite is None else overwrite


def _given(given: UploadTo | None, app: Any) -> str:
    if not callable(given):
        return given or ''
    return given(app) if inspect.signature(given).parameters else given()
