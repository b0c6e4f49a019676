"""Signals sent after a storage changed: each with the storage as sender and the :class:`FileInfo` as ``info``.

A connected receiver costs one request to the backend for each change; without one there is no request.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = ['file_deleted', 'file_moved', 'file_saved']

_signals = Namespace()

#: A file was stored: by ``save``, ``write``, ``copy``, ``transfer`` or a file opened for writing. ``info`` describes the stored file.
file_saved = _signals.signal('file-saved')

#: A file was deleted. ``info`` describes the file as it was. Deleting a folder sends one signal for each file.
file_deleted = _signals.signal('file-deleted')

#: A file was moved. ``info`` describes the file under its new name; ``source`` is the old name.
file_moved = _signals.signal('file-moved')
