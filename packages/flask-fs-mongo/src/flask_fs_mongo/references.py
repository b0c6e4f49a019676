"""A file by its name in a storage: what a file field gives, and what can be made without any field."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import IO, Any

from flask import current_app

from flask_fs import ConfigurationError, FileNotFound, InvalidFilename, Storage, files, names
from flask_fs.uploads import check_sent

from .stored import EMPTY, Stored
from .transaction import upload

#: Text, or a function that gives it; if it takes an argument, it is given the document.
FromDocument = str | Callable[..., str]


class FileReference:
    """A file of a storage, or none: then it is false, and has neither name nor URL.

    A document has one reference for each of its fields. Storing a file or assigning a value changes that reference, and
    marks the field as changed; the application saves the document. A reference made without a field works alike.

    :param fs: The storage.
    :param filename: The name that the file has there; None for no file yet.
    :param upload_to: A folder under the storage's own, or a function that gives one.
    :param basename: The name of uploads, without extension, or a function that gives it; by default the storage's
        ``basename``. Functions may take *instance*, as may those of the storage.
    :param instance: The document that has the reference.
    :param name: The attribute where.
    :raises ValueError: If no storage can have a file named *filename*.
    """

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __init__(
        self,
        fs: Storage | None = None,
        filename: str | None = None,
        upload_to: FromDocument | None = None,
        basename: FromDocument | None = None,
        instance: Any = None,
        name: str | None = None,
    ) -> None:
        self._fs = fs
        self._stored = EMPTY if filename is None else Stored.of(filename)
        self.upload_to = upload_to
        self.basename = basename
        self.instance = instance
        self.name = name
        #: The field that it is of, if any.
        self._field: Any = None
        #: Called after it changed: see ``changes``.
        self._on_change: Callable[[FileReference], None] | None = None
        #: Whether it was changed, in a list or map that may have gone over to another document: see ``traversal``.
        self._changed = False

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.filename!r} in {self._fs!r}>'

    def __str__(self) -> str:
        return self.url or ''

    def __bool__(self) -> bool:
        return self._stored.filename is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileReference):
            return NotImplemented
        return self._fs is other._fs and self._stored == other._stored

    def __copy__(self) -> FileReference:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), instance=None, _on_change=None, _changed=False)
        return twin

    def __deepcopy__(self, _: dict[int, Any]) -> FileReference:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise TypeError(f'a {type(self).__name__} cannot be pickled by itself: pickle its document, or its filename')

    # --- The file.

    @property
    def fs(self) -> Storage:
        """The storage that has the file.

        :raises ConfigurationError: If neither the reference nor its field was given one.
        """
        if self._fs is None:
            what = type(self).__name__ if self.name is None else f'field {self.name!r}'
            raise ConfigurationError(reason=f'The {what} has no storage. Pass it as fs=, such as fs=photos.')
        return self._fs

    @property
    def filename(self) -> str | None:
        """The name of the file in its storage."""
        return self._stored.filename

    @property
    def malformed(self) -> str | None:
        """What cannot be read in the value that MongoDB has; None if nothing is wrong.

        A value without a usable name reads as no file. It stays in MongoDB as it is until the reference is changed.
        """
        return self._stored.problem

    @property
    def url(self) -> str | None:
        """The URL of the file; None without one. See :meth:`flask_fs.Storage.url`."""
        return None if self.filename is None else self.fs.url(self.filename)

    @property
    def path(self) -> str:
        """The path of the file on this machine.

        :raises OperationNotSupported: If the backend keeps files elsewhere.
        """
        return self.fs.path(self._name())

    def exists(self) -> bool:
        """Whether there is a file, and the storage has it."""
        return self.filename is not None and self.fs.exists(self.filename)

    def open(self, mode: str = 'rb', **kwargs: Any) -> IO[Any]:
        """The file as a file object. See :meth:`flask_fs.Storage.open`."""
        return self.fs.open(self._name(), mode, **kwargs)

    def read(self) -> bytes:
        """The whole content of the file."""
        return self.fs.read(self._name())

    def _name(self) -> str:
        if self.filename is None:
            reason = 'it refers to no file' if self.name is None else f'the field {self.name!r} is empty'
            raise FileNotFound(storage=self.fs.name, reason=reason)
        return self.filename

    # --- Changes.

    def save(
        self, wfs: Any, filename: str | None = None, *, prefix: str | None = None, overwrite: bool | None = None
    ) -> str:
        """Store a file, refer to it, and return its name. Save the document next.

        :param wfs: What :meth:`flask_fs.Storage.save` takes.
        :param filename: Its name; by default the ``basename`` with the extension of the upload, or else the name that the
            upload has.
        :param prefix: A folder under ``upload_to``.
        :param overwrite: Whether to replace a file of that name; by default as the storage was made.
        :raises NoFile: If the form was sent without a file.
        """
        name = upload(self.fs, wfs, self._target(wfs, filename, prefix), overwrite=overwrite)
        self._change(Stored(name))
        return name

    def delete(self) -> None:
        """Remove the file now, with all that was made from it, and refer to none. Save the document next.

        No other file is removed, nor is the ``default`` of the field. If the store fails, the reference stays as it is. To have the file removed after the
        document was saved instead, declare the field with ``on_replace='remove'``, and assign None.
        """
        shared = () if self._field is None else self._field._default_files()
        for name in self._stored.files():
            if name not in shared:
                self.fs.remove(name)
        self._change(EMPTY)

    def _target(self, file: Any, filename: str | None, prefix: str | None) -> str:
        """The whole name for *file*, folders of the storage included."""
        check_sent(file, filename, self.fs.name)
        basename = self._basename(file, filename)
        names.check(basename)
        folders = [self._from_owner(self.fs.upload_to, default=current_app), self._from_owner(self.upload_to), prefix]
        return names.check(names.join(*(folder or '' for folder in folders), basename))

    def _basename(self, file: Any, filename: str | None) -> str:
        if filename:
            return filename
        given = names.of_source(file)
        basename = self._from_owner(self.fs.basename, default=current_app) if self.basename is None else None
        basename = basename or self._from_owner(self.basename)
        if basename:
            extension = files.extension(given or '')
            return f'{basename}.{extension}' if extension else basename
        if given is None:
            raise InvalidFilename(reason=f'{type(file).__name__} has no name: pass filename= to save()')
        return given

    def _from_owner(self, given: FromDocument | None, *, default: Any = None) -> str | None:
        if not callable(given):
            return given
        if not inspect.signature(given).parameters:
            return given()
        owner = default if self.instance is None else self.instance
        if owner is None:
            reason = 'upload_to or basename takes the document, and this reference is in none yet: make it with'
            raise ValueError(f'{reason} reference(document=…), or pass instance=')
        return given(owner)

    def _change(self, stored: Stored) -> None:
        if stored != self._stored:
            self._stored, self._changed = stored, True
            if self._on_change is not None:
                self._on_change(self)
