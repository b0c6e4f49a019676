"""Migrations that create the table of a journal, for Alembic.

The table is part of the application's metadata, so ``alembic revision --autogenerate`` and ``flask db migrate`` create it like any
other table, without this module. If you write a migration yourself::

    from alembic import op
    from flask_fs_sqlalchemy import migrations


    def upgrade():
        migrations.upgrade(op)


    def downgrade():
        migrations.downgrade(op)

If your application has no migrations, run the one that this package includes, as a separate branch::

    version_locations = migrations/versions flask_fs_sqlalchemy:migrations/versions

Then ``alembic upgrade heads`` creates the table, and ``alembic downgrade flask_fs@base`` drops it.
"""

from __future__ import annotations

from typing import Any

from ..schema import DEFAULT_NAME, OPTIONS, columns

__all__ = ['downgrade', 'upgrade']


def upgrade(op: Any, name: str = DEFAULT_NAME, *, schema: str | None = None) -> None:
    """Create the table of a :class:`flask_fs_sqlalchemy.Journal`.

    :param op: ``alembic.op``.
    :param name: The name of the table, as for the journal.
    :param schema: The schema of the table.
    """
    op.create_table(name, *columns(), schema=schema, **OPTIONS)


def downgrade(op: Any, name: str = DEFAULT_NAME, *, schema: str | None = None) -> None:
    """Drop the table. Afterward, only ``flask fs gc --scan`` finds files that a crash left before."""
    op.drop_table(name, schema=schema)
