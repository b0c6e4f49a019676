"""What a document's file field gives: the file, by its name in the storage."""

from __future__ import annotations

import inspect
import posixpath
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from flask_fs import FileNotFound, InvalidFilename, Storage, files, names

from .stored import EMPTY, Stored

if TYPE_CHECKING:
    from .fields import FileField

#: Text, or a function that gives it; if it takes an argument, it is given the document.
FromDocument = str | Callable[..., str]


class FileReference:
    """The file of a document, or none: then it is false, and has neither name nor address.

    A document has one reference for each of its fields; storing a file or assigning a value changes that reference, and
    marks the field as changed. The document is saved by the application.
    """

    __slots__ = ('_changed', '_field', '_owner', '_root', '_stored')
    __hash__ = None  # type: ignore[assignment]  # it can change

    def __init__(self, field: FileField, stored: Stored = EMPTY) -> None:
        self._field = field
        self._stored = stored
        #: The document, or embedded document, that has it, and the attribute where.
        self._owner: Any = None
        self._root = ''
        #: Whether it was changed, in a list or map that may have gone over to another document: see ``walking``.
        self._changed = False

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.filename!r} in {self.fs!r}>'

    def __str__(self) -> str:
        return self.url or ''

    def __bool__(self) -> bool:
        return self._stored.filename is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileReference):
            return NotImplemented
        return self.fs is other.fs and self._stored == other._stored

    def __copy__(self) -> FileReference:
        return type(self)(self._field, self._stored)

    def __deepcopy__(self, _: dict[int, Any]) -> FileReference:
        return type(self)(self._field, self._stored)

    def __reduce__(self) -> Any:
        raise TypeError(f'a {type(self).__name__} cannot be pickled by itself: pickle its document, or its filename')

    # --- The file.

    @property
    def fs(self) -> Storage:
        """The storage that has the file."""
        return self._field.fs

    @property
    def filename(self) -> str | None:
        """The name of the file in its storage."""
        return self._stored.filename

    @property
    def url(self) -> str | None:
        """The address of the file; None without one. See :meth:`flask_fs.Storage.url`."""
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
            raise FileNotFound(storage=self.fs.name, reason=f'the field {self._field.name!r} is empty')
        return self.filename

    # --- Changes.

    def save(
        self, file: Any, filename: str | None = None, prefix: str | None = None, overwrite: bool | None = None
    ) -> str:
        """Store a file, refer to it, and return its name. Save the document next.

        :param file: What :meth:`flask_fs.Storage.save` takes.
        :param filename: Its name; by default the one that it brings along. If the field has a ``basename``, only the
            extension is taken from it.
        :param prefix: A folder under the field's ``upload_to``.
        :param overwrite: Whether to replace a file of that name; by default as the storage was made.
        """
        name = self.fs.save(file, self._filename_for(file, filename), self._folder(prefix), overwrite)
        self._change(Stored(name))
        return name

    def delete(self) -> None:
        """Remove the file now, with all that was made from it, and refer to none. Save the document next.

        If the store fails, the reference stays as it is. To have the file removed after the document was saved instead,
        declare the field with ``on_replace='remove'``, and assign None.
        """
        for name in self._stored.files():
            self.fs.delete(name)
        self._change(EMPTY)

    def _filename_for(self, file: Any, filename: str | None) -> str:
        given = filename or names.of_source(file)
        basename = self._from_document(self._field.basename)
        if basename:
            extension = files.extension(given or '')
            return f'{basename}.{extension}' if extension else basename
        if given is None:
            raise InvalidFilename(reason=f'{type(file).__name__} brings no name along: pass filename= to save()')
        return given

    def _folder(self, prefix: str | None = None) -> str:
        return names.join(self._from_document(self._field.upload_to) or '', prefix or '')

    def _from_document(self, given: FromDocument | None) -> str | None:
        if not callable(given):
            return given
        if not inspect.signature(given).parameters:
            return given()
        if self._owner is None:
            reason = 'upload_to or basename asks for the document, and this reference is in none yet: make it with'
            raise ValueError(f'{reason} reference(document=…)')
        return given(self._owner)

    def _bind(self, owner: Any, root: str) -> None:
        self._owner, self._root = owner, root

    def _change(self, stored: Stored) -> None:
        if stored != self._stored:
            self._stored = stored
            self._tell()
            self._changed = not self._is_attribute()

    def _is_attribute(self) -> bool:
        """Whether it is what an attribute of its document gives, and not in a list or map."""
        return self._owner is not None and self._owner._data.get(self._root) is self

    def _tell(self) -> None:
        """Mark where it is in its document as changed."""
        if self._owner is None:
            return
        place = _place(self, self._owner._data.get(self._root), self._root)
        if place is not None:
            self._owner._mark_as_changed(place)


def _place(reference: FileReference, value: Any, path: str) -> str | None:
    """The path of *reference*, by identity, in *value*, which is at *path*."""
    if value is reference:
        return path
    if isinstance(value, dict):
        inside: Any = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    else:
        return None
    places = (_place(reference, item, f'{path}.{key}') for key, item in inside)
    return next((place for place in places if place is not None), None)


def beside(storage: Storage, filename: str) -> str:
    """*filename*, or the next free name in its folder."""
    if not storage.exists(filename):
        return filename
    folder, basename = posixpath.split(filename)
    return names.join(folder, storage.resolve_conflict(folder, basename))
