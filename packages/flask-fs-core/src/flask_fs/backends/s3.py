"""The documented import path of what the distribution flask-fs-s3 offers."""

from ..siblings import missing

try:
    from flask_fs_s3 import *  # noqa: F403  # an alias hands on every public name
except ModuleNotFoundError as error:
    raise missing(error, 'flask-fs-s3') from error
