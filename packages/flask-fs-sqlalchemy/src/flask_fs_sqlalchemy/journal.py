"""The journal: a table of files that are about to be stored or removed, so that they can be found after a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, MetaData, Table

from . import binds
from .bound_journal import BoundJournal
from .schema import DEFAULT_NAME, OPTIONS, columns


class Journal:
    """A table that records each file of a row before it is stored, so that ``flask fs gc`` can remove it after a crash.

    Declare it once, next to the models, and create its table with a migration (see :mod:`flask_fs_sqlalchemy.migrations`)::

        journal = Journal(db.metadata)
        flask_fs_sqlalchemy.init_app(app, db.session, journal=journal)

    Each file costs one INSERT before it is stored, in a separate transaction on a second connection. Each commit costs one DELETE
    in the transaction of the rows. If a commit removes files, that costs one INSERT in that transaction, and one DELETE afterward.

    Keep the table in the database of the rows, so that both are committed together. With several databases, with *bind*, and on
    MariaDB, entries are removed right after the commit, which costs an additional UPDATE before it. After a crash, ``flask fs gc``
    checks the rows to decide what to do with the files.

    A thread that stores a file in a transaction briefly needs a second connection. If the pool of the engine has none, storing the
    file fails after ``pool_timeout``. If a transaction is open for longer than ``flask fs gc`` waits (one hour by default), ``gc``
    can claim its files; then it can no longer be committed.

    Applications can share a journal if they have the same storages, locations, and models. Otherwise, give each its own *name*.

    SQLite allows one connection at a time to write. So store files before the session is flushed, or use *bind* for another
    database: once the session has written, storing a file raises an error. In-memory databases have no second connection.

    :param metadata: The metadata of the application, where Alembic and ``create_all()`` find the table.
    :param name: The name of the table.
    :param schema: The schema of the table.
    :param bind: The engine of another database, or a function that returns it; by default, the one that the session uses for the
        table.
    """

    def __init__(
        self,
        metadata: MetaData,
        name: str = DEFAULT_NAME,
        *,
        schema: str | None = None,
        bind: Engine | Callable[[], Engine] | None = None,
    ) -> None:
        self.table = Table(name, metadata, *columns(), schema=schema, **OPTIONS)
        self.bind = bind

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.table.fullname!r}>'

    def of(self, bind: Any) -> BoundJournal:
        """The journal to use with ``fs.unit(journal=…)`` in code without an ORM.

        :param bind: An engine or a session, as for :func:`flask_fs_sqlalchemy.init_app`.
        """
        return BoundJournal(self, binds.check_bind(bind))
