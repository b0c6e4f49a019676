"""Where rows refer to files, for ``flask fs gc`` and ``flask fs fsck``: the columns of files of an application."""

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
from .journal import BoundJournal, Journal
from .journals import add_journal
from .mentions import mentioned, mentions
from .places import Place, after, places

# How many rows one query reads.
_PAGE = 500


def init_app(app: Flask, bind: Any, *, journal: Journal | None = None, models: Iterable[type] | None = None) -> None:
    """Let ``flask fs gc`` and ``flask fs fsck`` of *app* find the files that rows refer to, and note new ones in *journal*.

    Models may be declared later. An application with several sessions calls it for each, with the models of each.

    :param bind: The application's session: ``db`` or ``db.session`` of Flask-SQLAlchemy, a ``scoped_session``, a
        ``sessionmaker``, a session; or an engine. Its driver must be a synchronous one.
    :param journal: The journal of that database: see :class:`Journal`.
    :param models: Base classes of the models that are concerned; by default all models with columns of files.
    :raises TypeError: If *bind* is none of these.
    """
    source = RowSource(bind, journal, models)
    add_source(app, source)
    add_journal(app, source, source.journal, source.concerns)


class RowSource:
    """The rows of an application that refer to files; it is a :class:`flask_fs.consistency.sources.ReferenceSource`."""

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
        """Whether the rows of *model* are among these."""
        return self._models is None or issubclass(model, self._models)

    # --- What `flask fs gc` and `flask fs fsck` call.

    @property
    def journal(self) -> BoundJournal | None:
        """The journal of this database."""
        return self._journal

    @property
    def storages(self) -> Collection[Storage]:
        """The storages that columns have, or views of them."""
        return list(dict.fromkeys(place.files.fs for place in self._places()))

    def references(self) -> Iterator[Reference]:
        """All references that are not empty; a page of rows is read at a time, and no transaction is open in between."""
        for place in self._places():
            for key, value in self._rows(place):
                for index, stored in enumerate(place.files._read(value)):
                    if stored.filename is not None or stored.problem is not None:
                        yield Reference(place.files.fs, stored, place.where(key, index), (place.id, key))

    def referenced(self, storage: Storage, names: Collection[str]) -> set[str]:
        """Those of *names* that anything refers to. What a malformed value mentions counts too."""
        found: set[str] = set()
        for place in self._places():
            if storage_itself(place.files.fs) is not storage:
                continue
            wanted = {short: name for short, name in relative_names(place.files.fs, names).items() if name not in found}
            for _, value in self._rows(place, wanted) if wanted else ():
                found.update(wanted[name] for name in mentioned(place.files, value, wanted))
        return found

    def holds(self, reference: Reference) -> bool:
        """Whether the row still has that value."""
        place, key = self._place_of(reference)
        with self._engine(place).connect() as connection:
            value = connection.execute(self._one(place, key)).one_or_none()
        return value is not None and reference.stored in place.files._read(value[0])

    def clear(self, reference: Reference) -> bool:
        """Make it empty if the row still has that value, in a transaction of its own; an item goes from its list.

        :raises ConfigurationError: If the column is not nullable.
        """
        place, key = self._place_of(reference)
        if not place.files._is_list and not place.column.nullable:
            reason = f'{reference.where} cannot be cleared: {place.column} is not nullable. Delete the row, or give it another file.'
            raise ConfigurationError(reason=reason)
        with self._engine(place).begin() as connection:
            return self._clear(connection, place, key, reference.stored)

    def _clear(self, connection: Connection, place: Place, key: tuple[Any, ...], stored: StoredFile) -> bool:
        row = place.is_row(key)
        if connection.dialect.name == 'sqlite':
            # It locks no row: this keeps others from writing until the end.
            connection.execute(update(place.table).where(row).values({place.column: place.column}))
        found = connection.execute(self._one(place, key).with_for_update()).one_or_none()
        if found is None or stored not in place.files._read(found[0]):
            return False
        value: Any = null()
        if place.files._is_list:
            items = found[0] if isinstance(found[0], list) else []
            left = [item for item in items if stored not in place.files._read([item])]
            value = bound_literal(left, place.files._plain)
        connection.execute(update(place.table).where(row).values({place.column: value}))
        return True

    # --- The database.

    def _places(self) -> list[Place]:
        return places(self.concerns)

    def _place_of(self, reference: Reference) -> tuple[Place, tuple[Any, ...]]:
        place_id, key = reference.key
        return next(place for place in self._places() if place.id == place_id), key

    def _engine(self, place: Place) -> Engine:
        try:
            engine = binds.engine_of(self._bind, mapper=place.mapper)
        except UnboundExecutionError:
            reason = (
                f'The session passed to init_app() has no database for {place.model}, so the files of its rows are not known. '
                'Pass the session that has, or models=[…] without it, and call init_app() for its own session too.'
            )
            raise ConfigurationError(reason=reason) from None
        if engine.dialect.is_async:
            reason = 'Pass init_app() an engine with a synchronous driver, since commands do not run in an event loop.'
            raise ConfigurationError(reason=reason)
        return engine

    def _one(self, place: Place, key: tuple[Any, ...]) -> Any:
        return select(self._value(place)).where(place.is_row(key))

    def _value(self, place: Place) -> Any:
        return type_coerce(place.column, place.files._plain).label('fs_value')

    def _rows(self, place: Place, names: Collection[str] | None = None) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """The key and the value, as it is stored, of each row that has one; at least of those that mention one of *names*."""
        engine = self._engine(place)
        query = (
            select(*place.key, self._value(place)).where(place.column.is_not(None)).order_by(*place.key).limit(_PAGE)
        )
        if names is not None and (condition := mentions(place, names, engine.dialect)) is not None:
            query = query.where(condition)
        last: tuple[Any, ...] | None = None
        while True:
            with engine.connect() as connection:
                rows = connection.execute(query if last is None else query.where(after(place.key, last))).all()
            for row in rows:
                yield tuple(row[:-1]), row[-1]
            if len(rows) < _PAGE:
                return
            key = tuple(rows[-1][:-1])
            if key == last or None in key:
                reason = f'The rows of {place.table.fullname!r} cannot be read in order of their primary key: there is {key!r}.'
                raise ConfigurationError(reason=reason)
            last = key
