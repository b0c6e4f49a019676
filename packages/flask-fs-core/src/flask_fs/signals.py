"""Signals about changes, each with the storage as sender: before them, where a receiver may refuse, and after them.

A receiver connected for after a change costs one request to the backend for each; without one there is no request. The order
of what is sent: docs/how-to/react-to-changes.md.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = ['file_deleted', 'file_deleting', 'file_moved', 'file_saved', 'file_saving']

_signals = Namespace()

#: A file is about to be stored as ``filename``: by ``save``, ``write``, ``copy``, ``move``, ``transfer``, ``restore`` or a file opened
#: for writing. If a receiver raises, nothing is stored, and the caller gets what it raised, such as an ``UploadNotAllowed``.
file_saving = _signals.signal('file-saving')

#: A file was stored: by ``save``, ``write``, ``copy``, ``transfer``, ``restore`` or a file opened for writing. ``info`` describes the stored file.
file_saved = _signals.signal('file-saved')

#: The file ``filename`` is about to be deleted, or moved away. If a receiver raises, nothing is deleted, not even the other
#: files of a folder, and the caller gets what it raised. Deleting a folder sends one signal for each file first.
file_deleting = _signals.signal('file-deleting')

#: A file was deleted. ``info`` describes the file as it was. Deleting a folder sends one signal for each file.
file_deleted = _signals.signal('file-deleted')

#: A file was moved. ``info`` describes the file under its new name; ``source`` is the old name.
file_moved = _signals.signal('file-moved')
