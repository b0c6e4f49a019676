"""Where rows store file references: the file columns of an application, and conditions for their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, or_
from sqlalchemy.orm import Mapper

from flask_fs.errors import ConfigurationError

from .files_type import FilesType
from .tracking import mapped_columns


@dataclass(frozen=True, eq=False)
class ColumnLocation:
    """A file column in a table.

    :param mapper: The mapper of the class that declares it.
    :param attribute: The name of the attribute.
    :param column: The column of the table.
    :param key: The columns that identify a row.
    """

    mapper: Mapper[Any]
    attribute: str
    column: Column[Any]
    key: tuple[Column[Any], ...]

    @property
    def id(self) -> str:
        """An identifier in this process."""
        return f'{self.mapper.class_.__module__}.{self.mapper.class_.__qualname__}.{self.attribute}/{self.column}'

    @property
    def files(self) -> FilesType:
        """The type of the column."""
        files: Any = self.column.type
        assert isinstance(files, FilesType)
        return files

    @property
    def table(self) -> Table:
        """The table of the column, which can differ from the table of the class's other columns."""
        return self.column.table

    @property
    def model(self) -> str:
        """The name of the class."""
        return self.mapper.class_.__name__

    def where(self, key: tuple[Any, ...], index: int) -> str:
        """A description of the owner of a file, for people."""
        item = f'[{index}]' if self.files._is_list else ''
        return f'{self.attribute}{item} of {self.model} {", ".join(map(str, key))}'

    def is_row(self, key: tuple[Any, ...]) -> ColumnElement[bool]:
        """The condition for one row."""
        return and_(*(column == value for column, value in zip(self.key, key, strict=True)))


def after(columns: Sequence[Column[Any]], key: tuple[Any, ...]) -> ColumnElement[bool]:
    """The condition for the rows after *key*, in the order of *columns*."""
    conditions = []
    for number, column in enumerate(columns):
        same = (before == value for before, value in zip(columns[:number], key[:number], strict=True))
        conditions.append(and_(*same, column > key[number]))
    return or_(*conditions)


def locations(concerns: Callable[[type], bool]) -> list[ColumnLocation]:
    """The file columns of all mapped classes that *concerns* returns True for, ordered by name.

    :raises ConfigurationError: If the rows of one of them have no primary key.
    """
    found: dict[Column[Any], ColumnLocation] = {}
    # The class that declares a column comes before those that inherit it.
    ordered = sorted(
        mapped_columns(), key=lambda entry: (len(list(entry[0].iterate_to_root())), str(entry[0].class_), entry[1])
    )
    for mapper, attribute, _ in ordered:
        if not concerns(mapper.class_):
            continue
        for column in _columns(mapper, attribute):
            if column not in found:
                found[column] = ColumnLocation(mapper, attribute, column, _key(mapper, column))
    return list(found.values())


def _columns(mapper: Mapper[Any], attribute: str) -> Iterator[Column[Any]]:
    """The table columns of an attribute: several, if it is mapped to a union."""
    for mapped in mapper.column_attrs[attribute].columns:
        for column in mapped.base_columns:
            table: Any = getattr(column, 'table', None)
            if isinstance(column, Column) and isinstance(table, Table) and isinstance(column.type, FilesType):
                yield column


def _key(mapper: Mapper[Any], column: Column[Any]) -> tuple[Column[Any], ...]:
    table: Any = column.table
    key = tuple(table.primary_key.columns) or tuple(
        base
        for each in mapper.primary_key
        for base in each.base_columns
        if isinstance(base, Column) and base.table is table
    )
    if not key:
        reason = f'{column} has files, but {table.fullname!r} has no primary key to identify its rows. Add one.'
        raise ConfigurationError(reason=reason)
    return key
