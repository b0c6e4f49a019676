"""Migrations that Alembic generates: columns of files are rendered as the types that they have in the database.

In ``env.py``, or with Flask-Migrate where that is set up::

    from flask_fs_sqlalchemy.alembic import render_item

    context.configure(..., render_item=render_item)
    migrate = Migrate(app, db, render_item=render_item)

So a migration names no storage, and runs without the application. Text is ``sa.Text()``, everything else ``sa.JSON()``, which
is ``JSONB`` in PostgreSQL.
"""

from __future__ import annotations

from typing import Any, Literal

from .files_type import FilesType

__all__ = ['render_item']


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """The code of a column's type, if *item* is the type of a column of files; False for everything else.

    An application that has such a function already calls this one where it would return False.
    """
    if kind != 'type' or not isinstance(item, FilesType):
        return False
    prefix = autogen_context.opts['sqlalchemy_module_prefix'] or ''
    if item.text:
        return f'{prefix}Text()'
    autogen_context.imports.add('from sqlalchemy.dialects import postgresql')
    return f"{prefix}JSON().with_variant(postgresql.JSONB(), 'postgresql')"
