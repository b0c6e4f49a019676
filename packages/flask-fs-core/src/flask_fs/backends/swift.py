"""The documented import path for flask-fs-swift."""

from ..siblings import requires

with requires('flask-fs-swift'):
    from flask_fs_swift import *  # noqa: F403  # an alias re-exports every public name
