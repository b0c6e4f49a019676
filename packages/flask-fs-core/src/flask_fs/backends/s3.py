"""The documented import path of what the distribution flask-fs-s3 offers."""

from ..siblings import requires

with requires('flask-fs-s3'):
    from flask_fs_s3 import *  # noqa: F403  # an alias hands on every public name
