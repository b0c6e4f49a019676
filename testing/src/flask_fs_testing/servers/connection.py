"""The user's side of a supervisor: to start one, to connect to it, and to disconnect."""

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
    """Where a supervisor takes connections, and the secret that shows that it is the right one."""

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
    """Start a supervisor that runs *commands* in *folder*, and deletes the folder in the end; without a user that is soon.

    :param stray_files: Files outside of the folder that the commands leave behind.
    :param user: Whom to run the commands as.
    :param stop_signal: What to end them by, instead of killing them.
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
    # -I: the supervisor sees the standard library, and neither this folder nor anything that PYTHONPATH names.
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
    """Being a user of a supervisor's server.

    :raises OSError: If there is no such supervisor any more.
    :raises ValueError: If another program responds in its place.
    """

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(('127.0.0.1', address.port), _TIMEOUT_S)
        self._unread = b''
        self._ended: list[str] = []
        self.pids: dict[str, int] = {}
        try:
            hello = self._next_message()
            if hello.get('token') != address.token:
                raise ValueError('Another program responds where the supervisor was.')
        except BaseException:
            self._socket.close()
            raise
        self.pids = hello['pids']

    def ended(self) -> list[str]:
        """One sentence for each process that has ended, without waiting for any to do so."""
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
                raise ConnectionError('The supervisor has gone.')
            self._unread += more
        line, _, self._unread = self._unread.partition(b'\n')
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError('Another program responds where the supervisor was.')
        return message
