"""Finding the rows that mention files, with database functions where available."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, case, cast, exists, func, literal_column, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONPATH

from .files_type import FilesType
from .locations import ColumnLocation

# For more names than this, MariaDB and MySQL take longer to search for each of them than to send the values of all rows.
_MAX_SEARCHES = 10


def mentioned(files: FilesType, value: Any, names: Collection[str]) -> Iterator[str]:
    """Those of *names* that *value*, from the database, refers to. If it is malformed, all that it mentions."""
    for stored in files._read(value):
        yield from (name for name in stored.files() if name in names)
        if stored.problem is not None:
            yield from (text for text in _texts(stored.raw) if text in names)
    # Text that should be JSON, but might be truncated.
    if isinstance(value, str) and value.startswith(('{', '[')):
        yield from (name for name in names if name in value)


def _texts(value: Any) -> Iterator[str]:
    """Every string in a value that was read from JSON."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            left += each.values()
        elif isinstance(each, (list, tuple)):
            left += each


def mentions(location: ColumnLocation, names: Collection[str], dialect: Dialect) -> ColumnElement[bool] | None:
    """A condition that matches at least the rows of *location* in which :func:`mentioned` finds one of *names*; None for all rows."""
    find = _CONDITIONS.get(dialect.name)
    # Values of other libraries can have names in another form.
    return None if find is None or location.files.reads is not None else find(location, list(names))


def _in_sqlite(location: ColumnLocation, names: list[str]) -> ColumnElement[bool]:
    text = type_coerce(location.column, Text())
    # json_tree fails for values that are not JSON.
    tree = func.json_tree(case((func.json_valid(text), text), else_='null')).table_valued('atom')
    return or_(
        func.coalesce(func.json_valid(text), 0) == 0,
        text.in_(names),
        exists(select(tree.c.atom).where(tree.c.atom.in_(names))),
    )


def _in_postgresql(location: ColumnLocation, names: list[str]) -> ColumnElement[bool] | None:
    if location.files.text:
        return None
    values = func.jsonb_path_query(location.column, cast('$.**', JSONPATH)).column_valued('fs_part')
    return exists(select(values).where(values.op('#>>')(literal_column("'{}'")).in_(names)))


def _in_mysql(location: ColumnLocation, names: list[str]) -> ColumnElement[bool] | None:
    if location.files.text or len(names) > _MAX_SEARCHES or not all(map(str.isascii, names)):
        return None
    # Wildcards in a name match more rows, which is allowed.
    return or_(*(func.json_search(location.column, 'one', name).is_not(None) for name in names))


_CONDITIONS: dict[str, Callable[[ColumnLocation, list[str]], ColumnElement[bool] | None]] = {
    'mariadb': _in_mysql,
    'mysql': _in_mysql,
    'postgresql': _in_postgresql,
    'sqlite': _in_sqlite,
}
