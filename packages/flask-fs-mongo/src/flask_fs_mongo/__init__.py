"""MongoEngine fields for files in Flask-FS storages."""

from flask_fs.references import FileReference
from flask_fs.stored import MalformedReferenceWarning
from flask_fs_images.references import ImageReference

from .fields import FileField, ImageField
from .rerender import Failure, Report, rerender_all
from .source import init_app

__all__ = [
    'Failure',
    'FileField',
    'FileReference',
    'ImageField',
    'ImageReference',
    'MalformedReferenceWarning',
    'Report',
    'init_app',
    'rerender_all',
]
