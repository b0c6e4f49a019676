"""Removing objects, one or many at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import batched

from .bucket import Bucket
from .errors import code_of
from .responses import ImplausibleResponse

#: How many keys S3 deletes by one request.
BATCH_KEYS = 1000


def remove(bucket: Bucket, key: str) -> None:
    """Remove an object; an absent one is removed already."""
    try:
        bucket.request('delete_object', key)
    except ImplausibleResponse:
        # Some stores respond with 200 instead of 204, as web pages do.
        if not _is_gone(bucket, key):
            raise
    except ClientError as error:
        if code_of(error) not in ('NoSuchKey', 'NoSuchBucket'):
            raise


def remove_many(bucket: Bucket, keys: Iterable[str]) -> None:
    """Remove objects, for each of which the store says that it is gone: its silence would be that of any web page."""
    for batch in batched(keys, BATCH_KEYS):
        response = bucket.request('delete_objects', Delete={'Objects': [{'Key': key} for key in batch]})
        errors: list[Any] = response.get('Errors', [])
        for refusal in errors:
            if refusal.get('Code') != 'NoSuchKey':
                error = _error(refusal)
                raise bucket.translated(error, refusal.get('Key')) from error
        reported = {one.get('Key') for one in (*response.get('Deleted', ()), *errors)}
        # Baidu's store reports none, and odd keys come back written in another way.
        for key in batch:
            if key not in reported:
                remove(bucket, key)


def remove_versions(bucket: Bucket, key: str, versions: Iterable[str]) -> None:
    """Remove versions of an object for good."""
    doomed = [{'Key': key, 'VersionId': version} for version in versions]
    for refusal in bucket.request('delete_objects', Delete={'Objects': doomed, 'Quiet': True}).get('Errors') or ():
        if refusal.get('Code') not in ('NoSuchKey', 'NoSuchVersion'):
            error = _error(refusal)
            raise bucket.translated(error, key) from error


def _is_gone(bucket: Bucket, key: str) -> bool:
    try:
        return bucket.find(key) is None
    except (ClientError, ImplausibleResponse):
        return False


def _error(refusal: dict[str, Any]) -> ClientError:
    """The error that the store would respond with if this object alone had been to be removed."""
    status = 403 if refusal.get('Code') == 'AccessDenied' else 500
    response: Any = {'Error': refusal, 'ResponseMetadata': {'HTTPStatusCode': status}}
    return ClientError(response, 'DeleteObjects')
