"""The owner of a column's references, which connects them to their rows."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import class_mapper
from sqlalchemy.orm.attributes import flag_modified, instance_dict, set_attribute

from flask_fs.references import FileReference, Owner
from flask_fs.transaction import FileTransaction

from . import late_changes, units

#: The key under which the manager of a mapped class stores the owners of its attributes, by attribute name.
_INFO = 'flask_fs_owners'


def owners_of(mapped_class: type) -> dict[str, ColumnOwner]:
    """The owner of each attribute of *mapped_class* with files, by attribute name."""
    owners: dict[str, ColumnOwner] = class_mapper(mapped_class, configure=False).class_manager.info.setdefault(
        _INFO, {}
    )
    return owners


class ColumnOwner(Owner):
    """The owner of the references in a column or, with a *key*, in an attribute of a class.

    :param column_type: The type of the column, which reads and checks values.
    :param key: The name of the attribute.
    :param column: The column.
    """

    def __init__(self, column_type: Any, key: str | None = None, column: Column[Any] | None = None) -> None:
        self.column_type = column_type
        self.key = key
        self.column = column
        self.checksum = column_type.checksum

    @functools.cached_property
    def default(self) -> Any:
        """The column's default, unless a function or the database computes it."""
        default: Any = None if self.column is None else self.column.default
        return default.arg if default is not None and default.is_scalar else None

    # --- As the owner of references.

    def changed(self, reference: FileReference) -> None:
        if reference.instance is not None:
            mark_changed(reference.instance, str(reference.name), reference)
        reference.dirty = False

    def transaction(self, reference: FileReference) -> FileTransaction:
        return units.transaction(reference)

    def shared_files(self) -> frozenset[str]:
        """The files of the column's default, which belong to no row."""
        return frozenset() if self.default is None else frozenset(self.column_type._files_of(self.default))

    def pickled(self, reference: FileReference) -> Any:
        if reference.instance is None:
            return super().pickled(reference)
        # The recipient can write the row.
        units.sent(reference)
        # The row is part of the state, not of the arguments, because it refers to its reference.
        return restore, (type(reference.instance), reference.name), _state_of(reference)


def _state_of(reference: FileReference) -> dict[str, Any]:
    return {'instance': reference.instance, 'stored': reference.stored, 'dirty': reference.dirty}


def restore(mapped_class: type, key: str) -> Any:
    """A new value for an attribute that is unpickled, without its state."""
    class_mapper(mapped_class)
    owner = owners_of(mapped_class)[key]
    return owner.column_type._unset(owner)


def mark_changed(instance: Any, key: str, value: Any) -> None:
    """Set attribute *key* of the row *instance* to *value*, and mark it as changed."""
    if instance_dict(instance).get(key) is not value:
        # The row was expired or refreshed, or another value was assigned.
        set_attribute(instance, key, value)
    # Unlike an assignment, this also works if the value is the same object.
    flag_modified(instance, key)
    late_changes.report(instance, key, value)
    units.adopt(instance, value)
