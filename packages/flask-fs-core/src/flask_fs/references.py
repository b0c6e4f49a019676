"""References from documents or rows to files. They work with any Python object; bindings connect them to databases."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Container, Iterable
from typing import IO, Any, ClassVar

from flask import current_app

from . import files, names
from .errors import ConfigurationError, FileNotFound, InvalidFilename
from .storage import Storage
from .stored import StoredFile
from .transaction import FileTransaction
from .upload_checks import check_sent

#: Text, or a function that returns it. If the function has a parameter, it gets the document, row or other object.
FromInstance = str | Callable[..., str]


class Owner:
    """The connection of a reference to a database. This base class connects it to none; bindings derive from it.

    A binding creates a reference from a stored value, and sets its ``owner``, ``instance`` and ``name``: the value is stored
    in the attribute *name* of the document or row *instance*. Functions for ``upload_to`` and ``basename`` get *instance*
    too. The value to store is ``reference.stored.form()``. To read a new value from the database or the application, a
    binding uses ``reference.stored_type``. It passes the result to ``reference.refer_to``, or assigns it to
    ``reference.stored`` if there is no change to report.
    """

    #: Whether :meth:`FileReference.save` also stores the checksum of the main file.
    checksum: bool = False

    def changed(self, reference: FileReference) -> None:
        """Mark the attribute of *reference* as changed. Called after it started to refer to other files."""

    def transaction(self, reference: FileReference) -> FileTransaction:
        """The transaction for one change of *reference*. A binding can defer its end to the end of a database transaction."""
        return FileTransaction(reference.fs)

    def shared_files(self) -> Container[str]:
        """Files that do not belong to one document or row, such as the default of a field: they are never removed."""
        return ()

    def pickled(self, reference: FileReference) -> Any:
        """The pickled form of *reference* within its document or row, as in ``__reduce__``."""
        raise TypeError(
            f"a {type(reference).__name__} can't be pickled by itself: pickle its document, or its filename"
        )


_NO_OWNER = Owner()


class FileReference:
    """A reference to a file in a storage. An empty reference is false, and has neither a name nor a URL.

    A document has one reference for each of its fields. Storing a file or assigning a value changes that reference, and
    marks the field as changed. Then the application saves the document. A reference without a field works the same way.

    :param fs: The storage.
    :param filename: The name of the file in the storage, or None for no file yet.
    :param upload_to: A folder under the storage's ``upload_to``, or a function that returns one.
    :param basename: The name of uploads, without extension, or a function that returns it. Default: the storage's
        ``basename``. All of these functions can have a parameter, which gets *instance*.
    :param instance: The document that has the reference.
    :param name: The attribute of the document.
    :raises ValueError: If *filename* is not valid.
    """

    #: The type of the stored value of references of this class.
    stored_type: ClassVar[type[StoredFile]] = StoredFile

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __init__(
        self,
        fs: Storage | None = None,
        filename: str | None = None,
        upload_to: FromInstance | None = None,
        basename: FromInstance | None = None,
        instance: Any = None,
        name: str | None = None,
    ) -> None:
        self._fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.instance = instance
        self.name = name
        self.owner: Owner = _NO_OWNER
        self.stored = self.stored_type() if filename is None else self.stored_type.of(filename)
        # Whether it has changed. The owner resets this after marking the change.
        self.dirty = False

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.filename!r} in {self._fs!r}>'

    def __str__(self) -> str:
        return self.url or ''

    def __bool__(self) -> bool:
        return self.filename is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileReference):
            return NotImplemented
        return self._fs == other._fs and self.stored == other.stored

    def __copy__(self) -> FileReference:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), instance=None, dirty=False)
        return twin

    def __deepcopy__(self, _: dict[int, Any]) -> FileReference:
        return self.__copy__()

    def __reduce__(self) -> Any:
        return self.owner.pickled(self)

    # --- The file.

    @property
    def fs(self) -> Storage:
        """The storage that contains the file.

        :raises ConfigurationError: If neither the reference nor its field has one.
        """
        if self._fs is None:
            what = type(self).__name__ if self.name is None else f'field {self.name!r}'
            raise ConfigurationError(reason=f'The {what} has no storage. Pass it as fs=, such as fs=photos.')
        return self._fs

    @property
    def filename(self) -> str | None:
        """The name of the file in its storage."""
        return self.stored.filename

    @property
    def malformed(self) -> str | None:
        """The problem with the stored value, or None if it is valid.

        A value without a valid name counts as no file. It stays in the database until the reference changes.
        """
        return self.stored.problem

    @property
    def url(self) -> str | None:
        """The URL of the file, or None without a file. See :meth:`flask_fs.Storage.url`."""
        return None if self.filename is None else self.fs.url(self.filename)

    def as_json(self, external: bool = False) -> dict[str, Any] | None:
        """The file's data for API responses, for ``jsonify`` and serializers, or None without a file.

        :param external: Whether to use full URLs, with scheme and host.
        :returns: ``{'filename': …, 'url': …}``.
        """
        name = self.filename
        return None if name is None else {'filename': name, 'url': self.fs.url(name, external)}

    @property
    def path(self) -> str:
        """The path of the file on this machine.

        :raises OperationNotSupported: If the backend stores files elsewhere.
        """
        return self.fs.path(self._name())

    def exists(self) -> bool:
        """Whether the reference has a file that exists in the storage."""
        return self.filename is not None and self.fs.exists(self.filename)

    def open(self, mode: str = 'rb', **kwargs: Any) -> IO[Any]:
        """A file object for the file. See :meth:`flask_fs.Storage.open`."""
        return self.fs.open(self._name(), mode, **kwargs)

    def read(self) -> bytes:
        """The complete content of the file."""
        return self.fs.read(self._name())

    def _name(self) -> str:
        if self.filename is None:
            reason = 'the reference is empty' if self.name is None else f'the field {self.name!r} is empty'
            raise FileNotFound(storage=self.fs.name, reason=reason)
        return self.filename

    # --- Changes.

    def save(
        self,
        wfs: Any,
        filename: str | None = None,
        *,
        prefix: str | None = None,
        overwrite: bool | None = None,
        user: str | None = None,
    ) -> str:
        """Store a file, refer to it, and return its name. Save the document after this.

        :param wfs: A file or path that :meth:`flask_fs.Storage.save` accepts, or the token of a direct upload: see
            :meth:`flask_fs.Storage.accept_upload`.
        :param filename: Its name. Default: the ``basename`` with the upload's extension, or else the name of the upload.
        :param prefix: A folder under ``upload_to``.
        :param overwrite: Whether to replace an existing file with that name. Default: the storage's ``overwrite``. In a unit of
            work, the new file then gets another name, and only this reference's former file is removed, after the commit.
        :param user: The user that the upload's ticket was made for, if any.
        :raises NoFile: If the form was sent without a file, or no content of the upload arrived.
        :raises InvalidToken: If *wfs* is text, but not a valid token of the storage.
        """
        with self._upload(wfs, user) as file:
            name = self._full_name(file, filename, prefix)
            with self.owner.transaction(self) as transaction:
                replace = self._may_replace(overwrite)
                former = self.stored if replace and transaction.takes_place(name, self.filename) else self.stored_type()
                # With a checksum, the file must not replace another one until the checksum is known.
                alone = not self.owner.checksum
                name = transaction.save(file, name, replace=replace, alone=alone, former=former.filename)
                stored = self.stored_type(name, checksum=self._checksum(transaction, name))
                self._drop(transaction, former.files(), stored)
            self._refer_to_new(transaction, former, stored)
        return name

    def delete(self) -> None:
        """Remove the file now, with all files made from it, and empty the reference. Save the document after this.

        No other file is removed, nor is the ``default`` of the field. If the store fails, the reference doesn't change. To
        remove the file after the document is saved, declare the field with ``on_replace='remove'``, and assign None. In a
        unit of work, such as a row's, the file is removed after the commit.
        """
        if self:
            shared = self.owner.shared_files()
            with self.owner.transaction(self) as transaction:
                for name in self.stored.files():
                    if name not in shared:
                        transaction.remove(name)
        self.refer_to(self.stored_type())

    def refer_to(self, stored: StoredFile) -> None:
        """Refer to other files, and report the change to the owner."""
        if stored != self.stored:
            self.stored, self.dirty = stored, True
            self.owner.changed(self)

    def _refer_to_new(self, transaction: FileTransaction, former: StoredFile, stored: StoredFile) -> None:
        """Refer to what *transaction* has stored, in place of *former* if that has a name."""
        if former.filename is None or not transaction.in_place:
            # It may have the name of the previous file, which another process has replaced and removed.
            self.stored = self.stored_type()
        self.refer_to(stored)

    def is_in(self, storage: Storage | None) -> bool:
        """Whether this reference is for files in *storage*; None means no storage."""
        return self._fs == storage

    def _drop(self, transaction: FileTransaction, replaced: Iterable[str], stored: StoredFile) -> None:
        """Remove the *replaced* files of this reference, unless files are replaced in place or *stored* still has them."""
        if not transaction.in_place:
            kept, shared = [*stored.files()], self.owner.shared_files()
            for name in replaced:
                if name not in kept and name not in shared:
                    transaction.remove(name)

    def _upload(self, file: Any, user: str | None) -> contextlib.AbstractContextManager[Any]:
        """*file* itself, or the upload if *file* is a token."""
        return self.fs._arrived(file, user) if isinstance(file, str) and file else contextlib.nullcontext(file)

    def _checksum(self, transaction: FileTransaction, name: str) -> str | None:
        """The checksum of the main file *name* to store, if the owner stores checksums."""
        return transaction.checksum(name) if self.owner.checksum else None

    def _may_replace(self, overwrite: bool | None) -> bool:
        return self.fs.overwrite if overwrite is None else overwrite

    def _full_name(self, file: Any, filename: str | None, prefix: str | None) -> str:
        """The name for *file*, including the folders of the storage."""
        check_sent(file, filename, self.fs.name)
        basename = filename or self._default_name(file)
        names.check(basename)
        folders = (self._given(self.fs.upload_to, default=current_app), self._given(self.upload_to), prefix or '')
        return names.check(names.join(*folders, basename))

    def _default_name(self, file: Any) -> str:
        own = names.of_source(file)
        if self.basename is None:
            basename = self._given(self.fs.basename, default=current_app)
        else:
            basename = self._given(self.basename)
        if basename:
            extension = files.extension(own or '')
            return f'{basename}.{extension}' if extension else basename
        if own is None:
            raise InvalidFilename(reason=f'{type(file).__name__} has no filename: pass filename= to save()')
        return own

    def _given(self, given: FromInstance | None, *, default: Any = None) -> str:
        if not callable(given):
            return given or ''
        if not inspect.signature(given).parameters:
            return given() or ''
        instance = default if self.instance is None else self.instance
        if instance is None:
            reason = 'upload_to or basename has a parameter for the document, but this reference has no document: create it with'
            raise ValueError(f'{reason} reference(document=…), or pass instance=')
        return given(instance) or ''
