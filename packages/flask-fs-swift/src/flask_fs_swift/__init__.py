"""OpenStack Swift as a Flask-FS backend."""

from __future__ import annotations

from .backend import SwiftBackend
from .errors import ETagMismatchError, PoolExhaustedError

__all__ = ['ETagMismatchError', 'PoolExhaustedError', 'SwiftBackend']
