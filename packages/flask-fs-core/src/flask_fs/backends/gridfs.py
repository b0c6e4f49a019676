"""The documented import path of what the distribution flask-fs-gridfs offers."""

from ..siblings import missing_distribution_error

try:
    from flask_fs_gridfs import *  # noqa: F403  # an alias hands on every public name
except ModuleNotFoundError as error:
    raise missing_distribution_error(error, 'flask-fs-gridfs') from error
