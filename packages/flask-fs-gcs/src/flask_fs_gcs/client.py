"""Clients of google-cloud-storage, and requests that it has no methods for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import google.auth
from google.api_core.exceptions import from_http_response
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage  # type: ignore[import-untyped]  # it has no types
from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped]  # it has no types
from google.oauth2.service_account import Credentials
from requests.adapters import HTTPAdapter

from flask_fs.backends import SharedClient, shared_client

#: The settings that must be equal for two configurations to share a client.
_DECIDING = ('project', 'endpoint', 'credentials', 'anonymous', 'connect_timeout_s', 'read_timeout_s', 'retry_s')


class Client(NamedTuple):
    """A client for all requests of a process with the same settings.

    :param options: The keyword arguments that all methods of :attr:`sdk` are called with.
    """

    sdk: Any
    session: AuthorizedSession
    endpoint: str
    options: dict[str, Any]

    def request(self, method: str, path: str, *expected: int, **options: Any) -> Any:
        """The response, with its body unread, if its status is one of *expected*.

        :raises GoogleAPICallError: For any other status.
        """
        options |= {'timeout': self.options['timeout'], 'allow_redirects': False, 'stream': True}

        def send() -> Any:
            response: Any = self.session.request(method, self.url(path), **options)
            if response.status_code not in expected:
                with response:
                    raise from_http_response(response)
            return response

        return self.options['retry'](send)()

    def url(self, path: str) -> str:
        """The URL of *path* at the endpoint, even if *path* is a URL: emulators and proxies return their own."""
        return self.endpoint + urlsplit(path)._replace(scheme='', netloc='').geturl()


def client_for(config: Mapping[str, Any]) -> SharedClient[Client]:
    """The client shared by everything with this configuration."""
    return shared_client(_make, {key: config.get(key) for key in _DECIDING}, close=lambda client: client.sdk.close())


def _is_temporary(error: Exception) -> bool:
    # The first is the message for a server without TLS.
    return bool(DEFAULT_RETRY._predicate(error)) and not re.search('WRONG_VERSION|CERTIFICATE_VERIFY', str(error))


def _make(settings: dict[str, Any]) -> Client:
    credentials: Any
    scopes = storage.Client.SCOPE
    if settings['anonymous']:
        credentials, project = AnonymousCredentials(), None
    elif key := settings['credentials']:
        credentials, project = Credentials.from_service_account_info(key, scopes=scopes), key.get('project_id')
    else:
        credentials, project = google.auth.default(scopes=scopes)
    session, options = AuthorizedSession(credentials), {'api_endpoint': settings['endpoint']}
    # urllib3 1 treats a truncated response as complete.
    session.hooks['response'].append(lambda response, **_: setattr(response.raw, 'enforce_content_length', True))
    for scheme in ('http://', 'https://'):
        # The maximum number of connections that are kept open for later requests.
        session.mount(scheme, HTTPAdapter(pool_maxsize=50))
    sdk: Any = storage.Client(settings['project'] or project, credentials, _http=session, client_options=options)
    # For tracing, newer versions request the bucket's metadata in a separate thread.
    sdk._bucket_metadata_cache = None
    # The delays begin with 0.2 seconds and are doubled up to 5.
    retry = DEFAULT_RETRY.with_predicate(_is_temporary).with_delay(0.2, 5.0, 2.0).with_timeout(settings['retry_s'])
    timeout = settings['connect_timeout_s'], settings['read_timeout_s']
    return Client(sdk, session, settings['endpoint'] or sdk.api_endpoint, {'timeout': timeout, 'retry': retry})
