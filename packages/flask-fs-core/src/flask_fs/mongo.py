"""The documented import path of what the distribution flask-fs-mongo offers."""

from .siblings import requires

with requires('flask-fs-mongo'):
    from flask_fs_mongo import *  # noqa: F403  # an alias hands on every public name
