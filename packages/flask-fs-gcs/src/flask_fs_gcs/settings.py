"""The settings of a Google Cloud Storage storage, validated before anything is sent."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.auth.crypt import RSASigner

from flask_fs.settings import TIMEOUTS, Setting, at_least, boolean, http_url, mapping, seconds, text

#: The size of each chunk of an upload, except the last, must be a multiple of this
#: (https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload).
CHUNK_UNIT = 256 * 1024


def bucket_name(value: Any) -> str:
    """A name that Google accepts: https://cloud.google.com/storage/docs/buckets#naming."""
    if not isinstance(value, str) or not re.fullmatch(r'[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]', value, re.ASCII):
        raise ValueError('the name of a bucket: 3 or more lowercase letters, digits, -, _, and .')
    return value


def service_account(value: Any) -> Mapping[str, Any]:
    """The key of a service account, from a dictionary, JSON, or a file. Errors never quote it."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        if isinstance(value, str):
            value = json.loads(value if value.lstrip().startswith('{') else Path(value).read_text(encoding='utf-8'))
        # Loads the private key, which would otherwise fail at the first request.
        RSASigner.from_service_account_info(mapping(value))
        if {'client_email', 'token_uri'} <= set(value):
            return dict(value)
    raise ValueError('the path of the key file of a service account, or the content of that file')


_CHUNK_BYTES = 'The chunk size, in bytes. Files of this size or larger, or of 8 MiB or larger, are uploaded in chunks.'
SETTINGS = (
    Setting('project', text, None, 'The project of a new bucket. If not set, the project of the credentials.'),
    Setting('bucket_name', bucket_name, None, "If not set, the storage's name in lowercase, with - instead of _."),
    Setting('create_bucket', boolean, True, 'Whether the first file creates the bucket if it does not exist.'),
    Setting('region', text, None, "The location of a new bucket. If not set, Google's default, US."),
    Setting('endpoint', http_url, None, 'The URL of an emulator or a private endpoint. Do not set it for Google.'),
    Setting('public_endpoint', http_url, None, 'The endpoint for browsers, in signed URLs, if it is a different one.'),
    Setting('credentials', service_account, None, 'The key of a service account, or its file.', secret=True),
    Setting('anonymous', boolean, False, 'Whether to send requests without credentials, as for emulators.'),
    Setting('chunk_bytes', at_least(CHUNK_UNIT), 8 * 1024**2, _CHUNK_BYTES),
    *TIMEOUTS,
    Setting('retry_s', seconds, 30.0, 'How long to retry while the store is busy or unreachable, in seconds.'),
)
