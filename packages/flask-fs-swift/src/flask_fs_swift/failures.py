"""What a failure on the way to Swift means to an application."""

from __future__ import annotations

from flask_fs.errors import (
    BackendError,
    FileExists,
    FileNotFound,
    FileTooLarge,
    FSError,
    InvalidFilename,
    PermissionDenied,
    Unavailable,
)
from flask_fs.settings import storage_prefix

from .account import BUSY
from .errors import (
    ContainerGone,
    ETagMismatchError,
    Failure,
    InvalidResponse,
    LoginFailed,
    NoContainer,
    PoolExhausted,
    PoolExhaustedError,
    Refused,
    Truncated,
    Unsendable,
)

_KINDS: dict[int, tuple[type[FSError], str | None]] = {
    401: (PermissionDenied, 'the store does not take its own new token'),
    403: (PermissionDenied, 'this user may not do that in this container'),
    404: (FileNotFound, None),
    409: (BackendError, 'some of its segments are missing'),
    412: (FileExists, None),
    413: (FileTooLarge, 'the store takes no object of this size, or no more in this account'),
    422: (ETagMismatchError, 'the store received other bytes than those that were sent; the old file is still there'),
}
# How Swift begins its refusal of a name (swift.common.constraints).
_LONG_NAME = b'Object name length'


def kind_of(error: Exception, storage: str) -> tuple[type[FSError], str | None]:
    """The kind of error that *error* is to an application, and the reason to tell."""

    def setting(key: str) -> str:
        return f'{storage_prefix(storage)}{key} or FS_SWIFT_{key}'

    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, LoginFailed):
        if error.denied:
            return (
                PermissionDenied,
                f'authentication failed: {error}; check {setting("USER")}, and KEY and AUTHURL likewise',
            )
        return (
            Unavailable if error.status in BUSY else BackendError,
            f'authentication failed: {error}; check {setting("AUTHURL")}, and AUTH_VERSION likewise',
        )
    if isinstance(error, PoolExhausted):
        return PoolExhaustedError, f'{error}; close streams when they were read, or raise {setting("POOL_SIZE")}'
    if isinstance(error, ContainerGone):
        return Unavailable, f'the container {error.name!r} is gone, with all of its files; make it again to begin anew'
    if isinstance(error, NoContainer):
        return (
            BackendError,
            f'there is no container {error.name!r}: make it, or set {setting("CREATE_CONTAINER")} to True',
        )
    if isinstance(error, (InvalidResponse, Unsendable)):
        return BackendError, str(error)
    if not isinstance(error, Failure):
        # What libraries say about a body that ends early is long, and no help.
        return Unavailable, str(Truncated())
    return Unavailable, str(error)


def _refused(error: Refused) -> tuple[type[FSError], str | None]:
    if error.status in _KINDS:
        return _KINDS[error.status]
    if error.status in BUSY:
        return Unavailable, f'the store answered {error.status}'
    if error.status == 400 and error.content.startswith(_LONG_NAME):
        return InvalidFilename, 'with its prefix it is longer than the cluster allows'
    return BackendError, f'the store answered {error.status}'
