"""MongoEngine fields for files kept in Flask-FS storages: nothing is inside yet.

The package reserves its place in the workspace; see the README for what to use now.
"""
