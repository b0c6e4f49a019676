"""The rule of a bucket that has browsers send what was signed: CORS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.errors import OperationNotSupported

from .bucket import Bucket
from .errors import code_of, status_of

#: What pages may do; those who send files in parts need the ETag of each part.
_RULE: dict[str, Any] = {
    'AllowedMethods': ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
    'AllowedHeaders': ['*'],
    'ExposeHeaders': ['ETag', 'Location'],
    'MaxAgeSeconds': 3600,
}


def allow_origins(bucket: Bucket, origins: Sequence[str], *, dry_run: bool) -> str:
    """Allow requests from *origins* by one rule of the bucket, and return what is set then.

    :raises OperationNotSupported: If the store has no rules of buckets.
    """
    try:
        return _allow_origins(bucket, origins, dry_run=dry_run)
    except ClientError as error:
        if status_of(error) != 501 and code_of(error) not in ('NotImplemented', 'MethodNotAllowed'):
            raise
        reason = 'the store has no CORS rules of buckets: allow the origins in its own configuration'
        raise bucket.error(OperationNotSupported, None, reason) from error


def _allow_origins(bucket: Bucket, origins: Sequence[str], *, dry_run: bool) -> str:
    rules = _rules(bucket)
    others = [rule for rule in rules if not _is_own(rule)]
    before = [origin for rule in rules if _is_own(rule) for origin in rule['AllowedOrigins']]
    allowed = list(dict.fromkeys((*before, *origins)))
    if allowed == before:
        state = 'was open already'
    elif dry_run:
        state = 'would be open'
    else:
        # First, as S3 applies the first rule that matches.
        new: Any = {'CORSRules': [{**_RULE, 'AllowedOrigins': allowed}, *others]}
        bucket.write(lambda: bucket.request('put_bucket_cors', CORSConfiguration=new))
        state = 'is open'
    kept = {0: '', 1: ' One other rule stays.'}.get(len(others), f' {len(others)} other rules stay.')
    return (
        f'Bucket {bucket.name!r} {state} to pages of {", ".join(allowed)}: {", ".join(_RULE["AllowedMethods"])} with any '
        f'header; {" and ".join(_RULE["ExposeHeaders"])} can be read.{kept}'
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
    """Whether this command has set *rule*, whatever ID the store gave it."""
    return {name: value for name, value in rule.items() if name not in ('AllowedOrigins', 'ID')} == _RULE
