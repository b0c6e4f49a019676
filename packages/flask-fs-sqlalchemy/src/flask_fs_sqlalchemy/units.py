"""The unit of work that the files of a row belong to."""

from __future__ import annotations

from flask_fs.references import FileReference
from flask_fs.transaction import FileTransaction


def transaction(reference: FileReference) -> FileTransaction:
    """The transaction for one change of *reference*."""
    return FileTransaction(reference.fs)
