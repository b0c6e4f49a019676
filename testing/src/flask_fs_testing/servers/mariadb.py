"""A real MariaDB, from Debian's ``mariadb-server-core`` and ``mariadb-client-core`` or from any installation on PATH."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import ClassVar

from .base import free_ports
from .services import SQLService
from .sql import SQLServer

_USER = 'kit'
_DATABASE = 'kit'
#: No durability, which temporary data does not need, and little memory.
_UNSAFE = [
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=0',
    '--innodb-buffer-pool-size=32M',
    '--innodb-log-file-size=16M',
    '--skip-log-bin',
]


class MariadbServer(SQLServer):
    """A separate MariaDB server."""

    name = 'MariaDB'
    install = "apt-get install mariadb-server-core mariadb-client-core, and pip install 'flask-fs-testing[sql]'"
    programs: ClassVar[tuple[str, ...]] = ('mariadb-install-db', 'my_print_defaults', 'mariadbd')

    @classmethod
    def _folders(cls) -> list[str]:
        return ['/usr/sbin', '/usr/local/sbin']

    def prepare(self) -> Mapping[str, list[str]]:
        """Create its system tables, which takes a second or two; it listens only on one port of loopback."""
        [self._port] = free_ports(1)
        data = self.folder / 'data'
        self._make_data(
            'mariadb-install-db',
            '--no-defaults',
            f'--datadir={data}',
            '--auth-root-authentication-method=normal',
            '--skip-test-db',
            '--skip-name-resolve',
            *_UNSAFE,
        )
        first = self.folder / 'first.sql'
        # One statement per line. Its root has no password, and is removed.
        first.write_text(
            f"CREATE USER '{_USER}'@'127.0.0.1' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{_USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
            f'CREATE DATABASE {_DATABASE} CHARACTER SET utf8mb4;\n'
            "DELETE FROM mysql.global_priv WHERE User <> 'kit' AND User <> 'mariadb.sys';\n"
            'FLUSH PRIVILEGES;\n',
            encoding='utf-8',
        )
        first.chmod(0o644)  # Only its user can enter the folder.
        return {
            'mariadb': [
                str(self._program('mariadbd')),
                '--no-defaults',
                f'--datadir={data}',
                f'--tmpdir={self.folder}',
                f'--init-file={first}',
                '--bind-address=127.0.0.1',
                f'--port={self._port}',
                # Relative to its data, because the path of a socket is limited to about a hundred characters.
                '--socket=mariadb.sock',
                '--pid-file=mariadb.pid',
                '--skip-name-resolve',
                '--character-set-server=utf8mb4',
                '--max-connections=200',
                *_UNSAFE,
            ]
        }

    def is_ready(self) -> bool:
        """Whether it sends its greeting to a client that connects."""
        return greets(self._port)

    @property
    def service(self) -> SQLService:
        """Its first database; the user can create others."""
        return SQLService(
            f'mysql+pymysql://{_USER}:{self._password}@127.0.0.1:{self._port}/{_DATABASE}?charset=utf8mb4'
        )


def greets(port: int) -> bool:
    """Whether *port* sends the greeting of a MariaDB that is ready: a packet of protocol version 10."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5) as connection:
            return connection.recv(5, socket.MSG_WAITALL)[4:] == b'\x0a'
    except OSError:
        return False
