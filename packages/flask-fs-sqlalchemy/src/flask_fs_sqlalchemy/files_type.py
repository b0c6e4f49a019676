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

#: Operators that compare an entire value; others compare a part of it, or its text.
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
    """A JSON or text column with files. The parameters are those of :class:`flask_fs_sqlalchemy.FileColumn`."""

    #: The class of the references.
    _reference_class: ClassVar[type[FileReference]] = FileReference
    #: Whether a value is a list.
    _is_list: ClassVar[bool] = False

    class comparator_factory(  # noqa: N801  # pyright: ignore[reportIncompatibleVariableOverride]  # SQLAlchemy documents it
        TypeDecorator.Comparator[Any]
    ):
        """The operations of a column in a query."""

        def __getitem__(self, index: Any) -> Any:
            return type_coerce(self.expr, JSON())[index]

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            if op in (operators.eq, operators.ne):
                # Sessions also compare rows in memory.
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
        # Named like the parameters, since SQLAlchemy compares types by these attributes.
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
        """The stored form of a file."""
        return self._reference_class.stored_type

    @property
    def _plain(self) -> TypeEngine[Any]:
        """A type that reads the column's values as they are in the database, without errors."""
        return PlainType(self.text)

    def _read(self, value: Any) -> list[StoredFile]:
        """The files that *value*, from the database, refers to, including malformed items."""
        return [self._read_one(item) for item in self._items_in(value)]

    def _items_in(self, value: Any) -> Iterable[Any]:
        return () if value is None else (value,)

    def _read_one(self, value: Any) -> StoredFile:
        try:
            stored = self._stored_type.read(value if self._reader is None else self._reader(value))
        except Exception as error:  # noqa: BLE001  # of the application's function for `reads`
            return self._stored_type(problem=f'{type(error).__name__}: {error}', raw=value)
        # Keep the value from the database, not the one that the reader returned.
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

        :param where: Where it is assigned, for errors.
        :raises TypeError: If it is a file instead of a filename.
        :raises ValueError: If it is any other value that cannot be stored, or a reference of another storage.
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
        """A reference with the value *stored*, without a row."""
        reference = copy.copy(self._empty)
        # Unchanged, including malformed parts.
        reference.stored, reference.owner = stored, self._owner
        return reference

    @functools.cached_property
    def _empty(self) -> FileReference:
        # A template to copy: queries make many references, and the declaration is checked only once.
        return self._reference_class(**self._options())

    def _options(self) -> dict[str, Any]:
        """The parameters of a reference."""
        return {'fs': self.fs, 'upload_to': self.upload_to, 'basename': self.basename}

    def _may_bind(self, value: Any, instance: Any) -> bool:
        """Whether the row *instance* can use *value* itself: it already belongs to the row, or was made without a row."""
        return value.instance is instance or (value.instance is None and value.owner is self._owner)

    # --- The value of an attribute. Each class has its own.

    def _unset(self, owner: ColumnOwner) -> Any:
        """The value of an attribute without a file and without a row."""
        raise NotImplementedError

    def _bind(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        """*value* as the value of the attribute of *owner* in the row *instance*."""
        raise NotImplementedError

    def _assign(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        """The new value of an attribute that had *old* and is assigned *value*."""
        raise NotImplementedError

    def _files_of(self, value: Any) -> Iterator[str]:
        """The names of the files of a value that can be assigned."""
        raise NotImplementedError

    def _comparable(self, value: Any) -> Any:
        """*value*, to which a column is compared in a query, in a form that can be compared to values of attributes too."""
        return value

    # --- As a SQLAlchemy type.

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if op in _WHOLE else self.impl_instance.coerce_compared_value(op, value)


@event.listens_for(FilesType, 'after_parent_attach', propagate=True)
def _remember_column(files_type: FilesType, column: Any) -> None:
    files_type._column = column
