"""Removing objects, individually or in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.errors import FSError

from .bucket import Bucket
from .errors import SDK_ERRORS, code_of
from .responses import ImplausibleResponse

#: The maximum number of keys that S3 deletes in one request.
BATCH_KEYS = 1000


def remove(bucket: Bucket, key: str) -> None:
    """Remove an object. It is not an error if the object does not exist."""
    try:
        bucket.request('delete_object', key)
    except ImplausibleResponse:
        # Some stores respond with 200 instead of 204, like web pages.
        if not _is_gone(bucket, key):
            raise
    except ClientError as error:
        if code_of(error) not in ('NoSuchKey', 'NoSuchBucket'):
            raise


def remove_batch(bucket: Bucket, keys: Sequence[str]) -> dict[str, FSError | None]:
    """Remove objects in one request, and return errors for those that the store does not report as removed.

    The request is not quiet, because a quiet success cannot be distinguished from the response of any web page.
    """
    try:
        response = bucket.request('delete_objects', Delete={'Objects': [{'Key': key} for key in keys]})
    except ClientError as error:
        if code_of(error) != 'NoSuchBucket':
            raise
        return {}
    refusals: dict[Any, Any] = {refusal.get('Key'): refusal for refusal in response.get('Errors', ())}
    failures: dict[str, FSError | None] = {}
    for key in keys:
        if key in refusals and refusals[key].get('Code') != 'NoSuchKey':
            refusal = _error(refusals[key])
            failures[key] = failure = bucket.translated(refusal, key)
            failure.__cause__ = refusal
    reported = refusals.keys() | {one.get('Key') for one in response.get('Deleted', ())}
    # Baidu's store reports none, and some stores report unusual keys in another spelling.
    unmentioned = iter([key for key in keys if key not in reported])
    for key in unmentioned:
        try:
            remove(bucket, key)
        except SDK_ERRORS as error:
            # The other requests would fail in the same way.
            failures |= dict.fromkeys((key, *unmentioned), bucket.translated(error, key))
    return failures


def remove_versions(bucket: Bucket, key: str, versions: Iterable[str]) -> None:
    """Permanently remove versions of an object."""
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
    """The error that the store would return for removing only this object."""
    status = 403 if refusal.get('Code') == 'AccessDenied' else 500
    response: Any = {'Error': refusal, 'ResponseMetadata': {'HTTPStatusCode': status}}
    return ClientError(response, 'DeleteObjects')
