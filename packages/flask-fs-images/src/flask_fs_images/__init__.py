"""Thumbnails, resizing and safe image handling for Flask-FS: nothing is inside yet.

The package reserves its place in the workspace; see the README for what to use now.
"""
