"""SQLAlchemy columns for files in Flask-FS storages."""

from flask_fs.references import FileReference
from flask_fs.stored import MalformedReferenceWarning
from flask_fs_images.references import ImageReference

# These register event listeners for mapped classes and sessions.
from . import cleanup as cleanup
from . import sessions as sessions
from . import tracking as tracking
from .bound_journal import JournalError
from .journal import Journal
from .lists import FileList
from .source import init_app
from .types import FileColumn, FileListColumn, ImageColumn, ImageListColumn
from .upgrade import legacy_value

__all__ = [
    'FileColumn',
    'FileList',
    'FileListColumn',
    'FileReference',
    'ImageColumn',
    'ImageListColumn',
    'ImageReference',
    'Journal',
    'JournalError',
    'MalformedReferenceWarning',
    'init_app',
    'legacy_value',
]
