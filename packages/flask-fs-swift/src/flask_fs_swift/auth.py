"""Authentication: one token for all requests of a process, renewed when it expires."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
import swiftclient.client  # type: ignore[import-untyped]  # it has no types
from requests.exceptions import InvalidHeader

from .errors import LoginFailed
from .pool import unreached

#: The library that the extra ``keystone`` installs.
KEYSTONE_LIBRARY = 'keystoneauth1'
_PROJECT = ('project_id', 'project_name')
_APPLICATION = 'v3applicationcredential'
_NO_STORE = 'its catalog has no object store for this region and endpoint type'


class Access(NamedTuple):
    """The result of authentication.

    :param url: The URL of the account.
    """

    url: str
    token: str

    def __repr__(self) -> str:
        return f'Access(url={self.url!r})'


class Login:
    """Authenticates on first use, and only once if several threads need it at the same time.

    :param access: The access of the parent process, if there is one.
    """

    def __init__(self, config: Mapping[str, Any], access: Access | None = None) -> None:
        self._config = config
        self._lock = threading.Lock()
        self.known = access

    def access(self) -> Access:
        """The URL of the account and a token.

        :raises LoginFailed: If authentication failed.
        """
        return self.known or self.renewed(None)

    def renewed(self, old: Access | None) -> Access:
        """Access with a token newer than *old*, which was refused. Requests one unless another thread already has."""
        with self._lock:
            if self.known is None or self.known is old:
                self.known = None
                self.known = self._request()
            return self.known

    def _request(self) -> Access:
        config = self._config
        try:
            url, token = _version_1(config) if config['auth_version'] == '1' else _keystone(config)
        except OSError as error:
            failure = unreached(error, config['timeout_s'], may_have_applied=False)
            failure.is_login = True
            raise failure from error
        if not token or not url or not url.startswith(('http://', 'https://')):
            raise LoginFailed('the response has no token or no account URL')
        return Access(url.rstrip('/'), token)


def _version_1(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    # swiftclient's own function logs the response, and follows redirects, to which it would send the key.
    parts, connection = swiftclient.client.http_connection(
        config['authurl'], cacert=config.get('cacert'), insecure=config['insecure'], timeout=config['timeout_s']
    )
    connection.requests_args['allow_redirects'] = False
    headers = {'X-Auth-User': config['user'], 'X-Auth-Key': config['key']}
    with contextlib.closing(connection):
        try:
            response = connection.request('GET', parts.path, headers=headers)
        except InvalidHeader:
            # Its text is omitted, because it quotes the key.
            raise LoginFailed('the user or the key cannot be sent in a header') from None
        response.close()
    status: int = response.status_code
    if not 200 <= status < 300:
        raise LoginFailed(f'it responded with status {status}', status=status)
    return response.headers.get('X-Storage-Url'), response.headers.get('X-Auth-Token')


# --- Keystone, OpenStack's identity service.


def names_project(config: Mapping[str, Any]) -> bool:
    """Whether the settings name a project, or use an application credential, which implies one."""
    options = _options(config)
    return any(options.get(key) for key in _PROJECT) or options.get('auth_type') == _APPLICATION


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The setting ``os_options``, with legacy tenant names as project names."""
    options = dict(config['os_options'])
    for key in ('name', 'id'):
        if tenant := options.pop(f'tenant_{key}', None):
            options.setdefault(f'project_{key}', tenant)
    if config.get('tenant_name'):
        options['project_name'] = config['tenant_name']
    return options


def _keystone(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    # Not a requirement of this distribution, because only Keystone needs it.
    from keystoneauth1 import exceptions
    from keystoneauth1.session import Session

    options = _options(config)
    verify = False if config['insecure'] else config.get('cacert') or True
    with contextlib.closing(requests.Session()) as http:
        session = Session(_plugin(config, options), http, timeout=config['timeout_s'], verify=verify)
        try:
            token = session.get_token()
            url = session.get_endpoint(
                service_type=options.get('service_type', 'object-store'),
                interface=options.get('endpoint_type', 'public').removesuffix('URL'),
                region_name=config.get('region_name') or options.get('region_name'),
            )
        except exceptions.HttpError as error:
            raise LoginFailed(f'it responded with status {error.http_status}', status=error.http_status) from error
        except exceptions.ConnectFailure as error:
            raise LoginFailed('the connection failed', status=503) from error
        except exceptions.CatalogException as error:
            raise LoginFailed(_NO_STORE) from error
        except exceptions.ClientException as error:
            raise LoginFailed('the response is not from Keystone') from error
    if token and not url:
        raise LoginFailed(_NO_STORE)
    return url, token


def _plugin(config: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    from keystoneauth1.identity import v2, v3

    version = {'2': 'v2.0', '3': 'v3'}[config['auth_version']]
    url = config['authurl'] if config['authurl'].endswith(f'/{version}') else f'{config["authurl"]}/{version}'
    if options.get('auth_type') == _APPLICATION:
        return v3.ApplicationCredential(
            url,
            application_credential_id=options.get('application_credential_id'),
            application_credential_secret=options.get('application_credential_secret', ''),
        )
    user, key = config['user'], config['key']
    if version == 'v2.0':
        project: dict[str, Any] = {'tenant_id': options.get('project_id'), 'tenant_name': options.get('project_name')}
        return v2.Password(url, username=user, password=key, **project)
    scope: dict[str, Any] = {
        part: options.get(part)
        for part in (*_PROJECT, *(f'{who}_domain_{by}' for who in ('user', 'project') for by in ('id', 'name')))
    }
    # The domain that Keystone creates at installation, which its own tools also assume.
    if not (scope['user_domain_id'] or scope['user_domain_name']):
        scope['user_domain_name'] = 'Default'
    if scope['project_id'] is None and not (scope['project_domain_id'] or scope['project_domain_name']):
        scope['project_domain_name'] = 'Default'
    return v3.Password(url, username=user, password=key, **scope)
