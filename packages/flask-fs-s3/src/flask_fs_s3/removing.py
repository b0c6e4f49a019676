"""Removing objects, one or many at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from .answers import ImplausibleAnswer
from .bucket import Bucket
from .failures import code_of, status_of

#: How many keys S3 deletes by one request.
_BATCH = 1000


def remove(bucket: Bucket, key: str) -> None:
    """Remove an object; an absent one is removed already."""
    with bucket.translated(key, may_be_missing=True):
        try:
            bucket.client.delete_object(**bucket.at(key))
        except ImplausibleAnswer:
            # Some stores answer 200 instead of 204, as web pages do.
            if not _is_gone(bucket, key):
                raise
        except ClientError as error:
            if code_of(error) != 'NoSuchKey':
                raise


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
        reported = {one.get('Key') for one in (*answer.get('Deleted', ()), *answer.get('Errors', ()))}
        # Baidu's store reports none, and odd keys come back written in another way.
        for key in batch:
            if key not in reported:
                remove(bucket, key)


def _is_gone(bucket: Bucket, key: str) -> bool:
    try:
        bucket.client.head_object(**bucket.at(key))
    except ClientError as error:
        return status_of(error) == 404
    except ImplausibleAnswer:
        pass
    return False


def _error(refusal: dict[str, Any]) -> ClientError:
    """The error that the store would answer with if this object alone had been to be removed."""
    status = 403 if refusal.get('Code') == 'AccessDenied' else 500
    response: Any = {'Error': refusal, 'ResponseMetadata': {'HTTPStatusCode': status}}
    return ClientError(response, 'DeleteObjects')
