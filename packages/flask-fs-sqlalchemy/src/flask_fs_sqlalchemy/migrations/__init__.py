"""Migrations that create the table of a journal, for Alembic.

The table belongs to the metadata of the application, so ``alembic revision --autogenerate`` and ``flask db migrate`` create it
like any other: nothing of this is needed. In a migration that you write yourself, it is::

    from alembic import op
    from flask_fs_sqlalchemy import migrations


    def upgrade():
        migrations.upgrade(op)


    def downgrade():
        migrations.downgrade(op)

An application without such migrations runs the one that comes with this package, as a branch of its own::

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
    :param schema: Its schema.
    """
    op.create_table(name, *columns(), schema=schema, **OPTIONS)


def downgrade(op: Any, name: str = DEFAULT_NAME, *, schema: str | None = None) -> None:
    """Drop that table. Files that a crash left before are found by ``flask fs gc --scan`` only."""
    op.drop_table(name, schema=schema)
