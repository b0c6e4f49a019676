"""The documented import path for flask-fs-images."""

from .siblings import requires

with requires('flask-fs-images'):
    from flask_fs_images import *  # noqa: F403  # an alias re-exports every public name
