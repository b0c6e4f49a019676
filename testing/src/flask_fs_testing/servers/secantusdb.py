"""SecantusDB: a server that is compatible with MongoDB, but is not MongoDB, from the distribution ``secantusdb``."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping

from .base import Server, free_ports
from .services import MongoService


class SecantusServer(Server[MongoService]):
    """One SecantusDB, without a replica set and without a password."""

    name = 'SecantusDB'
    modules = ('secantus',)
    install = "pip install 'flask-fs-testing[gridfs]', on Python 3.13 or older"
    _port = 0

    def prepare(self) -> Mapping[str, list[str]]:
        """A separate configuration, so that it does not read the user's."""
        [self._port] = free_ports(1)
        config = self.folder / 'secantusd.toml'
        config.touch()
        return {
            'secantusdb': [
                sys.executable,
                '-c',
                'import sys; from secantus.cli import main; sys.exit(main())',
                f'--config={config}',
                '--host=127.0.0.1',
                f'--port={self._port}',
                f'--storage-path={self.folder / "data"}',
                '--standalone',
            ]
        }

    def is_ready(self) -> bool:
        """Whether it responds to a greeting in MongoDB's protocol."""
        return says_hello(self._port)

    @property
    def service(self) -> MongoService:
        """Its URL."""
        return MongoService(f'mongodb://127.0.0.1:{self._port}')


def says_hello(port: int) -> bool:
    """Whether a server on *port* responds to the command ``hello`` as MongoDB would."""
    fields = b'\x10hello\0' + struct.pack('<i', 1) + b'\x02$db\0' + struct.pack('<i', 6) + b'admin\0'
    document = struct.pack('<i', len(fields) + 5) + fields + b'\0'
    op_msg = 2013
    # MongoDB wire protocol, OP_MSG: a header of four numbers, no flags, one section of kind 0.
    message = struct.pack('<iiiiiB', 16 + 5 + len(document), 1, 0, op_msg, 0, 0) + document
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5) as connection:
            connection.sendall(message)
            header = connection.recv(16, socket.MSG_WAITALL)
            length, _, response_to, kind = struct.unpack('<iiii', header)
            body = connection.recv(length - 16, socket.MSG_WAITALL)
    except (OSError, struct.error):
        return False
    return response_to == 1 and kind == op_msg and b'isWritablePrimary' in body
