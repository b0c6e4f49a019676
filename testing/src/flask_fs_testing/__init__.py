"""The conformance kit for Flask-FS backends: nothing is inside yet.

The package reserves its place in the workspace; see the README for what to use now.
"""
