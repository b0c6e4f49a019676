"""The storage: applications use it to save, read, list, link and serve files."""

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

#: Returns whether the current request may get a file, or the response to send instead.
Authorize = Callable[[str], bool | Response]

_STORAGE_NAME = re.compile(r'[A-Za-z0-9][\w.-]*', re.ASCII)


class Storage(Receiving):
    """A named container of files, on the backend that each application configures.

    Several applications can share one storage. Within an application context it uses that application's configuration.
    Outside of one it uses the configuration of the only application that it was set up for.

    :param name: Letters, digits, ``_``, ``-`` and ``.``. It is the prefix of the settings, as in ``AVATARS_FS_BACKEND``.
    :param extensions: The extensions that :meth:`save` accepts: any container of lowercase extensions without dots.
    :param upload_to: A folder for every saved file, or a callable that returns one.
    :param overwrite: Whether saving replaces existing files by default.
    :param basename: The name, without extension, of uploads with a filename, or a callable that returns it. If the callable
        takes an argument, it gets the application. A filename passed to :meth:`save` takes precedence.
    :param authorize: Called with a filename before the application serves the file. If it returns true, the file is served;
        if false, the response is 403; if it returns a response, that is sent instead. It can be ``async``, like Flask's
        views. It isn't called for signed links.
    :param validators: :meth:`save` calls each with the open file, seekable and at its current position, and its filename,
        before anything is stored. To reject the file, they raise :exc:`UploadNotAllowed` or a subclass.
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
            reason = f'{name!r} is not a valid storage name: use letters, digits, _, - and .'
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
        """A view of this storage that is restricted to *folder*.

        All its methods accept and return names relative to the folder, and errors contain such names. Use it like any
        storage, including for fields of documents, but pass only the storage itself to ``init_app``. The view shares the
        settings, backend and attributes of the storage. Validators, ``authorize`` and signal receivers get full names.
        Views of the same folder are equal.

        :param folder: The name of a folder, such as ``tenants/7``, with or without a trailing slash. It need not exist.
        :raises InvalidFilename: If it is empty, or not valid as the name of a folder.
        """
        whole = self._whole_name(folder.removesuffix('/')) + '/'
        view: Storage = view_of(self._storage, whole, self._is_read_only)
        return view

    def read_only(self) -> Storage:
        """A view of this storage that can only read, list, and make links for reading.

        Every method that would change something raises :exc:`OperationNotSupported` before it reads anything. So does opening
        a file for writing, and signing a link for ``PUT``.
        """
        view: Storage = view_of(self._storage, self._folder, True)
        return view
