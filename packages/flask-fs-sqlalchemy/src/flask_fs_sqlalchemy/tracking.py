"""Attributes with files: how they get their values and report changes.

The value of an attribute is created when its row is loaded, without a query, and is bound to the row from then on.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Column, event, inspect
from sqlalchemy.orm import ColumnProperty, InstanceState, Mapper, configure_mappers
from sqlalchemy.sql.elements import ClauseElement

from . import late_changes, units
from .files_type import FilesType
from .owner import ColumnOwner, owners_of

#: Every mapped class with file columns.
mapped_classes: weakref.WeakSet[type] = weakref.WeakSet()


def mapped_columns() -> Iterator[tuple[Mapper[Any], str, FilesType]]:
    """Every file column: the mapper of its class, the name of the attribute, and the column type."""
    configure_mappers()
    for mapped_class in list(mapped_classes):
        mapper: Mapper[Any] | None = inspect(mapped_class, raiseerr=False)
        if mapper is None:
            # The mappers were cleared in the meantime.
            continue
        for key, owner in owners_of(mapped_class).items():
            yield mapper, key, owner.column_type


@event.listens_for(object, 'attribute_instrument', propagate=True)
def _track(mapped_class: type, key: str, attribute: Any) -> None:
    """Track a new attribute if it is a file column.

    Called for each class of a hierarchy, and for attributes that are added later.
    """
    prop = getattr(attribute, 'property', None)
    column = prop.columns[0] if isinstance(prop, ColumnProperty) else None
    # An attribute with an expression instead of a column is read-only.
    if not isinstance(column, Column) or not isinstance(column.type, FilesType):
        return
    owners = owners_of(mapped_class)
    is_first = not owners
    owners[key] = owner = ColumnOwner(column.type, key, column)
    event.listen(attribute, 'init_scalar', _Initial(owner), retval=True, raw=True)
    event.listen(attribute, 'set', _Assigned(owner), retval=True, raw=True)
    if is_first:
        mapped_classes.add(mapped_class)
        # The last one, from SQLAlchemy's mutable types, is sent when merge(load=False) copies values into a loaded row.
        for name in ('load', 'refresh', 'refresh_flush', '_sa_event_merge_wo_load'):
            event.listen(mapped_class, name, _loaded, raw=True)
        event.listen(mapped_class, 'before_insert', _before_insert, raw=True)


class _Initial:
    """Sets the value of an attribute of a new row when it is first read."""

    def __init__(self, owner: ColumnOwner) -> None:
        self.owner = owner

    def __call__(self, state: InstanceState[Any], value: Any, dict_: dict[str, Any]) -> Any:
        owner = self.owner
        dict_[str(owner.key)] = made = owner.column_type._bind(owner.default, state.obj(), owner)
        return made


class _Assigned:
    """Turns a value that is assigned to an attribute into a reference of its row."""

    def __init__(self, owner: ColumnOwner) -> None:
        self.owner = owner

    def __call__(self, state: InstanceState[Any], value: Any, old: Any, initiator: Any) -> Any:
        if isinstance(value, ClauseElement) or hasattr(value, '__clause_element__'):
            # An expression, which the database computes.
            late_changes.report(state.obj(), str(self.owner.key), value)
            return value
        assigned = self.owner.column_type._assign(value, old, state.obj(), self.owner)
        late_changes.report(state.obj(), str(self.owner.key), assigned)
        units.assigned(state.obj(), str(self.owner.key), assigned, value)
        units.adopt(state.obj(), assigned)
        return assigned


def _loaded(state: InstanceState[Any], context: Any, attrs: Iterable[str] | None = None) -> None:
    """Bind loaded references to their row."""
    dict_, instance = state.dict, state.obj()
    for key, owner in owners_of(state.class_).items():
        if key in dict_ and (attrs is None or key in attrs):
            dict_[key] = owner.column_type._bind(dict_[key], instance, owner)


def _before_insert(mapper: Any, connection: Any, state: InstanceState[Any]) -> None:
    """Without a file, apply the column's default, as SQLAlchemy does for None."""
    for key, owner in owners_of(state.class_).items():
        column = owner.column
        if column is None or (column.default is None and column.server_default is None):
            continue
        value = state.dict.get(key)
        if value is not None and not value and getattr(value, 'malformed', None) is None:
            del state.dict[key]
