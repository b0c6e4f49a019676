"""Authentication by Keystone, OpenStack's identity service."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import requests

from .errors import LoginFailed

#: What the extra ``keystone`` brings.
LIBRARY = 'keystoneauth1'
_PROJECT = ('project_id', 'project_name')
_APPLICATION = 'v3applicationcredential'
_NO_STORE = 'its catalogue has no object store for this region and endpoint type'


def names_project(config: Mapping[str, Any]) -> bool:
    """Whether the settings say which project is meant, or leave it to an application credential."""
    given = options(config)
    return any(given.get(key) for key in _PROJECT) or given.get('auth_type') == _APPLICATION


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The setting ``os_options``, completed: projects were called tenants once."""
    given = dict(config['os_options'])
    for key in ('name', 'id'):
        if tenant := given.pop(f'tenant_{key}', None):
            given.setdefault(f'project_{key}', tenant)
    if config.get('tenant_name'):
        given['project_name'] = config['tenant_name']
    return given


def authenticate(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The address of the account, and a token.

    :raises LoginFailed: If Keystone gives none.
    """
    # No requirement of this distribution: only Keystone needs it.
    from keystoneauth1 import exceptions
    from keystoneauth1.session import Session

    given = options(config)
    verify = False if config['insecure'] else config.get('cacert') or True
    with contextlib.closing(requests.Session()) as http:
        session = Session(_plugin(config, given), http, timeout=config['timeout_s'], verify=verify)
        try:
            token = session.get_token()
            url = session.get_endpoint(
                service_type=given.get('service_type', 'object-store'),
                interface=given.get('endpoint_type', 'public').removesuffix('URL'),
                region_name=config.get('region_name') or given.get('region_name'),
            )
        except exceptions.HttpError as error:
            status = error.http_status
            raise LoginFailed(f'it answered {status}', status=status, denied=status in (401, 403)) from error
        except exceptions.ConnectFailure as error:
            raise LoginFailed('it cannot be connected to', status=503) from error
        except exceptions.CatalogException as error:
            raise LoginFailed(_NO_STORE) from error
        except exceptions.ClientException as error:
            raise LoginFailed('it does not answer as Keystone does') from error
    if token and not url:
        raise LoginFailed(_NO_STORE)
    return url, token


def _plugin(config: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    from keystoneauth1.identity import v2, v3

    version = {'2': 'v2.0', '3': 'v3'}[config['auth_version']]
    address = config['authurl'] if config['authurl'].endswith(f'/{version}') else f'{config["authurl"]}/{version}'
    if given.get('auth_type') == _APPLICATION:
        return v3.ApplicationCredential(
            address,
            application_credential_id=given.get('application_credential_id'),
            application_credential_secret=given.get('application_credential_secret', ''),
        )
    user, key = config['user'], config['key']
    if version == 'v2.0':
        project: dict[str, Any] = {'tenant_id': given.get('project_id'), 'tenant_name': given.get('project_name')}
        return v2.Password(address, username=user, password=key, **project)
    # The domain that Keystone makes at its installation, as its own tools take it.
    domains = {
        domain: given.get(domain)
        for name in ('user_domain', 'project_domain')
        for domain in (f'{name}_id', f'{name}_name')
    }
    if not (domains['user_domain_id'] or domains['user_domain_name']):
        domains['user_domain_name'] = 'Default'
    if given.get('project_id') is None and not (domains['project_domain_id'] or domains['project_domain_name']):
        domains['project_domain_name'] = 'Default'
    scope: dict[str, Any] = {**domains, **{key: given.get(key) for key in _PROJECT}}
    return v3.Password(address, username=user, password=key, **scope)
