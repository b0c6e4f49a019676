"""Files in Azure Blob Storage."""

from __future__ import annotations

from .backend import AzureBackend

__all__ = ['AzureBackend']
