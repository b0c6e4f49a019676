"""The documented import path of what the distribution flask-fs-s3 offers."""

from ..siblings import missing_distribution_error

try:
    from flask_fs_s3 import *  # noqa: F403  # an alias hands on every public name
except ModuleNotFoundError as error:
    raise missing_distribution_error(error, 'flask-fs-s3') from error
