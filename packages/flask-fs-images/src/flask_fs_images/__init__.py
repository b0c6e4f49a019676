"""Thumbnails, resizing and safe image handling for Flask-FS."""

from . import settings as settings  # registers them
from .limits import Limits
from .picture import Info, OpenedImage, identify, open_image
from .rendering import Rendered, make_thumbnail, optimize, render, resize
from .spec import Spec
from .validators import ImageContent, image_content, max_dimensions, max_size

__all__ = [
    'ImageContent',
    'Info',
    'Limits',
    'OpenedImage',
    'Rendered',
    'Spec',
    'identify',
    'image_content',
    'make_thumbnail',
    'max_dimensions',
    'max_size',
    'open_image',
    'optimize',
    'render',
    'resize',
]
