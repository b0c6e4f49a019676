"""What can be configured about a bucket, and what is refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask_fs.config import Setting, at_least, boolean, mapping, one_of, seconds, text, whole_number

#: The least that a part may have unless it is the last (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
LEAST_PART_BYTES = 5 * 1024 * 1024
#: The most that is sent by one request, or copied (ibidem).
MOST_PART_BYTES = 5 * 1024**3
#: What PutObject, CopyObject and CreateMultipartUpload all take, besides what this backend itself tells them.
OBJECT_PARAMETERS = frozenset(
    (
        'ACL',
        'BucketKeyEnabled',
        'CacheControl',
        'ContentDisposition',
        'ContentEncoding',
        'ContentLanguage',
        'ExpectedBucketOwner',
        'Expires',
        'GrantFullControl',
        'GrantRead',
        'GrantReadACP',
        'GrantWriteACP',
        'Metadata',
        'ObjectLockLegalHoldStatus',
        'ObjectLockMode',
        'ObjectLockRetainUntilDate',
        'RequestPayer',
        'SSEKMSEncryptionContext',
        'SSEKMSKeyId',
        'ServerSideEncryption',
        'StorageClass',
        'Tagging',
        'WebsiteRedirectLocation',
    )
)


def bucket_name(value: Any) -> str:
    """A name that botocore sends: that of a bucket, or the ARN of an access point."""
    if not isinstance(value, str) or not re.fullmatch(r'[A-Za-z0-9._-]{1,255}|arn:[\w:/.-]+', value, re.ASCII):
        raise ValueError('the name of a bucket: letters, digits, . and -')
    return value


def endpoint(value: Any) -> str:
    """The address of a server, with its scheme."""
    if not isinstance(value, str) or not re.match(r'https?://[^/]', value):
        raise ValueError("an address with its scheme, such as 'https://s3.example.org'")
    if '@' in value:
        # Signed links and messages of boto3 quote the address, and S3 has no use for a user in it.
        raise ValueError('an address without user and password, which are ACCESS_KEY and SECRET_KEY')
    return value.rstrip('/')


def object_parameters(value: Any) -> Mapping[str, Any]:
    """Parameters of S3's PutObject, by the names that boto3 uses."""
    parameters = mapping(value)
    if unknown := sorted(set(parameters) - OBJECT_PARAMETERS):
        raise ValueError(f'a dictionary of {", ".join(sorted(OBJECT_PARAMETERS))}; not of {", ".join(unknown)}')
    return parameters


def _setting(key: str, parse: Callable[[Any], Any], default: Any, doc: str, *, secret: bool = False) -> Setting:
    return Setting(key, parse, default, doc, everywhere=False, secret=secret)


SETTINGS = (
    _setting('endpoint', endpoint, None, 'The address of an S3-compatible store; not set for Amazon.'),
    _setting(
        'public_endpoint', endpoint, None, 'Its address for browsers, in signed links, if it has another one for them.'
    ),
    _setting('region', text, None, "Where the bucket is; default: what boto3's own configuration says."),
    _setting('access_key', text, None, "Who the application is; default: boto3's own chain of credentials."),
    _setting('secret_key', text, None, 'What proves it.', secret=True),
    _setting('session_token', text, None, 'What comes with temporary credentials.', secret=True),
    _setting('profile', text, None, "A profile in boto3's own configuration files."),
    _setting('bucket_name', bucket_name, None, "Default: the storage's name, in lower case and with - for _."),
    _setting('create_bucket', boolean, True, 'Whether the first file makes the bucket, where there is none.'),
    _setting('object_parameters', object_parameters, {}, 'What every object is stored with, by its names in boto3.'),
    _setting('object_acl', text, None, "The same as ACL in object_parameters, such as 'public-read'."),
    _setting('object_storage_class', text, None, 'The same as StorageClass in object_parameters.'),
    _setting(
        'conditional_writes',
        boolean,
        True,
        'Whether the store heeds If-None-Match when it writes, in races too; without it, creating a file asks first and can '
        'lose a race.',
    ),
    _setting(
        'conditional_completion',
        boolean,
        None,
        'Whether it also does when a file in parts is completed. Default: on Amazon alone. Without it, a file that must not '
        'overwrite is sent by one request, up to 5 GiB.',
    ),
    _setting(
        'request_checksums',
        one_of('when_supported', 'when_required'),
        None,
        "'when_required' sends no checksum unasked, 'when_supported' wherever botocore can. Default: uploads carry their CRC-32; "
        "other requests are as with 'when_supported' on Amazon, and with 'when_required' elsewhere.",
    ),
    _setting('addressing_style', one_of('auto', 'path', 'virtual'), 'auto', 'Where the bucket stands in addresses.'),
    _setting('signature_version', text, 's3v4', 'How requests are signed, by the names that botocore uses.'),
    _setting(
        'multipart_threshold_bytes',
        at_least(1, MOST_PART_BYTES),
        8 * 1024 * 1024,
        'From this size on, files are sent in parts.',
    ),
    _setting(
        'part_bytes',
        at_least(LEAST_PART_BYTES, MOST_PART_BYTES),
        8 * 1024 * 1024,
        'How large a part is; a file has at most 10,000. Known larger sizes get larger parts.',
    ),
    _setting('concurrency', at_least(1), 4, 'How many parts of one file are sent, and kept in memory, at once.'),
    _setting('connect_timeout_s', seconds, 10.0, 'How long to wait for a connection.'),
    _setting('read_timeout_s', seconds, 60.0, 'How long to wait for an answer, or for more of one.'),
    _setting('retries', whole_number, 3, 'How often to try again when the store is busy or away.'),
    _setting('max_pool_connections', at_least(1), 50, 'How many connections are kept open for later requests.'),
)
