"""The base class of servers: a folder, free ports, processes under a supervisor, and readiness checks."""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import os
import shutil
import socket
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from ..former_names import keep_former_names
from .connection import Address, Connection, launch
from .errors import ServerDied, ServerError, ServerMissing, ServerNotReady
from .users import User, in_place_of_root

__all__ = ['Server', 'free_ports', 'http_status', 'program']

Service = TypeVar('Service')

#: The environment variables that servers get from this process: no proxies, no credentials, no settings of test tools.
_PASSED_ON = (
    'PATH',
    'PYTHONPATH',
    'PYTHONPYCACHEPREFIX',
    'LD_LIBRARY_PATH',
    'DYLD_LIBRARY_PATH',
    'SYSTEMROOT',
    'LANG',
    'TZ',
)
_PORT_TAKEN = ('in use', 'could not bind', 'port allocation failed', 'only one usage of each socket address')
_LOG_LINES = 20


class Server(abc.ABC, Generic[Service]):
    """A server on loopback, with its data in a temporary folder, until the end of its ``with`` block or this process.

    :param deadline_s: The maximum time until it is ready.
    """

    #: Its name, and how to install it.
    name: ClassVar[str]
    install: ClassVar[str]
    #: The Python modules that it requires.
    modules: ClassVar[tuple[str, ...]] = ()
    #: How many times to try other ports, if it reports that a port is in use meanwhile.
    attempts: ClassVar[int] = 3
    #: Whether it runs as ``nobody`` if this process is root.
    refuses_root: ClassVar[bool] = False
    #: The signal to stop it, if it must not be killed immediately. It is killed if it has not stopped after ten seconds.
    stop_signal: ClassVar[int | None] = None

    def __init_subclass__(cls) -> None:
        keep_former_names(cls, {'litter': 'stray_files'})

    def __init__(self, *, deadline_s: float = 60) -> None:
        self.deadline_s = deadline_s
        self._folder: Path | None = None
        self._address: Address | None = None
        self._connection: Connection | None = None

    # Defined by each server

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot run here, and how to fix it; None if it can."""
        if missing := [module for module in cls.modules if importlib.util.find_spec(module) is None]:
            return f'{cls.name} is not installed (no {" and no ".join(missing)}). Install it with: {cls.install}'
        return None

    @abc.abstractmethod
    def prepare(self) -> Mapping[str, list[str]]:
        """Choose ports, write configuration to the folder, and return the command of each process by a short name."""

    @abc.abstractmethod
    def is_ready(self) -> bool:
        """Whether it is ready now."""

    @property
    @abc.abstractmethod
    def service(self) -> Service:
        """Its URL and credentials, for clients."""

    def environment(self) -> Mapping[str, str]:
        """More environment variables for its processes."""
        return {}

    def stray_files(self) -> list[str]:
        """Files that it leaves outside its folder."""
        return []

    #: Its name in 1.0.
    litter = stray_files

    # Starting and stopping

    def __enter__(self) -> Server[Service]:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it is ready.

        :raises ServerMissing: If it is not installed or cannot run here.
        :raises ServerDied: If it ends instead.
        :raises ServerNotReady: If it does not respond before the deadline.
        """
        if lack := self.missing():
            raise ServerMissing(lack)
        for attempt in range(1, self.attempts + 1):  # pragma: no branch - the last attempt returns or raises
            try:
                self._start_once()
            except ServerDied as died:
                port_taken = any(words in str(died).lower() for words in _PORT_TAKEN)
                if attempt == self.attempts or not port_taken:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop using it. After its last user, its processes are ended and its folder is removed."""
        connection, folder = self._connection, self._folder
        self._connection = self._folder = self._address = None
        if connection is not None:
            connection.leave()
        elif folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """The folder with its data and its logs."""
        if self._folder is None:
            raise ServerError(f'{self.name} is not running: use it in a with block.')
        return self._folder

    @property
    def user(self) -> User | None:
        """The user of its processes, who owns the folder; None for the user of this process."""
        return in_place_of_root() if self.refuses_root else None

    @property
    def address(self) -> Address:
        """The address at which other processes can connect, to use it too."""
        if self._address is None:
            raise ServerError(f'{self.name} is not running: use it in a with block.')
        return self._address

    @property
    def pids(self) -> dict[str, int]:
        """The process numbers, by the short names of the processes."""
        return {} if self._connection is None else dict(self._connection.pids)

    def _start_once(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix='flask-fs-testing-'))
        try:
            if self.user is not None:
                os.chown(self._folder, *self.user)
            commands = self.prepare()
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            folder = str(self._folder)
            environment.update({'HOME': folder, 'TMPDIR': folder, 'TEMP': folder, **self.environment()})
            try:
                self._address = launch(
                    self._folder, commands, environment, self.stray_files(), self.user, self.stop_signal
                )
                self._connection = Connection(self._address)
            except (OSError, ValueError) as error:
                raise ServerDied(f'{self.name} did not start. {error}') from error
            self._wait_until_ready(self._connection)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, connection: Connection) -> None:
        deadline = time.monotonic() + self.deadline_s
        while True:
            ready = self.is_ready()
            # Checked afterward: another program on the port might have responded instead of a dead server.
            if ended := connection.ended():
                raise ServerDied(f'{self.name} did not start: {"; ".join(ended)}.\n{self.log()}')
            if ready:
                return
            if time.monotonic() > deadline:
                raise ServerNotReady(f'{self.name} was not ready after {self.deadline_s:g} s.\n{self.log()}')
            time.sleep(0.05)

    def log(self) -> str:
        """The last lines that each of its processes logged."""
        parts = []
        for file in sorted(self.folder.glob('*.log')):
            lines = file.read_text(encoding='utf-8', errors='replace').splitlines()[-_LOG_LINES:]
            parts += [f'The end of its {file.name}:' if lines else f'Its {file.name} is empty.', *lines]
        return '\n'.join(parts)


def free_ports(count: int) -> list[int]:
    """Different loopback ports on which nothing listens."""
    with contextlib.ExitStack() as stack:
        # All are bound before any is closed.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(('127.0.0.1', 0))
        return [int(each.getsockname()[1]) for each in sockets]


def http_status(port: int, path: str, headers: Mapping[str, str] | None = None) -> int | None:
    """The status of the response to a GET request to a server on loopback, or None if there is no response."""
    # Unlike urllib, this connection does not use proxies.
    connection = HTTPConnection('127.0.0.1', port, timeout=5)
    try:
        connection.request('GET', path, headers=dict(headers or {}))
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def program(name: str, folders: Iterable[str | Path] = ()) -> str | None:
    """The path of a program: from this Python's environment, or else the first on PATH, or else in *folders*."""
    places = (sysconfig.get_path('scripts'), None, os.pathsep.join(map(str, folders)))
    return next((found for place in places if place != '' and (found := shutil.which(name, path=place))), None)
