"""The settings of an Azure storage, validated before anything is sent."""

from __future__ import annotations

import re
from typing import Any

from flask_fs.settings import TIMEOUTS, Setting, at_least, boolean, http_url, non_negative_int, text

#: The maximum size of a block, and of a file stored in one request
#: (https://learn.microsoft.com/azure/storage/blobs/scalability-targets).
MAX_BLOCK_BYTES = 4000 * 1024**2


def container_name(value: Any) -> str:
    """The name of a container (https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata)."""
    if not isinstance(value, str) or not re.fullmatch(r'(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*', value, re.ASCII):
        raise ValueError('the name of a container: 3 to 63 lowercase letters, digits, and single hyphens between them')
    return value


def account_url(value: Any) -> str:
    """The URL of a storage account, without secrets."""
    if '?' in (url := http_url(value)):
        raise ValueError('the URL of a storage account, without a query: a SAS token has its own setting')
    return url


_BLOCK_BYTES = 'The block size, in bytes. Files of this size or larger are uploaded in blocks.'
SETTINGS = (
    Setting('connection_string', text, None, 'The connection string of the account, from the portal.', secret=True),
    Setting('account_url', account_url, None, 'The URL of the account, instead of a connection string.'),
    Setting('account_key', text, None, 'An account key. If not set, azure-identity logs in.', secret=True),
    Setting('sas_token', text, None, 'A SAS token for the account or container, instead of a key.', secret=True),
    Setting('container', container_name, None, "If not set, the storage's name in lowercase, with - instead of _."),
    Setting('create_container', boolean, True, 'Whether the first file creates the container if it does not exist.'),
    Setting('block_bytes', at_least(1, MAX_BLOCK_BYTES), 8 * 1024**2, _BLOCK_BYTES),
    *TIMEOUTS,
    Setting('retries', non_negative_int, 3, 'How often to retry when the store is busy or unreachable.'),
)
