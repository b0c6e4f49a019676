"""A real PostgreSQL, from Debian's ``postgresql`` or from any installation on PATH."""

from __future__ import annotations

import signal
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from .base import free_ports
from .services import SQLService
from .sql import SQLServer

_USER = 'kit'
_DATABASE = 'postgres'
#: No durability, which temporary data does not need.
_UNSAFE = {'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off'}


class PostgresServer(SQLServer):
    """A separate PostgreSQL cluster."""

    name = 'PostgreSQL'
    install = "apt-get install postgresql, and pip install 'flask-fs-testing[sql]'"
    programs: ClassVar[tuple[str, ...]] = ('initdb', 'postgres')
    #: An immediate shutdown. If it were killed, shared memory and processes would stay.
    stop_signal: ClassVar[int | None] = getattr(signal, 'SIGQUIT', None)

    @classmethod
    def _folders(cls) -> list[str]:
        # Debian does not put them on PATH. Newest version first.
        versions = [path for path in Path('/usr/lib/postgresql').glob('*/bin') if path.parent.name.isdigit()]
        return [str(path) for path in sorted(versions, key=lambda path: int(path.parent.name), reverse=True)]

    def prepare(self) -> Mapping[str, list[str]]:
        """Create a cluster, which takes a second; it listens only on one port of loopback, and on no Unix socket."""
        [self._port] = free_ports(1)
        password = self.folder / 'password'
        password.write_text(f'{self._password}\n', encoding='utf-8')
        password.chmod(0o644)  # Only its user can enter the folder.
        data = self.folder / 'data'
        self._make_data(
            'initdb',
            f'--pgdata={data}',
            f'--username={_USER}',
            f'--pwfile={password}',
            '--auth=scram-sha-256',
            '--encoding=UTF8',
            '--locale=C',
            '--no-sync',
        )
        settings = {
            'listen_addresses': '127.0.0.1',
            'port': str(self._port),
            'unix_socket_directories': '',
            # In its data folder, not in the system's.
            'dynamic_shared_memory_type': 'mmap',
            'max_connections': '200',
            'max_prepared_transactions': '20',
            **_UNSAFE,
        }
        options = [word for name, value in settings.items() for word in ('-c', f'{name}={value}')]
        return {'postgres': [str(self._program('postgres')), '-D', str(data), *options]}

    def is_ready(self) -> bool:
        """Whether it requests a password, instead of reporting that it is starting."""
        return asks_for_password(self._port)

    @property
    def service(self) -> SQLService:
        """Its first database; the user can create others."""
        return SQLService(f'postgresql+psycopg://{_USER}:{self._password}@127.0.0.1:{self._port}/{_DATABASE}')


def asks_for_password(port: int) -> bool:
    """Whether *port* responds to a startup message like a PostgreSQL that is ready."""
    # Protocol version 3.0; pairs of names and values, each terminated by a zero byte.
    body = struct.pack('>i', 3 << 16) + f'user\0{_USER}\0database\0{_DATABASE}\0\0'.encode()
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5) as connection:
            connection.sendall(struct.pack('>i', len(body) + 4) + body)
            return connection.recv(1) == b'R'
    except OSError:
        return False
