"""NAME as a Flask-FS backend."""

from __future__ import annotations

from .backend import NameBackend

__all__ = ['NameBackend']
