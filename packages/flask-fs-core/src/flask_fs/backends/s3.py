"""The documented import path for flask-fs-s3."""

from ..siblings import requires

with requires('flask-fs-s3'):
    from flask_fs_s3 import *  # noqa: F403  # an alias re-exports every public name
