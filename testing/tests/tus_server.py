"""An application that receives uploads by tus, in processes of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

import flask_fs as fs
from flask_fs_testing.servers.base import free_ports

#: The environment variable with the settings of the application, as JSON.
SETTINGS = 'TUS_SERVER_SETTINGS'
BODY_TYPE = 'application/offset+octet-stream'


def make_app(settings: Mapping[str, Any]) -> Flask:
    """The application, with one storage ``files``."""
    app = Flask('tus_server')
    app.config.update({'SECRET_KEY': 'a secret of the tests', **settings})
    storage = fs.Storage('files', fs.ALL)
    fs.init_app(app, storage)
    fs.tus(app, storage, authorize=lambda announced: True)
    return app


def application() -> Flask:
    """What gunicorn serves."""
    return make_app(json.loads(os.environ[SETTINGS]))


class TusServer:
    """A client of the application at *port*, which gunicorn serves."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.url = f'http://127.0.0.1:{port}/tus/files/'

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: Any
    ) -> tuple[int, Mapping[str, str]]:
        """Status and headers of the response to one request."""
        given = {name.replace('_', '-'): str(value) for name, value in headers.items()}
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {'Tus-Resumable': '1.0.0', **given})
            response = connection.getresponse()
            response.read()
            return response.status, response.headers

    def create(self, size: int) -> str:
        """The path of a new upload."""
        status, headers = self.request('POST', '/tus/files/', Upload_Length=size, Upload_Metadata='filename YS5iaW4=')
        assert status == 201
        return headers['Location']

    def offset(self, path: str) -> int:
        """How much of an upload has arrived; asked again while it becomes a file."""
        while True:
            status, headers = self.request('HEAD', path)
            if status != 423:
                assert status == 200, status
                return int(headers['Upload-Offset'])
            time.sleep(0.1)

    def patch(self, path: str, offset: int, body: bytes) -> tuple[int, Mapping[str, str]]:
        """Send *body* behind *offset*."""
        return self.request('PATCH', path, body, Upload_Offset=offset, Content_Type=BODY_TYPE)

    def begin(self, path: str, offset: int, length: int) -> socket.socket:
        """A connection on which a request has begun whose body is to have *length* bytes."""
        connection = socket.create_connection(('127.0.0.1', self.port), timeout=30)
        lines = (
            f'PATCH {path} HTTP/1.1',
            'Host: localhost',
            'Tus-Resumable: 1.0.0',
            f'Upload-Offset: {offset}',
            f'Content-Type: {BODY_TYPE}',
            f'Content-Length: {length}',
        )
        connection.sendall('\r\n'.join((*lines, '', '')).encode())
        return connection

    def kill_workers(self) -> None:
        """End the processes that serve at once; gunicorn starts others."""
        pid = self.process.pid
        for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
            os.kill(int(child), signal.SIGKILL)


@contextlib.contextmanager
def serving(settings: Mapping[str, Any], *how: str) -> Generator[TusServer]:
    """The application under gunicorn, by two processes with several threads each."""
    (port,) = free_ports(1)
    command = [sys.executable, '-m', 'gunicorn', '--bind', f'127.0.0.1:{port}', '--chdir', str(Path(__file__).parent)]
    command += [*(how or ('--workers', '2', '--threads', '4')), '--log-level', 'warning', 'tus_server:application()']
    process = subprocess.Popen(command, env={**os.environ, SETTINGS: json.dumps(dict(settings))})
    server = TusServer(process, port)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert server.request('OPTIONS', '/tus/files/')[0] == 204
                break
            except OSError:
                assert time.monotonic() < deadline, 'gunicorn does not start'
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(30)
