"""Files in Amazon S3, or in any store that speaks its protocol."""

from __future__ import annotations

from .backend import S3Backend

__all__ = ['S3Backend']
