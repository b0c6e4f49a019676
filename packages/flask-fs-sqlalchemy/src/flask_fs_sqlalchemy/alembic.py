"""Support for Alembic: generated migrations render file columns as plain database types.

In ``env.py`` or, with Flask-Migrate, where you set it up::

    from flask_fs_sqlalchemy.alembic import render_item

    context.configure(..., render_item=render_item)
    migrate = Migrate(app, db, render_item=render_item)

So migrations do not refer to storages, and run without the application. Text columns are ``sa.Text()``; all others are
``sa.JSON()``, which is ``JSONB`` on PostgreSQL.
"""

from __future__ import annotations

from typing import Any, Literal

from .files_type import FilesType

__all__ = ['render_item']


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """The code of a column's type if *item* is the type of a file column; False otherwise.

    If you already have such a function, call this one where yours would return False.
    """
    if kind != 'type' or not isinstance(item, FilesType):
        return False
    prefix = autogen_context.opts['sqlalchemy_module_prefix'] or ''
    if item.text:
        return f'{prefix}Text()'
    autogen_context.imports.add('from sqlalchemy.dialects import postgresql')
    return f"{prefix}JSON().with_variant(postgresql.JSONB(), 'postgresql')"
