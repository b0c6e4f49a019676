"""The documented import path of what the distribution flask-fs-gridfs offers."""

from ..siblings import requires

with requires('flask-fs-gridfs'):
    from flask_fs_gridfs import *  # noqa: F403  # an alias hands on every public name
