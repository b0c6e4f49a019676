"""The documented import path of what the distribution flask-fs-swift offers."""

from ..siblings import requires

with requires('flask-fs-swift'):
    from flask_fs_swift import *  # noqa: F403  # an alias hands on every public name
