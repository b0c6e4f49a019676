"""The base of all file columns: how values are read, compared, and turned into references."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, cast

from sqlalchemy import JSON, event, type_coerce
from sqlalchemy.sql import operators
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import TypeDecorator

from flask_fs import Storage
from flask_fs.references import FileReference, FromInstance
from flask_fs.stored import StoredFile
from flask_fs.transaction import Cleanup, check_cleanups

from .owner import ColumnOwner
from .plain_type import PlainType
from .upgrade import Reads, reader_of

#: These compare a whole value, and others a part of it, or its text.
_WHOLE = {
    operators.eq,
    operators.ne,
    operators.in_op,
    operators.not_in_op,
    operators.is_,
    operators.is_not,
    operators.is_distinct_from,
    operators.is_not_distinct_from,
}


class FilesType(PlainType):
    """A column of files: JSON, or text.

    :param fs: The storage.
    :param upload_to: A folder under that of the storage, or a function that returns one.
    :param basename: The name of uploads, without extension, or a function that returns it; by default the storage's
        ``basename``. Functions may have a parameter for the row, as may those of the storage.
    :param on_delete: Whether to keep or remove the files after the row was deleted.
    :param on_replace: Whether to keep or remove the files that a row no longer refers to, once that is committed.
    :param checksum: Whether to store the checksum of each main file too.
    :param text: Whether it is a column of text, such as that of older code, and not of JSON.
    :param reads: Whose values the column has besides its own: ``'sqlalchemy-file'``, ``'depot'``, ``'depot-local'``, or a function that
        returns the stored form, or a name, for a value of the database.
    """

    #: The class of the references; a subclass of the type may set its own.
    _reference_class: ClassVar[type[FileReference]] = FileReference
    #: Whether a value is a list.
    _is_list: ClassVar[bool] = False

    class comparator_factory(  # noqa: N801  # pyright: ignore[reportIncompatibleVariableOverride]  # SQLAlchemy documents it
        TypeDecorator.Comparator[Any]
    ):
        """What can be done with a column in a query."""

        def __getitem__(self, index: Any) -> Any:
            return type_coerce(self.expr, JSON())[index]

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            if op in (operators.eq, operators.ne):
                # Sessions also compare the rows that they have in memory.
                files_type = cast('FilesType', self.type)
                other = tuple(files_type._comparable(value) for value in other)
            return super().operate(op, *other, **options)

    def __init__(
        self,
        fs: Storage,
        *,
        upload_to: FromInstance | None = None,
        basename: FromInstance | None = None,
        on_delete: Cleanup = 'keep',
        on_replace: Cleanup = 'keep',
        checksum: bool = False,
        text: bool = False,
        reads: Reads | None = None,
    ) -> None:
        name = type(self).__name__
        if not isinstance(fs, Storage):
            raise TypeError(f'{name} needs a Storage as fs, not {type(fs).__name__}')
        check_cleanups(on_delete, on_replace, owner=f'{name}: ')
        super().__init__(text)
        # By the names of the parameters: SQLAlchemy compares types by these attributes.
        self.fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.on_delete = on_delete
        self.on_replace = on_replace
        self.checksum = checksum
        self.reads = reads
        self._reader = reader_of(reads)
        self._column: Any = None
        self._owner = ColumnOwner(self)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.fs!r})'

    @property
    def _stored_type(self) -> type[StoredFile]:
        """What is stored of a file."""
        return self._reference_class.stored_type

    @property
    def _plain(self) -> TypeEngine[Any]:
        """The type of the column for values as they are in the database, which no query fails to return."""
        return PlainType(self.text)

    def _read(self, value: Any) -> list[StoredFile]:
        """The files that *value*, from the database, refers to, without trusting it; malformed items included."""
        return [self._read_one(item) for item in self._items_in(value)]

    def _items_in(self, value: Any) -> Iterable[Any]:
        return () if value is None else (value,)

    def _read_one(self, value: Any) -> StoredFile:
        try:
            stored = self._stored_type.read(value if self._reader is None else self._reader(value))
        except Exception as error:  # noqa: BLE001  # a function of the application met a malformed value
            return self._stored_type(problem=f'{type(error).__name__}: {error}', raw=value)
        # What it was made from is what the database has.
        return stored if stored.problem is None else dataclasses.replace(stored, raw=value)

    def _read_with_warning(self, value: Any) -> StoredFile:
        stored = self._read_one(value)
        if stored.problem is not None:
            stored.warn(self._where())
        return stored

    def _where(self) -> str:
        return 'a column of files' if self._column is None else f'column {str(self._column)!r}'

    def _stored(self, value: Any, where: str = 'a column of files') -> StoredFile:
        """The files that *value*, from the application, refers to.

        :param where: Where it is to be stored, for errors.
        :raises TypeError: If it is a file and not a name.
        :raises ValueError: If it is something else that cannot be stored there, or is in another storage.
        """
        if isinstance(value, FileReference):
            if value and not value.is_in(self.fs):
                raise ValueError(f'{where}: {value!r} is not in {self.fs!r}. Store its content there with save().')
            value = value.stored
        if isinstance(value, StoredFile):
            if type(value) is self._stored_type or value.problem is not None:
                return value
            value = value.form()
        if isinstance(value, os.PathLike) or hasattr(value, 'read'):
            raise TypeError(f'{where}: a file cannot be assigned. Store it with row.attribute.save(file).')
        try:
            return self._stored_type.of(value)
        except ValueError as error:
            raise ValueError(f'{where}: this cannot be read as a stored file: {error}') from None

    def _as_reference(self, stored: StoredFile) -> Any:
        """A reference without a row to what is stored."""
        reference = copy.copy(self._empty)
        # As it is, including what could not be read.
        reference.stored, reference.owner = stored, self._owner
        return reference

    @functools.cached_property
    def _empty(self) -> FileReference:
        # To be copied: a query makes many, and what an application declares is checked only once.
        return self._reference_class(**self._options())

    def _options(self) -> dict[str, Any]:
        """The parameters of a reference."""
        return {'fs': self.fs, 'upload_to': self.upload_to, 'basename': self.basename}

    def _may_bind(self, value: Any, instance: Any) -> bool:
        """Whether the row *instance* may have *value* itself: it is that of the row already, or was made for no row yet."""
        return value.instance is instance or (value.instance is None and value.owner is self._owner)

    # --- The value of an attribute. Each class has its own.

    def _unset(self, owner: ColumnOwner) -> Any:
        """The value of an attribute that has no file, and no row yet."""
        raise NotImplementedError

    def _bind(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        """*value* as that of the attribute of *owner* in the row *instance*."""
        raise NotImplementedError

    def _assign(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        """*value*, which is assigned to the attribute that had *old*."""
        raise NotImplementedError

    def _files_of(self, value: Any) -> Iterator[str]:
        """The names of the files of a value that can be assigned."""
        raise NotImplementedError

    def _comparable(self, value: Any) -> Any:
        """*value*, to which a column is compared in a query, such that values of attributes can be compared to it too."""
        return value

    # --- As a type of SQLAlchemy.

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if op in _WHOLE else self.impl_instance.coerce_compared_value(op, value)


@event.listens_for(FilesType, 'after_parent_attach', propagate=True)
def _remember_column(files_type: FilesType, column: Any) -> None:
    files_type._column = column
