"""What goes wrong on the way to Swift: two errors for applications, the others for this driver alone."""

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
    """Swift did not receive what was sent: the MD5 that it returns as the ETag is another one."""


class PoolExhaustedError(Unavailable):
    """All connections of the storage were in use, and none was given back within ``POOL_TIMEOUT_S``."""


class Failure(Exception):
    """What the driver's own parts raise: the template makes an error of Flask-FS from it."""

    #: That error.
    kind: type[FSError] = BackendError
    #: How to fix it, with the names of *setting* for ``{}``.
    advice: str | None = None
    setting = ''
    #: Whether the request may have been applied all the same: an earlier attempt's response was lost.
    may_have_applied = False
    #: Whether the same request may succeed in a moment.
    is_temporary = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        #: What to say, besides the advice; None if *kind* says it all.
        self.reason: str | None = reason


class Refused(Failure):
    """The store responded that it does not do what was requested.

    :param status: The HTTP status.
    :param content: Of the response, as much as matters.
    """

    _KINDS: ClassVar[Mapping[int, tuple[type[FSError], str | None]]] = {
        401: (PermissionDenied, 'the store does not accept its own new token'),
        403: (PermissionDenied, 'this user may not do that in this container'),
        404: (FileNotFound, None),
        409: (BackendError, 'some of its segments are missing'),
        412: (FileExists, None),
        413: (FileTooLarge, 'the store accepts no object of this size, or no more in this account'),
        422: (
            ETagMismatchError,
            'the store received other bytes than those that were sent; the old file is still there',
        ),
    }
    # How Swift begins its refusal of a name (swift.common.constraints).
    _LONG_NAME = b'Object name length'

    def __init__(self, status: int, content: bytes = b'') -> None:
        super().__init__(f'the store responded with status {status}')
        self.status = status
        self.is_temporary = status in BUSY
        self.may_have_applied = status >= 500
        if status == 400 and content.startswith(self._LONG_NAME):
            self.kind, self.reason = InvalidFilename, 'with its prefix it is longer than the cluster allows'
        else:
            default = Unavailable if self.is_temporary else BackendError
            self.kind, self.reason = self._KINDS.get(status, (default, str(self)))


class InvalidResponse(Failure):
    """A response that Swift does not give. What was requested may have been done all the same."""

    may_have_applied = True


class Unreached(Failure):
    """The store gave no response, or not all of it; the cause is chained."""

    kind = Unavailable

    def __init__(self, reason: str, *, is_temporary: bool = True, may_have_applied: bool = True) -> None:
        super().__init__(reason)
        self.is_temporary = is_temporary
        self.may_have_applied = may_have_applied


class LoginFailed(Failure):
    """There is no token.

    :param status: With which the authentication service responded, if it did.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(f'authentication failed: {reason}')
        self.is_temporary = status in BUSY
        if status in (401, 403):
            self.kind, self.setting, self.advice = PermissionDenied, 'user', 'check {}, and KEY and AUTHURL likewise'
        else:
            self.kind = Unavailable if self.is_temporary else BackendError
            self.setting, self.advice = 'authurl', 'check {}, and AUTH_VERSION likewise'


class PoolExhausted(Failure):
    """All connections were in use until the request for one timed out."""

    kind = PoolExhaustedError
    advice, setting = 'close streams when they were read, or raise {}', 'pool_size'


class NoContainer(Failure):
    """A container is missing, and is not to be created."""

    advice, setting = 'create it, or set {} to True', 'create_container'

    def __init__(self, container: str) -> None:
        super().__init__(f'there is no container {container!r}')


class DotSegment(Failure, ValueError):
    """A name that no request reaches, as a part of it is ``.`` or ``..``; other programs can store such."""

    kind = InvalidFilename

    def __init__(self, path: str) -> None:
        super().__init__(f'{path!r} has a dot segment')


class Superseded(Failure):
    """What is copied is not the version any more that was to be copied."""

    kind = Replaced

    def __init__(self) -> None:
        super().__init__('what it is made of was replaced or removed meanwhile')


class ContainerGone(Failure):
    """A container is missing that was there before."""

    kind = Unavailable

    def __init__(self, container: str) -> None:
        super().__init__(gone_reason(f'container {container!r}'))
