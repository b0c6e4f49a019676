"""Errors of this driver. Applications see two of them; the others are translated into errors of Flask-FS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flask_fs.backends import gone_reason
from flask_fs.errors import (
    BackendError,
    ChecksumMismatch,
    FileExists,
    FileNotFound,
    FileTooLarge,
    FSError,
    InvalidFilename,
    PermissionDenied,
    Replaced,
    Unavailable,
)

#: The store is busy, or timed out: 498 is Swift's own (ratelimit), 499 its "client disconnect".
BUSY = frozenset((408, 429, 498, 499, 500, 502, 503, 504, 507))


class ETagMismatchError(ChecksumMismatch):
    """The store received different content: the MD5 that it returned as the ETag does not match."""


class PoolExhaustedError(Unavailable):
    """All connections of the storage were in use, and none became free within ``POOL_TIMEOUT_S``."""


class Failure(Exception):
    """An internal error of the driver, which ``BaseBackend`` translates into an error of Flask-FS."""

    #: The error of Flask-FS.
    kind: type[FSError] = BackendError
    #: How to fix it. ``{}`` is replaced with the names of *setting*.
    advice: str | None = None
    setting = ''
    #: Whether the request may have been applied although it failed, because the response of an attempt was lost.
    may_have_applied = False
    #: Whether a retry of the request might succeed.
    is_temporary = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        #: The reason to report, besides the advice; None if *kind* is sufficient.
        self.reason: str | None = reason


class Refused(Failure):
    """The store refused the request.

    :param status: The HTTP status.
    :param content: The relevant content of the response.
    """

    _KINDS: ClassVar[Mapping[int, tuple[type[FSError], str | None]]] = {
        401: (PermissionDenied, 'the store does not accept its own new token'),
        403: (PermissionDenied, 'this user does not have permission for that in this container'),
        404: (FileNotFound, None),
        409: (BackendError, 'some of its segments are missing'),
        412: (FileExists, None),
        413: (FileTooLarge, 'the object is too large for the store, or the quota of the account is exceeded'),
        422: (
            ETagMismatchError,
            'the store received different content than was sent; any existing file was not replaced',
        ),
    }
    # How Swift's error message for a name that is too long begins (swift.common.constraints).
    _LONG_NAME = b'Object name length'

    def __init__(self, status: int, content: bytes = b'') -> None:
        super().__init__(f'the store responded with status {status}')
        self.status = status
        self.is_temporary = status in BUSY
        self.may_have_applied = status >= 500
        if status == 400 and content.startswith(self._LONG_NAME):
            self.kind, self.reason = InvalidFilename, 'with its prefix, it is longer than the cluster allows'
        else:
            default = Unavailable if self.is_temporary else BackendError
            self.kind, self.reason = self._KINDS.get(status, (default, str(self)))


class InvalidResponse(Failure):
    """A response that cannot come from Swift. The request may have been applied nevertheless."""

    may_have_applied = True


class Unreached(Failure):
    """The store sent no response or an incomplete one. The cause is chained."""

    kind = Unavailable
    #: Whether the login failed, not a request to the account.
    is_login = False

    def __init__(
        self, reason: str, *, is_temporary: bool = True, may_have_applied: bool = True, was_connected: bool = True
    ) -> None:
        super().__init__(reason)
        self.is_temporary = is_temporary
        self.may_have_applied = may_have_applied
        #: False if there was no connection, perhaps because the URL is wrong.
        self.was_connected = was_connected


class LoginFailed(Failure):
    """Authentication failed.

    :param status: The status of the response of the authentication service, if it responded.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(f'authentication failed: {reason}')
        self.is_temporary = status in BUSY
        if status in (401, 403):
            self.kind, self.setting, self.advice = PermissionDenied, 'user', 'check {}, and also KEY and AUTHURL'
        else:
            self.kind = Unavailable if self.is_temporary else BackendError
            self.setting, self.advice = 'authurl', 'check {}, and also AUTH_VERSION'


class PoolExhausted(Failure):
    """No connection became free before the timeout."""

    kind = PoolExhaustedError
    advice, setting = 'close streams after reading them, or increase {}', 'pool_size'


class NoContainer(Failure):
    """A container does not exist and must not be created."""

    advice, setting = 'create it, or set {} to True', 'create_container'

    def __init__(self, container: str) -> None:
        super().__init__(f'container {container!r} does not exist')


class DotSegment(Failure, ValueError):
    """A name that requests cannot reach, because a part of it is ``.`` or ``..``. Other programs can store it."""

    kind = InvalidFilename

    def __init__(self, path: str) -> None:
        super().__init__(f'{path!r} has a dot segment')


class Superseded(Failure):
    """The object to copy is no longer the expected version."""

    kind = Replaced

    def __init__(self) -> None:
        super().__init__('its source was replaced or removed in the meantime')


class ContainerGone(Failure):
    """A container that existed before does not exist anymore."""

    kind = Unavailable

    def __init__(self, container: str) -> None:
        super().__init__(gone_reason(f'container {container!r}'))
