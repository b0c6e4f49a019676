"""Removing many objects at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from .answers import ImplausibleAnswer
from .bucket import Bucket

#: How many keys S3 deletes by one request.
_BATCH = 1000


def remove_many(bucket: Bucket, keys: Iterable[str]) -> None:
    """Remove objects, for each of which the store says that it is gone: its silence would be that of any web page."""
    left = iter(keys)
    while batch := list(itertools.islice(left, _BATCH)):
        doomed: Any = {'Objects': [{'Key': key} for key in batch]}
        with bucket.translated(None):
            answer = bucket.client.delete_objects(Bucket=bucket.name, Delete=doomed)
        refusals: list[Any] = [one for one in answer.get('Errors', ()) if one.get('Code') != 'NoSuchKey']
        for refusal in refusals:
            with bucket.translated(refusal.get('Key')):
                raise _error(refusal)
        # Counted rather than compared: an odd key may come back written in another way.
        reported = len({one.get('Key') for one in (*answer.get('Deleted', ()), *answer.get('Errors', ()))})
        if reported < len(set(batch)):
            with bucket.translated(None):
                what = f'for {reported} of {len(batch)} keys'
                raise ImplausibleAnswer(operation='DeleteObjects', what=what)


def _error(refusal: dict[str, Any]) -> ClientError:
    """The error that the store would answer with if this object alone had been to be removed."""
    status = 403 if refusal.get('Code') == 'AccessDenied' else 500
    response: Any = {'Error': refusal, 'ResponseMetadata': {'HTTPStatusCode': status}}
    return ClientError(response, 'DeleteObjects')
