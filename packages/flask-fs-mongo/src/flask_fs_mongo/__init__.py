"""MongoEngine fields for files kept in Flask-FS storages."""

from .fields import FileField, ImageField
from .images import ImageReference
from .references import FileReference
from .rerendering import Failure, Report, rerender_all
from .stored import MalformedReferenceWarning

__all__ = [
    'Failure',
    'FileField',
    'FileReference',
    'ImageField',
    'ImageReference',
    'MalformedReferenceWarning',
    'Report',
    'rerender_all',
]
