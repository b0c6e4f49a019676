"""Translates the errors of S3 and botocore into errors of Flask-FS."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from flask_fs.backends import kind_of_status
from flask_fs.errors import (
    BackendError,
    ChecksumMismatch,
    ConfigurationError,
    FileNotFound,
    FSError,
    InvalidFilename,
    PermissionDenied,
    Unavailable,
)

from .responses import ImplausibleResponse

#: All errors of botocore, and those that it does not catch.
SDK_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
#: No response, an incomplete one, or one that cannot be parsed, after botocore has given up retrying.
_NO_RESPONSE = (BotoConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
_NO_CONNECTION = (ConnectTimeoutError, EndpointConnectionError, SSLError)
_NOT_CONFIGURED = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, NoRegionError, InvalidRegionError)
#: The setting that is wrong if a store responds with this code.
_WRONG_KEY = {'InvalidAccessKeyId': 'ACCESS_KEY', 'SignatureDoesNotMatch': 'SECRET_KEY'}
_MISMATCHES = frozenset(
    ('BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'InvalidChecksum')
)
_ELSEWHERE = frozenset(
    (
        'PermanentRedirect',
        'TemporaryRedirect',
        'AuthorizationHeaderMalformed',
        'IllegalLocationConstraintException',
    )
)
_BUSY = frozenset(
    (
        'SlowDown',
        'RequestTimeout',
        'Throttling',
        'ThrottlingException',
        'RequestLimitExceeded',
        'ConditionalRequestConflict',
        'OperationAborted',
    )
)


def code_of(error: BaseException) -> str:
    """S3's code for an error, such as ``NoSuchKey``; for a response without a body, the status as text."""
    return str(error.response.get('Error', {}).get('Code', '')) if isinstance(error, ClientError) else ''


def status_of(error: ClientError) -> int:
    """The HTTP status of the response."""
    return int(error.response.get('ResponseMetadata', {}).get('HTTPStatusCode', 0))


def is_retried(error: ClientError) -> bool:
    """Whether botocore had already sent the request before, without getting a usable response."""
    return bool(error.response.get('ResponseMetadata', {}).get('RetryAttempts'))


def region_in(error: ClientError) -> str | None:
    """The region of the bucket, if S3 reports it."""
    headers: Any = error.response.get('ResponseMetadata', {}).get('HTTPHeaders', {})
    details: Any = error.response.get('Error', {})
    expected = re.search(r"expecting '([\w-]+)'", str(details.get('Message', '')))
    return headers.get('x-amz-bucket-region') or details.get('Region') or (expected and expected.group(1))


def kind_of(error: Exception) -> type[FSError]:
    """The corresponding error of Flask-FS."""
    if isinstance(error, _NOT_CONFIGURED):
        return ConfigurationError
    if isinstance(error, FlexibleChecksumError):
        return ChecksumMismatch
    if not isinstance(error, ClientError):
        return Unavailable if isinstance(error, _NO_RESPONSE) else BackendError
    code, status = code_of(error), status_of(error)
    if code in _MISMATCHES:
        return ChecksumMismatch
    if code == 'KeyTooLongError':
        return InvalidFilename
    if _is_elsewhere(error) or _is_foreign(error):
        return BackendError
    return Unavailable if code in _BUSY else kind_of_status(status)


def reason_for(error: Exception, *, bucket: str, key: str | None, settings: str, create_bucket: bool) -> str | None:
    """What went wrong and how to fix it.

    :param settings: The prefix of the storage's settings, such as ``AVATARS_FS_``.
    """
    if isinstance(error, ImplausibleResponse) or _is_foreign(error):
        found: object = error
        if isinstance(error, ClientError):
            found = f'the response to {error.operation_name} was {status_of(error)}'
        cure = f'check {_both(settings, "ENDPOINT")}, which must not contain the bucket'
        return f'the endpoint is not an S3 server ({found}): {cure}'
    where = f'bucket {bucket!r}, key {key!r}' if key else f'bucket {bucket!r}'
    if isinstance(error, _NOT_CONFIGURED):
        return f'{_one_line(error)}: set {settings}ACCESS_KEY and {settings}SECRET_KEY, or configure boto3'
    if isinstance(error, ResponseParserError):
        # Its message quotes the entire response.
        return f'{where}: the response cannot be parsed'
    if not isinstance(error, ClientError):
        hint = f'. Check {_both(settings, "ENDPOINT")}' if isinstance(error, _NO_CONNECTION) else ''
        return f'{where}: {_one_line(error)}{hint}'
    code = code_of(error)
    if code == 'NoSuchBucket':
        cure = (
            'the first file stored creates it' if create_bucket else f'create it, or set {settings}CREATE_BUCKET = True'
        )
        return f'bucket {bucket!r} does not exist: {cure}'
    if _is_elsewhere(error):
        if region := region_in(error):
            return f'bucket {bucket!r} is in region {region!r}: set {settings}REGION = {region!r}'
        return f'bucket {bucket!r} is in another region: set {settings}REGION to that region'
    kind = kind_of(error)
    if kind is FileNotFound:
        return None
    if status_of(error) == 412:
        return 'it was replaced in the meantime'
    if kind is PermissionDenied:
        # Without permission to list the bucket, S3 does not reveal that a key is missing.
        hint = '; without permission to list the bucket, S3 also responds this way for missing files'
        hint = hint if code == '403' else ''
        if name := _WRONG_KEY.get(code):
            hint = f': check {_both(settings, name)}'
        return f'{where}: the store responded with {code or status_of(error)}{hint}'
    if code == 'InvalidBucketName':
        return f'bucket {bucket!r} has an invalid name: set {settings}BUCKET_NAME to 3 to 63 lowercase letters, digits, and hyphens'
    message = str(error.response.get('Error', {}).get('Message', '')).rstrip('.')
    return f'{where}: the store responded with {status_of(error)} {code}' + (f' ({message})' if message else '')


def _is_elsewhere(error: ClientError) -> bool:
    """Whether the bucket is in another region. A response to HEAD has no code, and indicates it only in a header."""
    code = code_of(error)
    return code in _ELSEWHERE or (code in ('301', '307', '400') and region_in(error) is not None)


def _is_foreign(error: Exception) -> bool:
    """Whether the response comes from something other than a store, or the endpoint is below its root.

    Then a 404 has no S3 error code, or a listing is a request for an object.
    """
    if not isinstance(error, ClientError) or error.operation_name.startswith('Head'):
        # A response to HEAD has no body.
        return False
    return status_of(error) == 404 and (
        code_of(error) in ('', '404') or (code_of(error) == 'NoSuchKey' and error.operation_name.startswith('List'))
    )


def _both(settings: str, key: str) -> str:
    """The two names of a setting: for this storage, and for all storages on S3."""
    return f'{settings}{key} and FS_S3_{key}'


def _one_line(error: Exception) -> str:
    """The message of botocore on one line, without what it quotes from the request."""
    return re.sub(r'\s+', ' ', str(error)).split('?')[0].rstrip('.')
