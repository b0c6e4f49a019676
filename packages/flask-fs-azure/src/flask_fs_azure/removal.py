"""Removing many blobs by one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from .errors import code_of, status_of

#: How many blobs Azure deletes by one request.
BATCH_NAMES = 256


def remove_batch(container: ContainerClient, names: Sequence[str]) -> Sequence[str]:
    """Those of *names* that one request did not remove; all of them if the store does not say of each what became of it."""
    parts: Any = container.delete_blobs(*names, delete_snapshots='include', raise_on_any_failure=False)
    responses = [HttpResponseError(response=cast('Any', part)) for part in parts]
    gone = [status_of(response) < 300 or code_of(response) == 'BlobNotFound' for response in responses]
    if len(gone) != len(names):
        return names
    return [name for name, is_gone in zip(names, gone, strict=True) if not is_gone]
