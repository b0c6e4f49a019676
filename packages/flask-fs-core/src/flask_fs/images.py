"""The documented import path of what the distribution flask-fs-images offers."""

from .siblings import requires

with requires('flask-fs-images'):
    from flask_fs_images import *  # noqa: F403  # an alias hands on every public name
