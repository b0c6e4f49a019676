"""Storing content, and what is kept with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from werkzeug.datastructures import FileStorage

from ..arrivals import ArrivedUpload
from ..backends.attributes import NAMES, attributes_of
from ..backends.base import BaseBackend
from ..backends.contract import NO_ATTRIBUTES, Attributes, FileInfo
from ..backends.sources import media_type_of, source, spooled
from ..backends.streams import Mode
from ..backends.writers import open_writer
from ..bindings import Binding
from ..errors import FileExists
from ..signals import file_saved, file_saving
from ..upload_checks import (
    Validator,
    check_content,
    check_sent,
    check_type,
    limited,
    position_of,
    restore_position,
    validated,
)
from .conflicts import AvailableName, Conflict, replaces
from .naming import UploadTo
from .reading import Reading

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..arrivals import ArrivedUpload
from ..backends.attributes import GivenAttributes


class Writing(Reading):
    """The verbs that store content and attributes."""

    validators: Iterable[Validator]

    def save(
        self,
        file_or_wfs: Any,
        filename: str | None = None,
        prefix: UploadTo | None = None,
        overwrite: bool | None = None,
        *,
        upload_to: UploadTo | None = None,
        conflict: Conflict | None = None,
        if_match: str | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> str:
        """Store a file and return the name it was stored under: ``upload_to/prefix/filename``.

        The file appears whole or not at all. It is read from its current position, in bounded memory, and not closed; a
        seekable file is left at the position that it had, so it can be saved again.

        :param file_or_wfs: An upload, an open file, anything with ``read``, or the path of a file as a path-like object.
        :param filename: Its name; by default the upload's own filename, cleaned, or the storage's ``basename`` with the
            extension of that.
        :param prefix: A folder under ``upload_to``, or a callable that returns one.
        :param overwrite: Whether to replace a file of that name; the default is that of the storage.
        :param upload_to: A folder, or a callable that returns one, instead of the storage's ``upload_to``; ``''`` for
            none.
        :param conflict: What to do if there is a file of that name: ``'error'``, ``'replace'``, or ``'rename'``, which keeps
            both, the new one under the next name that :meth:`resolve_conflict` returns. Of all who save, each gets a name of
            its own; without ATOMIC_CREATE two who save at once may get the same. By default ``overwrite`` decides.
        :param if_match: Replace only this version of the file, by its ``etag``: of all who replace it, one wins. Needs
            COMPARE_AND_SWAP.
        :param attributes: What to keep with it, given by name; needs ATTRIBUTES, or for ``mime`` alone MIME. ``mime``,
            ``cache_control``, ``content_encoding`` (how the given bytes are encoded already), ``content_language``,
            ``download_name``, and ``metadata``, text by name. See :class:`~flask_fs.backends.Attributes`.
        :raises FileExists: If there is a file of that name, and neither ``overwrite`` nor *conflict* says what else to do. The
            first writer wins.
        :raises Changed: If there is another version than *if_match*, or none.
        :raises OperationNotSupported: If the backend cannot keep an attribute, or compare and swap. Nothing is stored.
        :raises UnauthorizedFileType: If its extension is not allowed.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
        :raises NoFile: If a form was sent without a file.
        :raises InvalidContent: If its content contradicts its extension, such as HTML named ``a.png``, unless the setting
            ``CHECK_CONTENT`` is false.
        :raises UploadNotAllowed: If one of the storage's validators rejects it.
        :raises InvalidFilename: If no name was given or found, or the name is not valid.
        :raises ValueError: If *overwrite*, *conflict* and *if_match* contradict each other.
        """
        bound = self._bound()
        check_sent(file_or_wfs, filename, self.name)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        name = self._named(bound.app, file_or_wfs, filename, prefix, self.upload_to if upload_to is None else upload_to)
        whole = self._whole_name(name) if self._folder else name
        check_type(file_or_wfs, whole, self, bound.config)
        if conflict is not None or if_match is not None:
            overwrite = replaces(conflict, overwrite, if_match)
        overwrite = self._may_overwrite(overwrite)
        search = AvailableName(self, name) if conflict == 'rename' else None
        if file_saving.receivers:
            self._announce_saving(whole)
        # A mock of a file is path-like too, and open() would use it as the number of another open file.
        if not hasattr(file_or_wfs, 'read') and isinstance(file_or_wfs, os.PathLike):
            with open(file_or_wfs, 'rb') as file:
                self._store_upload(bound, whole, file, None, overwrite, kept, if_match, search)
        else:
            position = position_of(file_or_wfs)
            try:
                self._store_upload(bound, whole, file_or_wfs, position, overwrite, kept, if_match, search)
            finally:
                restore_position(file_or_wfs, position)
        return name if search is None else search.name

    def write(
        self,
        filename: str,
        content: Any,
        overwrite: bool = False,
        *,
        if_match: str | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> None:
        """Store text, as UTF-8, bytes, or the content of a file or upload. The application's own content may have any type.

        Anything with ``read`` is read and left as :meth:`save` does. The media type of an upload is stored with it if
        the backend supports that.

        :param if_match: Replace only this version of the file, by its ``etag``, as :meth:`save` does.
        :param attributes: What to keep with it, as :meth:`save` does.
        :raises FileExists: If there is a file of that name, and neither *overwrite* nor the storage allows replacing it.
        :raises Changed: If there is another version than *if_match*, or none.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
        """
        bound, name = self._bound(), self._whole_name(filename)
        if isinstance(content, FileStorage):
            check_sent(content, name, self.name)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        overwrite = overwrite or self.overwrite
        if file_saving.receivers:
            self._announce_saving(name)
        position = position_of(content)
        try:
            reader = limited(content, name, self.name, bound.config)
            info = bound.driver.write(
                name, reader, overwrite, mime=media_type_of(content), attributes=kept, if_match=if_match
            )
        finally:
            restore_position(content, position)
        self._announce_saved(bound, name, info)

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        """A file object.

        What is written is stored, whole, when the file object is closed. Leaving its ``with`` block by an exception
        stores nothing, nor does dropping it unclosed.

        :param mode: ``r`` to read, ``w`` to write or replace, ``x`` to create; with ``b`` for bytes, else text in UTF-8.
        :param kwargs: ``encoding``, ``errors`` and ``newline``, for text; for writing also attributes, as :meth:`save` has
            them.
        :raises ValueError: For any other mode: files are read or replaced whole.
        :raises FileNotFound: When reading, if there is no file of that name.
        :raises FileExists: With ``x``, if there is a file of that name: here, before anything is written, or when the file
            object is closed if it came meanwhile.
        """
        bound, name, how = self._bound(), self._whole_name(filename), Mode(mode)
        given = {attribute: kwargs.pop(attribute) for attribute in NAMES if attribute in kwargs} if kwargs else {}
        if given and how.reads:
            raise ValueError(
                f'{", ".join(given)}: attributes are for writing; change those of a file with set_attributes()'
            )
        attributes = attributes_of(given)
        bound.driver.require_attributes(name, attributes)
        if how.reads or not isinstance(bound.driver, BaseBackend):
            if not how.reads:
                self._announce_saving(name)
            return bound.driver.open(name, mode, **kwargs)
        if how.creates and bound.driver.exists(name):
            # Raised before anything is written; closing checks again, without a race.
            raise bound.driver.error(FileExists, name)

        def store(stream: IO[bytes]) -> None:
            self._announce_saving(name)
            self._store(bound, name, stream, not how.creates, attributes)

        return open_writer(store, how, **kwargs)

    def set_attributes(self, filename: str, **attributes: Unpack[GivenAttributes]) -> None:
        """Change attributes of a file, without sending its content where the store can; those not given stay.

        Of two that change attributes of one file at once, the last one may undo what the other has changed.

        :param attributes: By name, as :meth:`save` has them; None removes one. ``metadata`` replaces all of it.
        :raises FileNotFound: If there is no file of that name.
        :raises OperationNotSupported: If the backend keeps no attributes.
        """
        self._bound().driver.set_attributes(self._whole_name(filename), attributes)

    # By position, which is quicker than by name.
    def _store_upload(
        self,
        bound: Binding,
        name: str,
        file: Any,
        position: Any,
        overwrite: bool,
        attributes: Attributes,
        if_match: str | None,
        search: AvailableName | None,
    ) -> None:
        if bound.config['check_content']:
            encoding = attributes.content_encoding
            file = check_content(file, name, self.name, position=position, content_encoding=encoding)
        if not self.validators:
            self._store(bound, name, file, overwrite, attributes, if_match, search)
            return
        with validated(limited(file, name, self.name, bound.config), name, self.validators, self.name) as file:
            self._store(bound, name, file, overwrite, attributes, if_match, search)

    def _store_available(
        self, bound: Binding, name: str, file: Any, attributes: Attributes, search: AvailableName
    ) -> None:
        """Store *file* as *name*, or else under the first name of *search* that is available."""
        with contextlib.ExitStack() as stack:
            if (start := position_of(file)) is None:
                reader = source(limited(file, name, self.name, bound.config))
                file, start = stack.enter_context(spooled(reader)), 0
            while True:
                try:
                    info = self._keep(bound, name, file, False, attributes)
                    break
                except FileExists as conflict:
                    name = self._next_name(bound, file, search, conflict)
                    if not restore_position(file, start):
                        raise
        self._announce_saved(bound, name, info)

    def _next_name(self, bound: Binding, file: Any, search: AvailableName, conflict: FileExists) -> str:
        """The whole name to try for *file* now that *conflict* was raised for the one before."""
        search.advance(conflict)
        name = self._whole_name(search.name)
        check_type(file, name, self, bound.config)
        self._announce_saving(name)
        return name

    def _store(
        self,
        bound: Binding,
        name: str,
        file: Any,
        overwrite: bool,
        attributes: Attributes,
        if_match: str | None = None,
        search: AvailableName | None = None,
    ) -> None:
        if search is not None:
            self._store_available(bound, name, file, attributes, search)
            return
        info = self._keep(bound, name, file, overwrite, attributes, if_match)
        self._announce_saved(bound, name, info)

    def _keep(
        self, bound: Binding, name: str, file: Any, overwrite: bool, attributes: Attributes, if_match: str | None = None
    ) -> Any:
        file = limited(file, name, self.name, bound.config)
        if isinstance(file, ArrivedUpload):
            return file.create(name, replace=overwrite, attributes=attributes)
        return bound.driver.save(file, name, overwrite, attributes=attributes, if_match=if_match)

    def _announce_saved(self, bound: Binding, name: str, info: Any = None) -> None:
        if file_saved.receivers and file_saved.has_receivers_for(sender := self._storage):
            file_saved.send(sender, info=info if isinstance(info, FileInfo) else bound.driver.stat(name))

    def _announce_saving(self, name: str) -> None:
        file_saving.send(self._storage, filename=name)
