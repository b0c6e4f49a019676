"""Authentication: one token for all requests of a process, renewed when Swift no longer takes it."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import swiftclient.client  # type: ignore[import-untyped]  # it has no types
from requests.exceptions import InvalidHeader

from . import keystone
from .errors import LoginFailed


class Access(NamedTuple):
    """What authentication gives.

    :param url: The address of the account.
    """

    url: str
    token: str

    def __repr__(self) -> str:
        return f'Access(url={self.url!r})'


class Login:
    """Authenticates when it is first needed, and once for all who need it at the same time."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._begin()
        self._access: Access | None = None
        _logins.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()

    def access(self) -> Access:
        """The address of the account and a token.

        :raises LoginFailed: If they were not given.
        """
        return self._access or self._authenticated(None)

    def renewed(self, old: Access) -> Access:
        """Access by a token newer than *old*, which was refused: a new one, unless somebody else got one since."""
        return self._authenticated(old)

    def _authenticated(self, old: Access | None) -> Access:
        with self._lock:
            if self._access is None or self._access is old:
                self._access = None
                self._access = self._ask()
            return self._access

    def _ask(self) -> Access:
        config = self._config
        url, token = _version_1(config) if config['auth_version'] == '1' else keystone.authenticate(config)
        if not token or not url or not url.startswith(('http://', 'https://')):
            raise LoginFailed('it gave no token, or no address of an account')
        return Access(url.rstrip('/'), token)


def _version_1(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    # Not by swiftclient's own function, which logs the response and follows redirects: those would be given the key.
    parts, connection = swiftclient.client.http_connection(
        config['authurl'], cacert=config.get('cacert'), insecure=config['insecure'], timeout=config['timeout_s']
    )
    connection.requests_args['allow_redirects'] = False
    headers = {'X-Auth-User': config['user'], 'X-Auth-Key': config['key']}
    with contextlib.closing(connection):
        try:
            response = connection.request('GET', parts.path, headers=headers)
        except InvalidHeader:
            # Without its text, which quotes the key.
            raise LoginFailed('the user or the key cannot be sent in a header') from None
        response.close()
    status: int = response.status_code
    if not 200 <= status < 300:
        raise LoginFailed(f'it answered {status}', status=status, denied=status in (401, 403))
    return response.headers.get('X-Storage-Url'), response.headers.get('X-Auth-Token')


_logins: weakref.WeakSet[Login] = weakref.WeakSet()


def _after_fork() -> None:
    # Another thread of the parent may have held the lock; a token is as good in the child.
    for login in list(_logins):
        login._begin()


if hasattr(os, 'register_at_fork'):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
