"""The CORS rule of a bucket that allows browsers to send signed requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.errors import OperationNotSupported

from .bucket import Bucket
from .errors import code_of, status_of

#: What pages are allowed to do. Pages that upload files in parts need the ETag of each part.
_RULE: dict[str, Any] = {
    'AllowedMethods': ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
    'AllowedHeaders': ['*'],
    'ExposeHeaders': ['ETag', 'Location'],
    'MaxAgeSeconds': 3600,
}


def allow_origins(bucket: Bucket, origins: Sequence[str], *, dry_run: bool) -> str:
    """Allow requests from *origins* with one CORS rule of the bucket, and return a description of the result.

    :raises OperationNotSupported: If the store does not support CORS rules for buckets.
    """
    try:
        return _allow_origins(bucket, origins, dry_run=dry_run)
    except ClientError as error:
        if status_of(error) != 501 and code_of(error) not in ('NotImplemented', 'MethodNotAllowed'):
            raise
        reason = 'the store does not support CORS rules for buckets: allow the origins in its own configuration'
        raise bucket.error(OperationNotSupported, None, reason) from error


def _allow_origins(bucket: Bucket, origins: Sequence[str], *, dry_run: bool) -> str:
    rules = _rules(bucket)
    others = [rule for rule in rules if not _is_own(rule)]
    before = [origin for rule in rules if _is_own(rule) for origin in rule['AllowedOrigins']]
    allowed = list(dict.fromkeys((*before, *origins)))
    if allowed == before:
        state = 'already accepts'
    elif dry_run:
        state = 'would accept'
    else:
        # Before the others, because S3 applies the first rule that matches.
        new: Any = {'CORSRules': [{**_RULE, 'AllowedOrigins': allowed}, *others]}
        bucket.write(lambda: bucket.request('put_bucket_cors', CORSConfiguration=new))
        state = 'now accepts'
    kept = {0: '', 1: ' One other rule is kept.'}.get(len(others), f' {len(others)} other rules are kept.')
    return (
        f'Bucket {bucket.name!r} {state} requests from {", ".join(allowed)}: {", ".join(_RULE["AllowedMethods"])} with '
        f'any header. Pages can read {" and ".join(_RULE["ExposeHeaders"])}.{kept}'
    )


def _rules(bucket: Bucket) -> list[dict[str, Any]]:
    try:
        rules: list[dict[str, Any]] = bucket.request('get_bucket_cors')['CORSRules']
    except ClientError as error:
        if code_of(error) not in ('NoSuchCORSConfiguration', 'NoSuchBucket'):
            raise
        return []
    return rules


def _is_own(rule: dict[str, Any]) -> bool:
    """Whether *rule* was set by this command, regardless of the ID that the store gave it."""
    return {name: value for name, value in rule.items() if name not in ('AllowedOrigins', 'ID')} == _RULE
