"""Signals sent after a storage changed: each with the storage as sender and the :class:`FileInfo` as ``info``.

A receiver that listens costs one question to the backend for each change; with none listening nothing is asked.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = ['file_deleted', 'file_moved', 'file_saved']

_signals = Namespace()

#: A file was stored: by ``save``, ``write``, ``copy``, ``transfer`` or a file opened for writing. ``info`` tells of the file as stored.
file_saved = _signals.signal('file-saved')

#: A file was deleted. ``info`` tells of the file as it was. Deleting a folder sends one signal for each file.
file_deleted = _signals.signal('file-deleted')

#: A file was moved. ``info`` tells of the file under its new name; ``source`` is the old name.
file_moved = _signals.signal('file-moved')
