"""What S3 and botocore raise, as errors of Flask-FS."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
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

#: All that botocore raises, and what it lets through.
SDK_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
#: No response, half a response, or none that can be understood: botocore has given up trying again.
_NO_RESPONSE = (BotoConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
_NOT_CONFIGURED = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, NoRegionError, InvalidRegionError)
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
    """S3's code for an error, such as ``NoSuchKey``; for a response without a body the status, as text."""
    return str(error.response.get('Error', {}).get('Code', '')) if isinstance(error, ClientError) else ''


def status_of(error: ClientError) -> int:
    """The HTTP status of the response."""
    return int(error.response.get('ResponseMetadata', {}).get('HTTPStatusCode', 0))


def is_retried(error: ClientError) -> bool:
    """Whether botocore had sent the request before, without getting a response that it could use."""
    return bool(error.response.get('ResponseMetadata', {}).get('RetryAttempts'))


def region_in(error: ClientError) -> str | None:
    """The region where S3 says that the bucket is, if it says so."""
    headers: Any = error.response.get('ResponseMetadata', {}).get('HTTPHeaders', {})
    details: Any = error.response.get('Error', {})
    expected = re.search(r"expecting '([\w-]+)'", str(details.get('Message', '')))
    return headers.get('x-amz-bucket-region') or details.get('Region') or (expected and expected.group(1))


def kind_of(error: Exception) -> type[FSError]:
    """The error of Flask-FS that means the same."""
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
    """What went wrong and how to put it right.

    :param settings: What the storage's settings begin with, such as ``AVATARS_FS_``.
    """
    if isinstance(error, ImplausibleResponse) or _is_foreign(error):
        found: object = error
        if isinstance(error, ClientError):
            found = f'the response to {error.operation_name} was {status_of(error)}'
        return f'what responds there is no S3 ({found}): look at {settings}ENDPOINT and FS_S3_ENDPOINT'
    where = f'bucket {bucket!r}, key {key!r}' if key else f'bucket {bucket!r}'
    if isinstance(error, _NOT_CONFIGURED):
        return f"{_one_line(error)}: set {settings}ACCESS_KEY and {settings}SECRET_KEY, or configure boto3's own chain"
    if isinstance(error, ResponseParserError):
        # Its message quotes the whole response.
        return f'{where}: the response cannot be parsed'
    if not isinstance(error, ClientError):
        return f'{where}: {_one_line(error)}'
    code = code_of(error)
    if code == 'NoSuchBucket':
        cure = (
            'the first file stored creates it' if create_bucket else f'create it, or set {settings}CREATE_BUCKET = True'
        )
        return f'there is no bucket {bucket!r}: {cure}'
    if _is_elsewhere(error):
        if region := region_in(error):
            return f'bucket {bucket!r} is in the region {region!r}: set {settings}REGION = {region!r}'
        return f'bucket {bucket!r} is in another region: set {settings}REGION to it'
    kind = kind_of(error)
    if kind is FileNotFound:
        return None
    if status_of(error) == 412:
        return 'it was replaced meanwhile'
    if kind is PermissionDenied:
        # S3 also refuses to say that a key is absent to those who may not list the bucket.
        hint = '; without permission to list the bucket, S3 says this of missing files too' if code == '403' else ''
        return f'{where}: the store responded with {code or status_of(error)}{hint}'
    message = str(error.response.get('Error', {}).get('Message', '')).rstrip('.')
    return f'{where}: the store responded with {status_of(error)} {code}' + (f' ({message})' if message else '')


def _is_elsewhere(error: ClientError) -> bool:
    """Whether the bucket is in another region. A response to HEAD has no code, and says so by a header alone."""
    code = code_of(error)
    return code in _ELSEWHERE or (code in ('301', '307', '400') and region_in(error) is not None)


def _is_foreign(error: Exception) -> bool:
    """Whether something else responded than a store: it reports an absence in other words than S3."""
    if not isinstance(error, ClientError) or error.operation_name.startswith('Head'):
        # A response to HEAD has no words.
        return False
    return status_of(error) == 404 and code_of(error) in ('', '404')


def _one_line(error: Exception) -> str:
    """The message of botocore in one line, without what it quotes from the request."""
    return re.sub(r'\s+', ' ', str(error)).split('?')[0].rstrip('.')
