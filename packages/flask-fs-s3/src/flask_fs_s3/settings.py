"""The settings of an S3 storage, validated before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_fs.settings import (
    TIMEOUTS,
    Setting,
    at_least,
    boolean,
    http_url,
    mapping,
    non_negative_int,
    one_of,
    text,
)

#: The minimum size of a part unless it is the last (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
MIN_PART_BYTES = 5 * 1024 * 1024
#: The maximum size that one request can send or copy (same source).
MAX_PART_BYTES = 5 * 1024**3
#: The parameters that PutObject, CopyObject, and CreateMultipartUpload all accept and that this backend does not set.
OBJECT_PARAMETERS = frozenset(
    (
        'ACL', 'BucketKeyEnabled', 'CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage',
        'ExpectedBucketOwner', 'Expires', 'GrantFullControl', 'GrantRead', 'GrantReadACP', 'GrantWriteACP',
        'Metadata', 'ObjectLockLegalHoldStatus', 'ObjectLockMode', 'ObjectLockRetainUntilDate', 'RequestPayer',
        'SSEKMSEncryptionContext', 'SSEKMSKeyId', 'ServerSideEncryption', 'StorageClass', 'Tagging',
        'WebsiteRedirectLocation',
    )
)  # fmt: skip


def bucket_name(value: Any) -> str:
    """A name that botocore accepts: the name of a bucket or the ARN of an access point."""
    if not isinstance(value, str) or not re.fullmatch(r'[A-Za-z0-9._-]{1,255}|arn:[\w:/.-]+', value, re.ASCII):
        raise ValueError('the name of a bucket: letters, digits, ., and -')
    return value


def object_parameters(value: Any) -> Mapping[str, Any]:
    """Parameters of S3's PutObject, by the names that boto3 uses."""
    parameters = mapping(value)
    if unknown := sorted(set(parameters) - OBJECT_PARAMETERS):
        raise ValueError(f'a dictionary of {", ".join(sorted(OBJECT_PARAMETERS))}; not of {", ".join(unknown)}')
    return parameters


SETTINGS = (
    Setting('endpoint', http_url, None, 'The URL of an S3-compatible store. Do not set it for Amazon S3.'),
    Setting(
        'public_endpoint', http_url, None, 'The endpoint for browsers, used in signed URLs, if it is a different one.'
    ),
    Setting('region', text, None, 'The region of the bucket. If not set, the region in the configuration of boto3.'),
    Setting('access_key', text, None, 'The access key ID. If not set, boto3 looks up credentials.'),
    Setting('secret_key', text, None, 'The secret access key.', secret=True),
    Setting('session_token', text, None, 'The session token of temporary credentials.', secret=True),
    Setting('profile', text, None, 'A profile in the configuration files of boto3.'),
    Setting(
        'bucket_name',
        bucket_name,
        None,
        "The bucket. If not set, the storage's name in lowercase, with - instead of _.",
    ),
    Setting('create_bucket', boolean, True, 'Whether the first file creates the bucket if it does not exist.'),
    Setting(
        'object_parameters', object_parameters, {}, 'The parameters to store every object with, as boto3 names them.'
    ),
    Setting('object_acl', text, None, "The same as ACL in OBJECT_PARAMETERS, such as 'public-read'."),
    Setting('object_storage_class', text, None, 'The same as StorageClass in OBJECT_PARAMETERS.'),
    Setting(
        'conditional_writes',
        boolean,
        True,
        'Whether the store supports If-None-Match and If-Match on writes, even in races. If false, the backend checks whether '
        'a file exists before it creates it, which can lose a race, and if_match and attributes are not supported.',
    ),
    Setting(
        'conditional_completion',
        boolean,
        None,
        'Whether the store also supports these headers when it completes a multipart upload. If not set, Flask-FS assumes it only '
        'of Amazon. If false, a file of up to 5 GiB that must not overwrite is uploaded in one request.',
    ),
    Setting(
        'request_checksums',
        one_of('when_supported', 'when_required'),
        None,
        "'when_required' sends checksums only where S3 requires them, 'when_supported' wherever botocore supports them. If not "
        "set, uploads have a CRC-32, and other requests follow 'when_supported' on Amazon and 'when_required' elsewhere.",
    ),
    Setting(
        'retention_by',
        one_of('copies', 'versions'),
        'copies',
        "How deleted files are kept with RETENTION_DAYS: 'copies' keeps them under another name, 'versions' as a version in a "
        'versioned bucket.',
    ),
    Setting(
        'addressing_style',
        one_of('auto', 'path', 'virtual'),
        'auto',
        "Where URLs contain the bucket: in the host ('virtual') or in the path ('path').",
    ),
    Setting('signature_version', text, 's3v4', 'How requests are signed, as botocore names it.'),
    Setting(
        'multipart_threshold_bytes',
        at_least(1, MAX_PART_BYTES),
        8 * 1024 * 1024,
        'Files of at least this many bytes are uploaded in parts.',
    ),
    Setting(
        'part_bytes',
        at_least(MIN_PART_BYTES, MAX_PART_BYTES),
        None,
        'The size of a part, in bytes. Files of known size that would have more than 10,000 parts have larger ones. If not '
        'set, 8 MiB, or a sixteenth of a file that can be read twice, up to 32 MiB.',
    ),
    Setting('concurrency', at_least(1), 4, 'How many parts of a file are uploaded at the same time.'),
    *TIMEOUTS,
    Setting('retries', non_negative_int, 3, 'How often to retry when the store is busy or unreachable.'),
    Setting('max_pool_connections', at_least(1), 50, 'How many connections are kept open for reuse.'),
)
