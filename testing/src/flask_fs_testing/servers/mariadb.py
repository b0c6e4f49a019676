"""MariaDB: the real one, from Debian's ``mariadb-server-core`` and ``mariadb-client-core`` or from any installation on PATH."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from typing import ClassVar

from .base import Server, free_ports, program
from .errors import ServerDied
from .services import SQLService
from .users import locked_out, run_as

_USER = 'kit'
_DATABASE = 'kit'
#: What nobody needs of data that go with the process, and little memory.
_UNSAFE = [
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=0',
    '--innodb-buffer-pool-size=32M',
    '--innodb-log-file-size=16M',
    '--skip-log-bin',
]


class MariadbServer(Server[SQLService]):
    """One MariaDB of its own, with a password. Where the tests are root, it runs as ``nobody``."""

    name = 'MariaDB'
    install = "apt-get install mariadb-server-core mariadb-client-core, and pip install 'flask-fs-testing[sql]'"
    refuses_root: ClassVar[bool] = True

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        self._password = f'key{secrets.token_hex(16)}'
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether there is a MariaDB that can run as this user."""
        if lacking := [
            name for name in ('mariadb-install-db', 'my_print_defaults', 'mariadbd') if _program(name) is None
        ]:
            return f'MariaDB is not installed (no program {" and no ".join(lacking)}). Install it with: {cls.install}'
        return f'MariaDB cannot run: {reason}' if (reason := locked_out()) else None

    def prepare(self) -> Mapping[str, list[str]]:
        """Make its tables, which takes a second or two; one port, on loopback only."""
        [self._port] = free_ports(1)
        data = self.folder / 'data'
        made = run_as(
            self.user,
            [
                str(_program('mariadb-install-db')),
                '--no-defaults',
                f'--datadir={data}',
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
                '--skip-name-resolve',
                *_UNSAFE,
            ],
            self.folder,
            self.deadline_s,
        )
        if made.returncode:
            raise ServerDied(f'MariaDB did not start: its tables could not be made.\n{made.stdout}')
        first = self.folder / 'first.sql'
        # One statement a line. Its root has no password, and goes.
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
                str(_program('mariadbd')),
                '--no-defaults',
                f'--datadir={data}',
                f'--tmpdir={self.folder}',
                f'--init-file={first}',
                '--bind-address=127.0.0.1',
                f'--port={self._port}',
                # Relative to its data: the whole path of a socket may have about a hundred characters only.
                '--socket=mariadb.sock',
                '--pid-file=mariadb.pid',
                '--skip-name-resolve',
                '--character-set-server=utf8mb4',
                '--max-connections=200',
                *_UNSAFE,
            ]
        }

    def is_ready(self) -> bool:
        """It greets who connects."""
        return greets(self._port)

    @property
    def service(self) -> SQLService:
        """Its first database; its user may make others."""
        return SQLService(
            f'mysql+pymysql://{_USER}:{self._password}@127.0.0.1:{self._port}/{_DATABASE}?charset=utf8mb4'
        )


def greets(port: int) -> bool:
    """Whether what listens on *port* begins as MariaDB does when it is ready: with a packet of version 10 of the protocol."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5) as connection:
            return connection.recv(5, socket.MSG_WAITALL)[4:] == b'\x0a'
    except OSError:
        return False


def _program(name: str) -> str | None:
    """That on PATH, to which the folders for programs of the system belong here."""
    return program(name, ['/usr/sbin', '/usr/local/sbin'])
