"""PostgreSQL: the real one, from Debian's ``postgresql`` or from any installation on PATH."""

from __future__ import annotations

import secrets
import signal
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from .base import Server, free_ports, program
from .errors import ServerDied
from .services import SQLService
from .users import locked_out, run_as

_USER = 'kit'
_DATABASE = 'postgres'
#: What nobody needs of data that go with the process.
_UNSAFE = {'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off'}


class PostgresServer(Server[SQLService]):
    """A cluster of its own, with a password. Where the tests are root, it runs as ``nobody``."""

    name = 'PostgreSQL'
    install = "apt-get install postgresql, and pip install 'flask-fs-testing[sql]'"
    refuses_root: ClassVar[bool] = True
    #: An immediate shutdown: killed, it would leave shared memory and processes behind.
    stop_signal: ClassVar[int | None] = getattr(signal, 'SIGQUIT', None)

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        self._password = f'key{secrets.token_hex(16)}'
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether there is a PostgreSQL that can run as this user."""
        if lacking := [name for name in ('initdb', 'postgres') if _program(name) is None]:
            return (
                f'PostgreSQL is not installed (no program {" and no ".join(lacking)}). Install it with: {cls.install}'
            )
        return f'PostgreSQL cannot run: {reason}' if (reason := locked_out()) else None

    def prepare(self) -> Mapping[str, list[str]]:
        """Make a cluster, which takes a second; one port, on loopback only, and no socket of Unix."""
        [self._port] = free_ports(1)
        password = self.folder / 'password'
        password.write_text(f'{self._password}\n', encoding='utf-8')
        password.chmod(0o644)  # Only its user can enter the folder.
        data = self.folder / 'data'
        made = run_as(
            self.user,
            [
                str(_program('initdb')),
                f'--pgdata={data}',
                f'--username={_USER}',
                f'--pwfile={password}',
                '--auth=scram-sha-256',
                '--encoding=UTF8',
                '--locale=C',
                '--no-sync',
            ],
            self.folder,
            self.deadline_s,
        )
        if made.returncode:
            raise ServerDied(f'PostgreSQL did not start: its cluster could not be made.\n{made.stdout}')
        settings = {
            'listen_addresses': '127.0.0.1',
            'port': str(self._port),
            'unix_socket_directories': '',
            # In the folder, and not in that of the system.
            'dynamic_shared_memory_type': 'mmap',
            'max_connections': '200',
            **_UNSAFE,
        }
        options = [word for name, value in settings.items() for word in ('-c', f'{name}={value}')]
        return {'postgres': [str(_program('postgres')), '-D', str(data), *options]}

    def is_ready(self) -> bool:
        """It asks who connects for a password, instead of saying that it is starting."""
        return asks_for_password(self._port)

    @property
    def service(self) -> SQLService:
        """Its first database, where its user may make others."""
        return SQLService(f'postgresql+psycopg://{_USER}:{self._password}@127.0.0.1:{self._port}/{_DATABASE}')


def asks_for_password(port: int) -> bool:
    """Whether what listens on *port* responds to a start of a session as PostgreSQL does when it is ready."""
    # Version 3.0 of the protocol; pairs of names and values that end with zeros.
    body = struct.pack('>i', 3 << 16) + f'user\0{_USER}\0database\0{_DATABASE}\0\0'.encode()
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5) as connection:
            connection.sendall(struct.pack('>i', len(body) + 4) + body)
            return connection.recv(1) == b'R'
    except OSError:
        return False


def _program(name: str) -> str | None:
    """That on PATH, or else that of the newest version that Debian has installed, which is not on PATH."""
    versions = [path for path in Path('/usr/lib/postgresql').glob('*/bin') if path.parent.name.isdigit()]
    versions.sort(key=lambda path: int(path.parent.name), reverse=True)
    return program(name, versions)
