"""The owner of a field's references, which connects them to their documents."""

from __future__ import annotations

from typing import Any

from flask_fs.references import FileReference, Owner
from flask_fs.transaction import FileTransaction

from . import tracking, units


class FieldOwner(Owner):
    """The owner of the references in a *field*."""

    def __init__(self, field: Any) -> None:
        self.field = field
        self.checksum = field.checksum

    def changed(self, reference: FileReference) -> None:
        tracking.mark_changed(reference)

    def transaction(self, reference: FileReference) -> FileTransaction:
        return units.transaction(reference)

    def shared_files(self) -> frozenset[str]:
        """The files of the field's default, which belong to no document."""
        return frozenset(self.field.stored(self.field._default()).files())
