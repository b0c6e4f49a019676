"""The documented import path for flask-fs-mongo."""

from .siblings import requires

with requires('flask-fs-mongo'):
    from flask_fs_mongo import *  # noqa: F403  # an alias re-exports every public name
