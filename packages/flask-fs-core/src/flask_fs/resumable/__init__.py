"""Resumable uploads with tus 1.0: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

from .routes import tus

__all__ = ['tus']
