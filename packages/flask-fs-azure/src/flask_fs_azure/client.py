"""Clients of a storage account, and their transport."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from flask_fs.backends import SharedClient, hide_in_logs, shared_client

#: The settings that must be equal for two configurations to share a client.
_DECIDING = (
    'connection_string', 'account_url', 'account_key', 'sas_token', 'connect_timeout_s', 'read_timeout_s', 'retries',
)  # fmt: skip
#: How many bytes one request reads. The client receives all of them before it returns any.
_READ_BYTES = 4 * 1024 * 1024
#: The maximum delay before another attempt, in seconds.
_MAX_PAUSE_S = 20
# The signature of a SAS token, which is part of every URL that is requested with it.
_SIGNATURE = re.compile(r'([?&]sig=)[^&\s]+')


class ForeignResponse(Exception):
    """A response that is not from Azure: captive portals and web servers respond with 200 to anything.

    Not a subclass of AzureError, because the library would retry it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f'the response was {status}')
        self.status_code = status


class _Transport(RequestsTransport):  # type: ignore[misc]  # a library without types for it
    """Sends requests, and refuses responses that are not from the store."""

    def send(self, request: Any, **kwargs: Any) -> Any:
        try:
            response: Any = super().send(request, **kwargs)
        except AzureError as error:
            # The message can quote the URL, which can contain a SAS token.
            raise type(error)(error.message.partition('?')[0]) from None
        status = response.status_code
        if 'x-ms-request-id' in response.headers and not (status == 200 and 'x-ms-range' in request.headers):
            return response
        response.internal_response.close()
        # An error of a proxy in front of the store can be temporary.
        raise ForeignResponse(status) if status < 500 else ServiceResponseError(f'the response was {status}')


class _Retry(ExponentialRetry):
    """A retry policy with shorter delays: the library's own waits for more than 15 seconds."""

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        return random.uniform(0, min(2.0 ** settings['count'] / 2, _MAX_PAUSE_S))


def service_for(config: Mapping[str, Any]) -> SharedClient[BlobServiceClient]:
    """The client shared by everything with this configuration; ValueError if the configuration is invalid."""
    return shared_client(_make, {key: config.get(key) for key in _DECIDING}, close=BlobServiceClient.close)


def _make(settings: dict[str, Any]) -> BlobServiceClient:
    hide_in_logs(_SIGNATURE, 'urllib3.connectionpool')
    retries = settings['retries']
    timeouts = {'connection_timeout': settings['connect_timeout_s'], 'read_timeout': settings['read_timeout_s']}
    options: Any = {
        'transport': _Transport(**timeouts),
        'retry_policy': _Retry(retry_total=retries, retry_connect=retries, retry_read=retries, retry_status=retries),
        'max_single_get_size': _READ_BYTES,
        'max_chunk_get_size': _READ_BYTES,
    }
    if connection_string := settings['connection_string']:
        return BlobServiceClient.from_connection_string(connection_string, **options)
    if (url := settings['account_url']) is None:
        raise ValueError('there is neither a connection string nor an account URL')
    credential = settings['account_key'] or settings['sas_token'] or _identity()
    return BlobServiceClient(url, credential, **options)


def _identity() -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ModuleNotFoundError:
        raise ValueError("no key or SAS token is set, and 'flask-fs-azure[identity]' is not installed") from None
    return DefaultAzureCredential()
