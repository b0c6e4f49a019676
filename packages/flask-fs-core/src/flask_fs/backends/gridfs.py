"""The documented import path for flask-fs-gridfs."""

from ..siblings import requires

with requires('flask-fs-gridfs'):
    from flask_fs_gridfs import *  # noqa: F403  # an alias re-exports every public name
