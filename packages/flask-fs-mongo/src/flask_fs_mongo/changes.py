"""How a document learns that one of its references changed."""

from __future__ import annotations

from typing import Any

from .references import FileReference


def mark(reference: FileReference) -> None:
    """Mark where *reference* is in its document as changed."""
    document = reference.instance
    if document is None:
        return
    path = _path_of(reference, document._data.get(reference.name), str(reference.name))
    if path is not None:
        document._mark_as_changed(path)


def note(reference: FileReference) -> None:
    """Mark it, and let what is in a list or map remember that it changed."""
    mark(reference)
    reference._changed = not is_attribute(reference)


def is_attribute(reference: FileReference) -> bool:
    """Whether it is what an attribute of its document gives, and not in a list or map."""
    return reference.instance is not None and reference.instance._data.get(reference.name) is reference


def _path_of(reference: FileReference, value: Any, path: str) -> str | None:
    """The path of *reference*, by identity, in *value*, which is at *path*."""
    if value is reference:
        return path
    if isinstance(value, dict):
        inside: Any = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    else:
        return None
    paths = (_path_of(reference, item, f'{path}.{key}') for key, item in inside)
    return next((path for path in paths if path is not None), None)
