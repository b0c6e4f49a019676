"""Signals before and after changes, with the storage as the sender. Receivers can prevent a change by raising.

A signal after a change costs one request to the backend if it has a receiver, and none otherwise. For the order of the
signals, see docs/how-to/react-to-changes.md.
"""

from __future__ import annotations

from blinker import Namespace

__all__ = ['file_deleted', 'file_deleting', 'file_moved', 'file_saved', 'file_saving']

_signals = Namespace()

#: A file is about to be stored as ``filename``: by ``save``, ``write``, ``copy``, ``move``, ``transfer``, ``restore`` or a file
#: opened for writing. If a receiver raises, nothing is stored, and the caller gets its error, such as an ``UploadNotAllowed``.
file_saving = _signals.signal('file-saving')

#: A file was stored: by ``save``, ``write``, ``copy``, ``transfer``, ``restore`` or a file opened for writing. ``info`` is the
#: metadata of the stored file.
file_saved = _signals.signal('file-saved')

#: The file ``filename`` is about to be deleted or renamed. If a receiver raises, nothing is deleted, including other files in
#: the same call, and the caller gets its error. Deleting a folder first sends one signal for each file.
file_deleting = _signals.signal('file-deleting')

#: A file was deleted. ``info`` is the metadata of the deleted file. Deleting a folder sends one signal for each file.
file_deleted = _signals.signal('file-deleted')

#: A file was moved. ``info`` is its metadata with the new name, and ``source`` is the old name.
file_moved = _signals.signal('file-moved')
