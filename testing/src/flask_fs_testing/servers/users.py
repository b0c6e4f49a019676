"""The user of servers if this process is root, because some servers refuse to run as root."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ['User', 'in_place_of_root', 'locked_out', 'run_as']


class User(NamedTuple):
    """The IDs of a user and its group."""

    uid: int
    gid: int


def in_place_of_root() -> User | None:
    """``nobody``, or None if this process is not root."""
    if sys.platform == 'win32' or os.geteuid() != 0:  # pragma: no cover - Windows has no root
        return None
    import pwd

    entry = pwd.getpwnam('nobody')
    return User(entry.pw_uid, entry.pw_gid)


def locked_out() -> str | None:
    """Why the user that replaces root cannot have a folder among temporary files; None if it can, or this process is not root."""
    if in_place_of_root() is None:
        return None
    folder = Path(tempfile.gettempdir()).resolve()
    closed = [path for path in (folder, *folder.parents) if not path.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return None
    return f"it does not run as root, and the user 'nobody' cannot enter {closed[-1]}: set TMPDIR to a folder that every user can enter."


def run_as(
    user: User | None, command: Sequence[str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run *command* in *folder* to its end; the ``stdout`` of the result contains all its output."""
    # Without the current environment, which can contain variables of a user's own server.
    environment = {name: os.environ[name] for name in ('PATH', 'LD_LIBRARY_PATH') if name in os.environ}
    uid, gid = user or (None, None)
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment, 'HOME': str(folder), 'TMPDIR': str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding='utf-8',
        errors='replace',
        timeout=timeout_s,
        check=False,
        user=uid,
        group=gid,
        extra_groups=None if user is None else [],
    )
