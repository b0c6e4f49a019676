"""The methods that store content and attributes."""

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
    """The methods that store content and attributes."""

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
        """Store a file and return its name in the storage: ``upload_to/prefix/filename``.

        The complete file appears, or nothing does. It is read from its current position, in bounded memory, and not closed. A
        seekable file is returned to its original position, so you can save it again.

        :param file_or_wfs: An upload, an open file, any object with ``read``, or the path of a file as a path-like object.
        :param filename: Its name. Default: the upload's own filename, cleaned, or the storage's ``basename`` with the upload's
            extension.
        :param prefix: A folder under ``upload_to``, or a callable that returns one.
        :param overwrite: Whether to replace an existing file with that name. Default: the storage's ``overwrite``.
        :param upload_to: A folder, or a callable that returns one, instead of the storage's ``upload_to``; ``''`` for
            none.
        :param conflict: What to do if a file with that name exists: ``'error'``, ``'replace'``, or ``'rename'``, which stores
            the new file under the next name that :meth:`resolve_conflict` returns. Concurrent writers get different names;
            without ATOMIC_CREATE, two of them might get the same name. Default: ``overwrite`` decides.
        :param if_match: Replace only the version of the file with this ``etag``. Only one of several concurrent writers
            succeeds. Requires COMPARE_AND_SWAP.
        :param attributes: Keyword arguments to store with the file: ``mime``, ``cache_control``, ``content_encoding`` (how the
            bytes are already encoded), ``content_language``, ``download_name``, and ``metadata``, a mapping of names to text.
            Requires ATTRIBUTES, or MIME for ``mime`` alone. See :class:`~flask_fs.backends.Attributes`.
        :raises FileExists: If a file with that name exists, unless ``overwrite`` or *conflict* says to replace or rename. The
            first writer succeeds.
        :raises Changed: If the current version isn't *if_match*, or the file doesn't exist.
        :raises OperationNotSupported: If the backend cannot store an attribute, or compare and swap. Nothing is stored.
        :raises UnauthorizedFileType: If its extension is not allowed.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
        :raises NoFile: If a form was sent without a file.
        :raises InvalidContent: If its content contradicts its extension, such as HTML named ``a.png``, unless the setting
            ``CHECK_CONTENT`` is false.
        :raises UploadNotAllowed: If one of the storage's validators rejects it.
        :raises InvalidFilename: If there is no filename, or it is not valid.
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
        # A mock of a file is path-like too, and open() would use it as the descriptor of another open file.
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
        """Store text (as UTF-8), bytes, or the content of a file or upload. Its type isn't checked.

        Objects with ``read`` are read, and returned to their original position, as by :meth:`save`. The media type of an
        upload is stored with it if the backend supports that.

        :param if_match: Replace only the version of the file with this ``etag``, as in :meth:`save`.
        :param attributes: Attributes to store with the file, as in :meth:`save`.
        :raises FileExists: If a file with that name exists, and neither *overwrite* nor the storage allows replacing it.
        :raises Changed: If the current version isn't *if_match*, or the file doesn't exist.
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
        if file_saved.receivers:
            self._announce_saved(bound, name, info)

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        """A file object for reading or writing.

        Written content is stored, all of it, when the file object is closed. If an exception leaves its ``with`` block, or
        the object is discarded without closing it, nothing is stored.

        :param mode: ``r`` to read, ``w`` to write or replace, ``x`` to create. Add ``b`` for bytes; otherwise text in UTF-8.
        :param kwargs: ``encoding``, ``errors`` and ``newline``, for text; for writing, also the attributes of :meth:`save`.
        :raises ValueError: For any other mode: files can only be read, or replaced completely.
        :raises FileNotFound: When reading, if no file with that name exists.
        :raises FileExists: With ``x``, if a file with that name exists: immediately, or when the file object is closed if
            another writer created the file in the meantime.
        """
        bound, name, how = self._bound(), self._whole_name(filename), Mode(mode)
        given = {attribute: kwargs.pop(attribute) for attribute in NAMES if attribute in kwargs} if kwargs else {}
        if given and how.reads:
            raise ValueError(
                f"{', '.join(given)}: attributes are only for writing; change an existing file's with set_attributes()"
            )
        attributes = attributes_of(given)
        bound.driver.require_attributes(name, attributes)
        if how.reads or not isinstance(bound.driver, BaseBackend):
            if not how.reads:
                self._announce_saving(name)
            return bound.driver.open(name, mode, **kwargs)
        if how.creates and bound.driver.exists(name):
            # Raised early, before anything is written. Closing checks again, without a race.
            raise bound.driver.error(FileExists, name)

        def store(stream: IO[bytes]) -> None:
            self._announce_saving(name)
            self._store(bound, name, stream, not how.creates, attributes)

        return open_writer(store, how, **kwargs)

    def set_attributes(self, filename: str, **attributes: Unpack[GivenAttributes]) -> None:
        """Change attributes of a file, without sending its content if the store supports that. Other attributes don't change.

        If two callers change attributes of one file at the same time, the last one can undo the other's changes.

        :param attributes: Keyword arguments as in :meth:`save`. None removes an attribute. ``metadata`` replaces all metadata.
        :raises FileNotFound: If no file with that name exists.
        :raises OperationNotSupported: If the backend doesn't store attributes.
        """
        self._bound().driver.set_attributes(self._whole_name(filename), attributes)

    # The arguments are positional because that is faster.
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
    ) -> tuple[str, Any]:
        """Store *file* as *name*, or under the first available name of *search*. Return its full name and the driver's result."""
        with contextlib.ExitStack() as stack:
            if (start := position_of(file)) is None:
                reader = source(limited(file, name, self.name, bound.config))
                file, start = stack.enter_context(spooled(reader)), 0
            while True:
                try:
                    return name, self._keep(bound, name, file, False, attributes)
                except FileExists as conflict:
                    name = self._next_name(bound, file, search, conflict)
                    if not restore_position(file, start):
                        raise

    def _next_name(self, bound: Binding, file: Any, search: AvailableName, conflict: FileExists) -> str:
        """The full name to try next for *file*, after *conflict* was raised for the previous one."""
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
        if search is None:
            info = self._keep(bound, name, file, overwrite, attributes, if_match)
        else:
            name, info = self._store_available(bound, name, file, attributes, search)
        if file_saved.receivers:
            self._announce_saved(bound, name, info)

    def _keep(
        self, bound: Binding, name: str, file: Any, overwrite: bool, attributes: Attributes, if_match: str | None = None
    ) -> Any:
        file = limited(file, name, self.name, bound.config)
        if isinstance(file, ArrivedUpload):
            return file.create(name, replace=overwrite, attributes=attributes)
        return bound.driver.save(file, name, overwrite, attributes=attributes, if_match=if_match)

    def _announce_saved(self, bound: Binding, name: str, info: Any = None) -> None:
        if file_saved.has_receivers_for(sender := self._storage):
            file_saved.send(sender, info=info if isinstance(info, FileInfo) else bound.driver.stat(name))

    def _announce_saving(self, name: str) -> None:
        file_saving.send(self._storage, filename=name)
