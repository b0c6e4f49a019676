"""Clients of a storage account, and what they are sent through."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from flask_fs.backends import SharedClient, hide_in_logs, shared_client

#: What decides whether two configurations can share a client.
_DECIDING = (
    'connection_string', 'account_url', 'account_key', 'sas_token', 'connect_timeout_s', 'read_timeout_s', 'retries',
)  # fmt: skip
#: How much is read of a file by one request: the client receives all of that before it gives any of it.
_READ_BYTES = 4 * 1024 * 1024
#: The longest pause before another attempt, in seconds.
_MAX_PAUSE_S = 20
# Of a SAS token, which is a part of every URL that is requested with it.
_SIGNATURE = re.compile(r'([?&]sig=)[^&\s]+')


class ForeignResponse(Exception):
    """A response of something else than Azure: networks where one has to log in, and web servers, send 200 for anything.

    No AzureError, which would be tried again.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f'the response was {status}')
        self.status_code = status


class _Transport(RequestsTransport):  # type: ignore[misc]  # a library without types for it
    """Sends requests, and believes responses that look like the store's own."""

    def send(self, request: Any, **kwargs: Any) -> Any:
        try:
            response: Any = super().send(request, **kwargs)
        except AzureError as error:
            # It may quote the URL, and that a SAS token.
            raise type(error)(error.message.partition('?')[0]) from None
        status = response.status_code
        if 'x-ms-request-id' in response.headers and not (status == 200 and 'x-ms-range' in request.headers):
            return response
        response.internal_response.close()
        # A proxy before the store may work again in a moment.
        raise ForeignResponse(status) if status < 500 else ServiceResponseError(f'the response was {status}')


class _Retry(ExponentialRetry):
    """The library's own waits for more than 15 seconds before it tries again."""

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        return random.uniform(0, min(2.0 ** settings['count'] / 2, _MAX_PAUSE_S))


def service_for(config: Mapping[str, Any]) -> SharedClient[BlobServiceClient]:
    """The client that all with this configuration share; ValueError says what is wrong with that."""
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
    credential = settings['account_key'] or settings['sas_token'] or _identity()
    return BlobServiceClient(settings['account_url'], credential, **options)


def _identity() -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ModuleNotFoundError:
        raise ValueError("there is neither a key nor a SAS token, nor 'flask-fs-azure[identity]' installed") from None
    return DefaultAzureCredential()
