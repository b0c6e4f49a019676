"""Removing objects, one or many at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import batched
from flask_fs.errors import FSError

from .bucket import Bucket
from .errors import SDK_ERRORS, code_of
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


def failures(bucket: Bucket, keys: Iterable[str]) -> Iterator[tuple[str, FSError]]:
    """Remove objects by few requests, and give the error of each that the store does not say is gone.

    Its silence would be that of any web page; so the response is not to be quiet about what was removed.
    """
    batches = batched(keys, BATCH_KEYS)
    for batch in batches:
        try:
            failed = _remove_batch(bucket, batch)
        except SDK_ERRORS as error:
            met = bucket.translated(error, batch[0])
        except FSError as error:
            met = error
        else:
            yield from failed.items()
            continue
        # For the others it would take the same time to fail.
        yield from ((key, met) for key in itertools.chain(batch, *batches))


def _remove_batch(bucket: Bucket, keys: Sequence[str]) -> dict[str, FSError]:
    if len(keys) == 1:
        remove(bucket, keys[0])
        return {}
    try:
        response = bucket.request('delete_objects', Delete={'Objects': [{'Key': key} for key in keys]})
    except ClientError as error:
        if code_of(error) != 'NoSuchBucket':
            raise
        return {}
    refusals: dict[Any, Any] = {refusal.get('Key'): refusal for refusal in response.get('Errors', ())}
    failed: dict[str, FSError] = {}
    for key in keys:
        if key in refusals and refusals[key].get('Code') != 'NoSuchKey':
            refusal = _error(refusals[key])
            failed[key] = bucket.translated(refusal, key)
            failed[key].__cause__ = refusal
    reported = refusals.keys() | {one.get('Key') for one in response.get('Deleted', ())}
    # Baidu's store reports none, and odd keys come back written in another way.
    unmentioned = iter([key for key in keys if key not in reported])
    for key in unmentioned:
        try:
            remove(bucket, key)
        except SDK_ERRORS as error:
            failed |= dict.fromkeys((key, *unmentioned), bucket.translated(error, key))
    return failed


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
