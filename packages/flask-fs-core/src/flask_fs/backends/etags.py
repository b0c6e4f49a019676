"""Entity tags of files on disk. They change with every change, however soon it follows the previous one."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

from .contract import FileInfo

# The clock that Linux uses for the times of files. It advances only every few milliseconds. Python has no name for it.
_COARSE_CLOCK = 5 if sys.platform == 'linux' else None
# How long other systems can repeat the same time, in nanoseconds.
_TICK_NS = 20_000_000
# Times in whole seconds can be rounded to even ones (FAT).
_SECOND_NS, _FAT_NS = 1_000_000_000, 2_000_000_000
# The maximum time to wait until a later change would have a different time.
_MAX_WAIT_NS = 50_000_000
_MAX_LOOKUPS = 10


def settled_in_ns(status: os.stat_result) -> int:
    """How long a later change of the file can still get the same time as this one, in nanoseconds; 0 or less if it can't."""
    changed = _changed_ns(status)
    left = changed + _FAT_NS - _now_ns()
    if left <= 0:
        return left
    # Times of file systems with a coarser resolution than nanoseconds end with zeros.
    step = 1
    while step < _SECOND_NS and changed % (step * 10) == 0:
        step *= 10
    return left if step == _SECOND_NS else left - _FAT_NS + step


def etag_of(status: os.stat_result) -> str | None:
    """The tag of a file whose time is settled; None on a file system without times."""
    changed = _changed_ns(status)
    if not changed:
        return None
    # The inode number distinguishes files with the same time. It is hashed, to hide it from clients.
    mixed = hash((changed, status.st_mtime_ns, status.st_ino)) & 0xFFFFFFFFFFFFFFFF
    return f'{changed:x}-{status.st_size:x}-{mixed:x}'


def settled_etag(status: os.stat_result, renewed: Callable[[], os.stat_result]) -> str | None:
    """The tag of a file after its time is settled; None if it doesn't settle, for example because the clock is set back.

    :param renewed: Returns the status to use after waiting.
    """
    for _ in range(_MAX_LOOKUPS):
        if (left := settled_in_ns(status)) <= 0:
            return etag_of(status)
        if not _waited(left):
            break
        status = renewed()
    return None


class UnsettledInfo(FileInfo):
    """The metadata of a file that was just changed. Its tag is computed on first access.

    Until then the field contains a function that computes it, after waiting until a later change would get a later time.
    """

    __slots__ = ()

    @property
    def etag(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]  # the field, filled on first access
        found: Any = _ETAG.__get__(self)
        if callable(found):
            found = found()
            _ETAG.__set__(self, found)
        return cast('str | None', found)

    @etag.setter
    def etag(self, etag: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        _ETAG.__set__(self, etag)

    def __eq__(self, other: object) -> bool:
        return self._plain() == (other._plain() if isinstance(other, UnsettledInfo) else other)

    def __hash__(self) -> int:
        return hash(self._plain())

    def __repr__(self) -> str:
        return repr(self._plain())

    def __reduce__(self) -> Any:
        return FileInfo, self._fields()

    def _plain(self) -> FileInfo:
        return FileInfo(*self._fields())

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(FileInfo))


_ETAG: Any = FileInfo.__dict__['etag']


def etag_finder(status: os.stat_result, lookup: Callable[[], os.stat_result]) -> Callable[[], str | None]:
    """A function that computes the tag of the version of a file with *status*.

    :param lookup: Returns the status of the file that has the name at that time.
    """

    def find() -> str | None:
        if (tag := settled_etag(status, lambda: status)) is None:
            return None
        with contextlib.suppress(OSError):
            if etag_of(lookup()) == tag:
                return tag
        # This version is gone, and another one might have the same tag by now.
        return f'{tag}-{secrets.token_hex(8)}'

    return find


def _changed_ns(status: os.stat_result) -> int:
    # On Windows, st_ctime is the creation time.
    return (0 if os.name == 'nt' else status.st_ctime_ns) or status.st_mtime_ns


def _now_ns() -> int:
    return time.time_ns() - _TICK_NS if _COARSE_CLOCK is None else time.clock_gettime_ns(_COARSE_CLOCK)


def _waited(left_ns: int) -> bool:
    """Wait for *left_ns* nanoseconds. False, without waiting, if that is too long."""
    if left_ns > _MAX_WAIT_NS:
        return False
    time.sleep(max(left_ns, 1_000_000) / 1e9)
    return True
