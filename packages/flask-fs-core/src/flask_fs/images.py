"""The documented import path of what the distribution flask-fs-images offers."""

from .siblings import missing

try:
    from flask_fs_images import *  # noqa: F403  # an alias hands on every public name
except ModuleNotFoundError as error:
    raise missing(error, 'flask-fs-images') from error
