"""The settings of a Google Cloud Storage storage, validated before anything is sent."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.auth.crypt import RSASigner

from flask_fs.errors import ConfigurationWarning
from flask_fs.settings import TIMEOUTS, Setting, at_least, boolean, http_url, mapping, seconds, setting_names, text

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
    try:
        if isinstance(value, str):
            value = json.loads(value if value.lstrip().startswith('{') else Path(value).read_text(encoding='utf-8'))
        if {'client_email', 'private_key', 'token_uri'} <= set(mapping(value)):
            # Loads the private key, which would otherwise fail at the first request.
            RSASigner.from_service_account_info(value)
            return dict(value)
    except (OSError, TypeError, ValueError):
        pass
    raise ValueError('the path of the key file of a service account, or the content of that file')


def endpoint(value: Any) -> str:
    """The URL of a store, to which the library adds the path of the API."""
    if '/storage/v1' in (url := http_url(value)):
        raise ValueError("a URL without '/storage/v1', which is added to it")
    return url


def warn_of_bucket_in_endpoint(url: str | None, bucket: str, storage: str) -> None:
    """Warn if *url* ends with the bucket. Requests would then name it twice."""
    if urlsplit(url or '').path.split('/')[-1] == bucket:
        warnings.warn(
            f'The endpoint of storage {storage!r} (gcs) ends with its bucket {bucket!r}: remove the bucket from '
            f'{setting_names(storage, "gcs", "endpoint")}.',
            ConfigurationWarning,
            stacklevel=7,
        )


_CHUNK_BYTES = 'The chunk size, in bytes. Files of this size or larger, or of 8 MiB or larger, are uploaded in chunks.'
SETTINGS = (
    Setting(
        'project', text, None, 'The project in which to create the bucket. If not set, the project of the credentials.'
    ),
    Setting('bucket_name', bucket_name, None, "If not set, the storage's name in lowercase, with - instead of _."),
    Setting('create_bucket', boolean, True, 'Whether the first file creates the bucket if it does not exist.'),
    Setting('region', text, None, "The location of a new bucket. If not set, Google's default, US."),
    Setting('endpoint', endpoint, None, 'The URL of an emulator or a private endpoint. Do not set it for Google.'),
    Setting('public_endpoint', http_url, None, 'The endpoint for browsers, in signed URLs, if it is a different one.'),
    Setting('credentials', service_account, None, 'The key of a service account, or its file.', secret=True),
    Setting('anonymous', boolean, False, 'Whether to send requests without credentials, as for emulators.'),
    Setting('chunk_bytes', at_least(CHUNK_UNIT), 8 * 1024**2, _CHUNK_BYTES),
    *TIMEOUTS,
    Setting('retry_s', seconds, 30.0, 'How long to retry while the store is busy or unreachable, in seconds.'),
)
