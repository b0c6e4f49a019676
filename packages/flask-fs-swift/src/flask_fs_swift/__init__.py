"""OpenStack Swift as a Flask-FS backend: nothing is inside yet.

The package reserves its place in the workspace; see the README for what to use now.
"""
