"""Files in Amazon S3 or any S3-compatible store."""

from __future__ import annotations

from .backend import S3Backend

__all__ = ['S3Backend']
