"""What goes wrong on the way to Swift: one error for applications, the others for this driver alone."""

from __future__ import annotations

from collections.abc import Mapping

from flask_fs.errors import ChecksumMismatch, Unavailable


class ETagMismatchError(ChecksumMismatch):
    """Swift did not receive what was sent: the MD5 that it tells as the ETag is another one."""


class PoolExhaustedError(Unavailable):
    """All connections of the storage were in use, and none was given back within ``POOL_TIMEOUT_S``."""


class Failure(Exception):
    """What the driver's own parts raise: made into an error of Flask-FS before it leaves the driver."""

    #: Whether what was asked may have been carried out all the same: an earlier attempt's answer was lost.
    unsure = False


class Refused(Failure):
    """The store answered that it does not do what it was asked.

    :param status: The HTTP status.
    :param headers: Of the answer, by lower-case name.
    :param content: Of the answer, as much as matters.
    """

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes = b'') -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.content = content

    def __str__(self) -> str:
        return f'the store answered {self.status}'


class InvalidResponse(Failure):
    """A response that Swift does not give. What was asked for may have been done all the same."""


class Unreached(Failure):
    """The store gave no answer; the cause is chained."""


class Unsendable(Failure):
    """A header cannot be sent. What the HTTP library says about it quotes its value, which may be a secret."""

    def __str__(self) -> str:
        return 'the media type, or the TempURL key, cannot be sent in a header'


class LoginFailed(Failure):
    """There is no token to be had.

    :param status: With which the authentication service answered, if it did.
    :param denied: Whether it knows the user or the key better.
    """

    def __init__(self, reason: str, *, status: int | None = None, denied: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.denied = denied


class PoolExhausted(Failure):
    """All connections were in use for as long as there was patience."""


class SourceFailed(Exception):
    """Reading the caller's own file failed while it was sent: their error, whatever it is.

    :param error: What was raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class SpoolFailed(Exception):
    """The temporary file that an upload passes through cannot be written."""


class Truncated(Failure):
    """A body ended before its end."""

    def __str__(self) -> str:
        return 'the connection was cut while the file was read'


class NoContainer(Failure):
    """A container is missing, and is not to be made.

    :param name: Its name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ContainerGone(NoContainer):
    """A container is missing that was there before."""
