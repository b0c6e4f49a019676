"""What can be configured about a bucket, and what is refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_fs.settings import TIMEOUTS, Setting, at_least, boolean, http_url, mapping, non_negative_int, one_of, text

#: The minimum size of a part unless it is the last (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
MIN_PART_BYTES = 5 * 1024 * 1024
#: The maximum that is sent by one request, or copied (ibidem).
MAX_PART_BYTES = 5 * 1024**3
#: What PutObject, CopyObject and CreateMultipartUpload all accept, besides what this backend itself sets.
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
    """A name that botocore sends: that of a bucket, or the ARN of an access point."""
    if not isinstance(value, str) or not re.fullmatch(r'[A-Za-z0-9._-]{1,255}|arn:[\w:/.-]+', value, re.ASCII):
        raise ValueError('the name of a bucket: letters, digits, . and -')
    return value


def object_parameters(value: Any) -> Mapping[str, Any]:
    """Parameters of S3's PutObject, by the names that boto3 uses."""
    parameters = mapping(value)
    if unknown := sorted(set(parameters) - OBJECT_PARAMETERS):
        raise ValueError(f'a dictionary of {", ".join(sorted(OBJECT_PARAMETERS))}; not of {", ".join(unknown)}')
    return parameters


SETTINGS = (
    Setting('endpoint', http_url, None, 'The URL of an S3-compatible store; not set for Amazon.'),
    Setting('public_endpoint', http_url, None, 'Its URL for browsers, in signed links, if they use another one.'),
    Setting('region', text, None, "Where the bucket is. Default: that of boto3's own configuration."),
    Setting('access_key', text, None, "The ID of the application's key. Default: boto3's own chain of credentials."),
    Setting('secret_key', text, None, 'The secret of that key.', secret=True),
    Setting('session_token', text, None, 'The token of temporary credentials.', secret=True),
    Setting('profile', text, None, "A profile in boto3's own configuration files."),
    Setting('bucket_name', bucket_name, None, "Default: the storage's name, in lower case and with - for _."),
    Setting('create_bucket', boolean, True, 'Whether the first file creates the bucket, where there is none.'),
    Setting('object_parameters', object_parameters, {}, 'What every object is stored with, by its names in boto3.'),
    Setting('object_acl', text, None, "The same as ACL in object_parameters, such as 'public-read'."),
    Setting('object_storage_class', text, None, 'The same as StorageClass in object_parameters.'),
    Setting(
        'conditional_writes',
        boolean,
        True,
        'Whether the store supports If-None-Match and If-Match when it writes, in races too; without it, creating a file looks '
        'first and can lose a race, and no version can be replaced, nor attributes kept.',
    ),
    Setting(
        'conditional_completion',
        boolean,
        None,
        'Whether it also does when a file in parts is completed. Default: on Amazon alone. Without it, a file that must not '
        'overwrite is sent by one request, up to 5 GiB.',
    ),
    Setting(
        'request_checksums',
        one_of('when_supported', 'when_required'),
        None,
        "'when_required' sends checksums only where S3 requires them, 'when_supported' wherever botocore can. Default: uploads carry their CRC-32; "
        "other requests are as with 'when_supported' on Amazon, and with 'when_required' elsewhere.",
    ),
    Setting(
        'retention_by',
        one_of('copies', 'versions'),
        'copies',
        'With RETENTION_DAYS, how deleted files are kept: under another name, or as a version in a bucket that keeps '
        "versions ('versions').",
    ),
    Setting('addressing_style', one_of('auto', 'path', 'virtual'), 'auto', 'Where the bucket is in URLs.'),
    Setting('signature_version', text, 's3v4', 'How requests are signed, by the names that botocore uses.'),
    Setting(
        'multipart_threshold_bytes',
        at_least(1, MAX_PART_BYTES),
        8 * 1024 * 1024,
        'From this size on, files are sent in parts.',
    ),
    Setting(
        'part_bytes',
        at_least(MIN_PART_BYTES, MAX_PART_BYTES),
        None,
        'How large a part is; larger in files of a known size that would have more than 10,000. Default: 8 MiB, and a '
        'sixteenth of a file that can be read twice, up to 32 MiB.',
    ),
    Setting('concurrency', at_least(1), 4, 'How many parts of one file are sent at once.'),
    *TIMEOUTS,
    Setting('retries', non_negative_int, 3, 'How often to try again when the store is busy or unreachable.'),
    Setting('max_pool_connections', at_least(1), 50, 'How many connections are kept open for later requests.'),
)
