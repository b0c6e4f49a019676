"""A row that is being flushed: its files in memory and in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper

from flask_fs.references import FileReference

from . import units
from .owner import owners_of
from .row_files import File, files_of, references_in

#: The references of a row, by attribute.
Values = Mapping[str, Collection[FileReference]]


class FlushedRow:
    """A row that a flush inserts, updates, or deletes. The parameters are those of a mapper event."""

    def __init__(self, mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
        self.mapper = mapper
        self.connection = connection
        self.instance = instance
        self.state: InstanceState[Any] = sa.inspect(instance)
        #: The owner of each attribute with files.
        self.owners = owners_of(mapper.class_)

    def changed(self) -> list[str]:
        """The attributes with files that have changed since the row was read."""
        return [key for key in self.owners if self.state.attrs[key].history.has_changes()]

    def in_memory(self, keys: Iterable[str] | None = None) -> dict[str, list[FileReference]]:
        """The references in loaded attributes: in *keys*, or in all attributes with files."""
        values, keys = self.state.dict, self.owners if keys is None else keys
        # The value can be an expression that the database computes.
        return references({key: value for key in keys if isinstance(value := values.get(key), (FileReference, list))})

    def in_database(self) -> dict[str, Any]:
        """The value of each attribute in the database. The row is locked until the end of the transaction."""
        columns = {key: owner.column for key, owner in self.owners.items() if owner.column is not None}
        table = self.mapper.local_table
        if self.connection.dialect.name == 'sqlite' and isinstance(table, sa.Table):
            # SQLite cannot lock rows. A statement that can write locks the database, even if no row matches.
            bare = sa.table(table.name, sa.column(table.columns[0].name), schema=table.schema)
            [column] = bare.columns
            self.connection.execute(sa.update(bare).values({column: column}).where(sa.false()))
        query = sa.select(*columns.values()).select_from(self.mapper.persist_selectable).with_for_update()
        for part, value in zip(self.mapper.primary_key, self.state.identity or (), strict=True):
            query = query.where(part == value)
        found = self.connection.execute(query).first()
        return dict(zip(columns, found or (), strict=found is not None))

    def new_files(self) -> set[File]:
        """The files that the row got since it was last written."""
        return units.new_files(self.instance)

    def since_written(self, current: Values | None = None) -> Values:
        """The references with new files that the row has had since it was last written, including those in *current*."""
        files = units.unwritten(self.instance)
        since: dict[str, list[FileReference]] = {key: [] for key in self.owners}
        if files is not None:
            created = files.created()
            for known, key, stored in files.referred.values():
                if known() is self.state and key in since:
                    since[key].append(self.owners[key].column_type._as_reference(stored))
            for key, items in (current or {}).items():
                since[key] += items
            for key, items in since.items():
                by_files = {
                    tuple(item.stored.files()): item for item in items if not created.isdisjoint(files_of(item))
                }
                since[key] = list(by_files.values())
        return since


def references(values: Mapping[str, Any]) -> dict[str, list[FileReference]]:
    """The references in the *values* of attributes."""
    return {key: references_in(value) for key, value in values.items()}


def files_in(values: Values) -> set[File]:
    """All files that *values* refer to."""
    return files_of(*(item for items in values.values() for item in items))
