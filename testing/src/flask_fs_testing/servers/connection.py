"""The client side of a supervisor: start one, connect to it, and disconnect."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .users import User

__all__ = ['Address', 'Connection', 'launch']

_SUPERVISOR = Path(__file__).with_name('supervisor.py')
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Address:
    """Where a supervisor accepts connections, and the secret that proves that it is the right one."""

    port: int
    token: str = field(repr=False)


def launch(
    folder: Path,
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    stray_files: Iterable[str] = (),
    user: User | None = None,
    stop_signal: int | None = None,
) -> Address:
    """Start a supervisor that runs *commands* in *folder*, and deletes the folder in the end, soon if it has no user.

    :param stray_files: Files outside the folder that the commands leave behind.
    :param user: The user to run the commands as.
    :param stop_signal: The signal to stop them, instead of killing them.
    :raises OSError: If a command cannot be run.
    """
    token = secrets.token_hex(16)
    request = {
        'token': token,
        'folder': str(folder),
        'commands': {name: list(command) for name, command in commands.items()},
        'environment': dict(environment),
        'stray_files': list(stray_files),
        'user': user,
        'stop_signal': stop_signal,
    }
    # -I: the supervisor imports from the standard library, but not from this folder or PYTHONPATH.
    done = subprocess.run(
        [sys.executable, '-I', str(_SUPERVISOR)],
        input=json.dumps(request) + '\n',
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    response = json.loads(done.stdout or '{}')
    if 'port' not in response:
        raise OSError(f'{", ".join(commands)} could not be started: {response.get("error") or done.stderr}')
    return Address(response['port'], token)


class Connection:
    """A connection to a supervisor, as a user of its server.

    :raises OSError: If the supervisor no longer exists.
    :raises ValueError: If another program responds instead.
    """

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(('127.0.0.1', address.port), _TIMEOUT_S)
        self._unread = b''
        self._ended: list[str] = []
        self.pids: dict[str, int] = {}
        try:
            hello = self._next_message()
            if hello.get('token') != address.token:
                raise ValueError("Another program responds on the supervisor's port.")
        except BaseException:
            self._socket.close()
            raise
        self.pids = hello['pids']

    def ended(self) -> list[str]:
        """A sentence for each process that has ended, without waiting."""
        self._socket.setblocking(False)
        try:
            while True:
                self._ended.append(self._next_message()['ended'])
        except BlockingIOError:
            return self._ended
        except ConnectionError as error:
            return [*self._ended, str(error)]

    def leave(self) -> None:
        """Stop using the server. If it was the last user, wait until its processes and its folder are gone."""
        with self._socket, contextlib.suppress(OSError):
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(4096):
                pass

    def _next_message(self) -> dict[str, Any]:
        while b'\n' not in self._unread:
            if not (more := self._socket.recv(4096)):
                raise ConnectionError('The supervisor has ended.')
            self._unread += more
        line, _, self._unread = self._unread.partition(b'\n')
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("Another program responds on the supervisor's port.")
        return message
