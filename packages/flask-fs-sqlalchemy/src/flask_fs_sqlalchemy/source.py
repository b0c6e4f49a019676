"""The rows of an application as a source of references to files, for ``flask fs gc`` and ``flask fs fsck``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine, null, select, type_coerce, update
from sqlalchemy import literal as bound_literal
from sqlalchemy.exc import UnboundExecutionError

from flask_fs import Storage
from flask_fs.consistency.sources import Reference, add_source, relative_names, storage_itself
from flask_fs.errors import ConfigurationError
from flask_fs.stored import StoredFile

from . import binds
from .bound_journal import BoundJournal
from .journal import Journal
from .journals import add_journal
from .locations import ColumnLocation, after, locations
from .mentions import mentioned, mentions
from .prepared import prepared_transactions

# How many rows one query reads.
_PAGE = 500


def init_app(app: Flask, bind: Any, *, journal: Journal | None = None, models: Iterable[type] | None = None) -> None:
    """Register the rows of *app* for ``flask fs gc`` and ``flask fs fsck``, and record new files in *journal*.

    You can declare models later. If your application has several sessions, call this for each of them, with its *models*.

    :param bind: The application's session: ``db`` or ``db.session`` of Flask-SQLAlchemy, a ``scoped_session``, a
        ``sessionmaker``, or a session; or an engine. The driver must be synchronous.
    :param journal: The journal of this database: see :class:`Journal`.
    :param models: Base classes of the models in this database; by default, all models with file columns.
    :raises TypeError: If *bind* is anything else.
    """
    source = RowSource(bind, journal, models)
    add_source(app, source)
    add_journal(app, source, source.journal, source.concerns)


class RowSource:
    """The rows of an application that refer to files; implements :class:`flask_fs.consistency.sources.ReferenceSource`."""

    def __init__(self, bind: Any, journal: Journal | None = None, models: Iterable[type] | None = None) -> None:
        self._bind = binds.check_bind(bind)
        self._models = None if models is None else tuple(models)
        self._journal = None if journal is None else journal.of(self._bind)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowSource):
            return NotImplemented
        return self._bind is other._bind and self._models == other._models

    def __hash__(self) -> int:
        return hash((id(self._bind), self._models))

    def concerns(self, model: type) -> bool:
        """Whether this source has the rows of *model*."""
        return self._models is None or issubclass(model, self._models)

    # --- For `flask fs gc` and `flask fs fsck`.

    @property
    def journal(self) -> BoundJournal | None:
        """The journal of this database."""
        return self._journal

    @property
    def storages(self) -> Collection[Storage]:
        """The storages of the columns, or views of them."""
        return list(dict.fromkeys(location.files.fs for location in self._locations()))

    def references(self) -> Iterator[Reference]:
        """All non-empty references. Rows are read in pages, and no transaction is open in between."""
        for location in self._locations():
            for key, value in self._rows(location):
                for index, stored in enumerate(location.files._read(value)):
                    if stored.filename is not None or stored.problem is not None:
                        yield Reference(location.files.fs, stored, location.where(key, index), (location.id, key))

    def referenced(self, storage: Storage, names: Collection[str]) -> set[str]:
        """Those of *names* that any row refers to, or that a malformed value mentions."""
        found: set[str] = set()
        for location in self._locations():
            if storage_itself(location.files.fs) is not storage:
                continue
            wanted = {
                short: name for short, name in relative_names(location.files.fs, names).items() if name not in found
            }
            for _, value in self._rows(location, wanted) if wanted else ():
                found.update(wanted[name] for name in mentioned(location.files, value, wanted))
        return found

    def in_doubt(self) -> str | None:
        """The prepared transactions of a two-phase commit, if there are any: their rows cannot be read yet."""
        for engine in dict.fromkeys(map(self._engine, self._locations())):
            with engine.connect() as connection:
                if found := prepared_transactions(connection):
                    more = f' and {len(found) - 1} more' if len(found) > 1 else ''
                    what = f'transaction {found[0]!r}{more} in {engine.url.render_as_string()}'
                    them = 'them' if more else 'it'
                    return f'a row of prepared {what} might refer to it: commit {them} or roll {them} back'
        return None

    def holds(self, reference: Reference) -> bool:
        """Whether the row still has this value."""
        location, key = self._location_of(reference)
        with self._engine(location).connect() as connection:
            value = connection.execute(self._one(location, key)).one_or_none()
        return value is not None and reference.stored in location.files._read(value[0])

    def clear(self, reference: Reference) -> bool:
        """If the row still has this value, empty it, or remove the item from its list, in a separate transaction.

        :raises ConfigurationError: If the column is not nullable.
        """
        location, key = self._location_of(reference)
        if not location.files._is_list and not location.column.nullable:
            reason = f'{reference.where} cannot be cleared: {location.column} is not nullable. Delete the row, or give it another file.'
            raise ConfigurationError(reason=reason)
        with self._engine(location).begin() as connection:
            return self._clear(connection, location, key, reference.stored)

    def _clear(
        self, connection: Connection, location: ColumnLocation, key: tuple[Any, ...], stored: StoredFile
    ) -> bool:
        row = location.is_row(key)
        if connection.dialect.name == 'sqlite':
            # SQLite cannot lock rows. This prevents others from writing until the end.
            connection.execute(update(location.table).where(row).values({location.column: location.column}))
        found = connection.execute(self._one(location, key).with_for_update()).one_or_none()
        if found is None or stored not in location.files._read(found[0]):
            return False
        value: Any = null()
        if location.files._is_list:
            items = found[0] if isinstance(found[0], list) else []
            left = [item for item in items if stored not in location.files._read([item])]
            value = bound_literal(left, location.files._plain)
        connection.execute(update(location.table).where(row).values({location.column: value}))
        return True

    # --- The database.

    def _locations(self) -> list[ColumnLocation]:
        return locations(self.concerns)

    def _location_of(self, reference: Reference) -> tuple[ColumnLocation, tuple[Any, ...]]:
        location_id, key = reference.key
        return next(location for location in self._locations() if location.id == location_id), key

    def _engine(self, location: ColumnLocation) -> Engine:
        try:
            engine = binds.engine_of(self._bind, mapper=location.mapper)
        except UnboundExecutionError:
            reason = (
                f'The session passed to init_app() has no database for {location.model}, so its rows cannot be read. Pass a session '
                f'that has one, or pass models=[…] without {location.model} and call init_app() for its own session too.'
            )
            raise ConfigurationError(reason=reason) from None
        if engine.dialect.is_async:
            reason = 'Pass init_app() an engine with a synchronous driver: commands do not run in an event loop.'
            raise ConfigurationError(reason=reason)
        return engine

    def _one(self, location: ColumnLocation, key: tuple[Any, ...]) -> Any:
        return select(self._value(location)).where(location.is_row(key))

    def _value(self, location: ColumnLocation) -> Any:
        return type_coerce(location.column, location.files._plain).label('fs_value')

    def _rows(
        self, location: ColumnLocation, names: Collection[str] | None = None
    ) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """The key and the stored value of each row with a value, or at least of those that mention one of *names*."""
        engine = self._engine(location)
        query = (
            select(*location.key, self._value(location))
            .where(location.column.is_not(None))
            .order_by(*location.key)
            .limit(_PAGE)
        )
        if names is not None and (condition := mentions(location, names, engine.dialect)) is not None:
            query = query.where(condition)
        last: tuple[Any, ...] | None = None
        while True:
            with engine.connect() as connection:
                rows = connection.execute(query if last is None else query.where(after(location.key, last))).all()
            for row in rows:
                yield tuple(row[:-1]), row[-1]
            if len(rows) < _PAGE:
                return
            key = tuple(rows[-1][:-1])
            if key == last or None in key:
                reason = f'The rows of {location.table.fullname!r} cannot be read in the order of their primary key: found {key!r}.'
                raise ConfigurationError(reason=reason)
            last = key
