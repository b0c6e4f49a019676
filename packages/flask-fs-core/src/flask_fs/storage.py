"""The storage, with which applications save, read, list, link and serve files."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable

from werkzeug.wrappers import Response

from .config import Config
from .errors import ConfigurationError
from .files import DEFAULTS
from .upload_checks import Validator
from .verbs.conflicts import Conflict
from .verbs.naming import UploadTo
from .verbs.reading import Usage
from .verbs.receiving import Receiving
from .verbs.scoped import view_of

__all__ = ['Authorize', 'Config', 'Conflict', 'Storage', 'UploadTo', 'Usage']

#: Whether the current request may be served a file, or the response that it gets instead.
Authorize = Callable[[str], bool | Response]

_STORAGE_NAME = re.compile(r'[A-Za-z0-9][\w.-]*', re.ASCII)


class Storage(Receiving):
    """A named container of files, on whichever backend each application configures.

    One storage may serve several applications: within an application context it uses that application's configuration,
    outside of one that of the only application it was configured for.

    :param name: Letters, digits, ``_``, ``-`` and ``.``; settings begin with it, as in ``AVATARS_FS_BACKEND``.
    :param extensions: The extensions that :meth:`save` accepts: any container of lower-case ones without dots.
    :param upload_to: A folder for every file saved, or a callable that returns one.
    :param overwrite: Whether saving replaces existing files unless told otherwise.
    :param basename: The name, without extension, of uploads with a filename, or a callable that returns it; if it takes
        an argument, that is the application. A filename given to :meth:`save` wins.
    :param authorize: Called with a filename before the application serves it: true serves it, false
        responds with 403, a response is sent instead. It may be ``async``, like Flask's views. Signed links need no
        further permission.
    :param validators: Called by :meth:`save` with the open file, seekable and at the position it is read from, and its
        filename, before anything is stored; they reject it by raising :exc:`UploadNotAllowed` or a subclass.
    """

    def __init__(
        self,
        name: str = 'files',
        extensions: Container[str] = DEFAULTS,
        upload_to: UploadTo | None = None,
        overwrite: bool = False,
        *,
        basename: UploadTo | None = None,
        authorize: Authorize | None = None,
        validators: Iterable[Validator] = (),
    ) -> None:
        if not _STORAGE_NAME.fullmatch(name):
            reason = f'{name!r} cannot be the name of a storage: use letters, digits, _, - and .'
            raise ConfigurationError(reason=reason)
        super().__init__(name)
        self.extensions = extensions
        self.upload_to = upload_to
        self.overwrite = overwrite
        self.basename = basename
        self.authorize = authorize
        self.validators = tuple(validators)

    def __repr__(self) -> str:
        return f'<Storage {self.name!r}>'

    def scoped(self, folder: str) -> Storage:
        """A storage with the files under *folder* alone: a view of this one that cannot leave it.

        All its verbs take and return names relative to the folder, and so do the errors that they raise. It is used as any
        storage, also for fields of documents, but only the storage itself is given to ``init_app``. Its settings, backend and
        attributes are those of the storage, whose validators, ``authorize`` and receivers of signals get whole names.
        Views of the same folder are equal.

        :param folder: The name of a folder, there or not, as ``tenants/7``; with or without a slash at the end.
        :raises InvalidFilename: If it is empty, or no file could be under it.
        """
        whole = self._whole_name(folder.removesuffix('/')) + '/'
        view: Storage = view_of(self._storage, whole, self._is_read_only)
        return view

    def read_only(self) -> Storage:
        """A view of this storage that can be read and listed, and makes links for reading.

        :exc:`OperationNotSupported` is raised by every verb that would change something, before it reads anything, and so by
        opening a file for writing and by links for ``PUT``.
        """
        view: Storage = view_of(self._storage, self._folder, True)
        return view
