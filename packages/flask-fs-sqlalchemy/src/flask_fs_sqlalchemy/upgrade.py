"""Values that other libraries have stored in file columns: sqlalchemy-file and filedepot.

Both store an object with the ID of the file, which is its name in the storage, and the filename of the upload. As they document, the
ID is in ``file_id``, and after the slash in ``path``. A column that reads such values writes the stored form of Flask-FS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from flask_fs.references import FileReference

#: The library that has stored the values of a column, or a function that returns the stored form or a filename for a value.
Reads = Literal['sqlalchemy-file', 'depot', 'depot-local'] | Callable[[Any], Any]

#: The key under which the value of the other library is kept until the reference gets another file.
_LEGACY = 'legacy'

#: The size of filedepot's thumbnails, which is not stored.
_DEPOT_SIZE = 128
#: The key of a thumbnail that one of its filters has made, with the size that it fits within.
_DEPOT_THUMBNAIL = re.compile(r'thumb_([0-9]{1,9})x([0-9]{1,9})_id')


def reader_of(reads: Reads | None) -> Callable[[Any], Any] | None:
    """The function that reads values according to *reads*.

    :raises ValueError: If the library is not supported.
    """
    if reads is None or callable(reads):
        return reads
    try:
        return _READERS[reads]
    except (KeyError, TypeError):
        libraries = ', '.join(map(repr, _READERS))
        raise ValueError(f'reads must be one of {libraries}, or a function, not {reads!r}') from None


def legacy_value(reference: FileReference) -> Mapping[str, Any]:
    """The value that another library stored for this file, such as its ``filename``; empty once the reference has another file."""
    value = reference.stored.rest.get(_LEGACY)
    return value if isinstance(value, Mapping) else {}


def _read_sqlalchemy_file(value: Any) -> Any:
    form = _read(value)
    if form is not value and isinstance(thumbnail := value.get('thumbnail'), Mapping):
        # The thumbnail fits within a square of this size.
        sides = [side for key in ('width', 'height') if isinstance(side := thumbnail.get(key), int) and side > 0]
        if sides and (file_id := _id_of(thumbnail)) is not None:
            form['thumbnails'] = {str(max(sides)): file_id}
    return form


def _read_depot(value: Any) -> Any:
    form = _read(value)
    if form is not value:
        ids = {_DEPOT_SIZE: value.get('thumb_id')}
        for key, file_id in value.items():
            if found := _DEPOT_THUMBNAIL.fullmatch(key):
                ids[max(map(int, found.groups()))] = file_id
        form['thumbnails'] = {str(size): file_id for size, file_id in ids.items() if file_id}
    return form


def _read_depot_local(value: Any) -> Any:
    """On disk, filedepot has a folder for each file."""
    form = _read_depot(value)
    if form is not value:
        form['filename'] = f'{form["filename"]}/file'
        form['thumbnails'] = {size: f'{file_id}/file' for size, file_id in form['thumbnails'].items()}
    return form


def _read(value: Any) -> Any:
    """The stored form of a value of either library; *value* itself if it is not one."""
    if not isinstance(value, Mapping) or (file_id := _id_of(value)) is None:
        return value
    return {'filename': file_id, _LEGACY: dict(value)}


def _id_of(value: Mapping[str, Any]) -> str | None:
    file_id, path = value.get('file_id'), value.get('path')
    if isinstance(file_id, str) and file_id:
        return file_id
    return path.partition('/')[2] or None if isinstance(path, str) else None


_READERS: Mapping[str, Callable[[Any], Any]] = {
    'sqlalchemy-file': _read_sqlalchemy_file,
    'depot': _read_depot,
    'depot-local': _read_depot_local,
}
