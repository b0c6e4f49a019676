"""The cost of serving files: 1 KiB compared to Flask, 100 MiB compared to nginx."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask, send_from_directory
from measuring import Measure, cost_of, cpu_of_process_s, in_turn, machine, passing_folder, report
from werkzeug.wrappers import Response

import flask_fs as fs

SMALL, LARGE = 'small.png', 'large.bin'
FLASK, NGINX, MINIMAL = 'send_from_directory()', 'nginx with sendfile', 'os.sendfile() in a minimal server'


def make_app(root: str) -> Flask:
    """An application that serves the folder *root*/files in Flask's way and in ours; gunicorn calls this too."""
    app = Flask('serving')
    app.config.update(FS_ROOT=root, FS_SERVE=True, SERVER_NAME=None)
    fs.init_app(app, fs.Storage('files', fs.ALL))

    @app.get('/plain/<path:filename>')
    def plain(filename: str) -> Response:
        return send_from_directory(f'{root}/files', filename)

    return app


# --- Bare calls of the WSGI application.


def wsgi_call(app: Flask, path: str, **headers: str) -> Any:
    """A function that has the application answer one request and sends the answer nowhere."""
    environ = {
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'PATH_INFO': path,
        'QUERY_STRING': '',
        'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'REMOTE_ADDR': '127.0.0.1',
        'HTTP_HOST': 'localhost',
        'HTTP_ACCEPT': '*/*',
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO(),
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': False,
        'wsgi.multiprocess': True,
        'wsgi.run_once': False,
        **headers,
    }

    def call() -> tuple[str, int]:
        answered: list[str] = []

        def start_response(status: str, _: list[tuple[str, str]], __: object = None) -> Any:
            answered.append(status)

        body: Any = app.wsgi_app(environ.copy(), start_response)
        try:
            sent = sum(map(len, body))
        finally:
            if hasattr(body, 'close'):
                body.close()
        return answered[0], sent

    return call


def compare_calls(root: Path, rounds: int) -> None:
    """Report what the application costs without any server."""
    app = make_app(str(root))
    size = (root / 'files' / SMALL).stat().st_size
    plain, ours = wsgi_call(app, f'/plain/{SMALL}'), wsgi_call(app, f'/files/{SMALL}')
    assert plain() == ours() == ('200 OK', size)
    calls = {FLASK: cost_of(plain, times=1000), 'Flask-FS': cost_of(ours, times=1000)}
    report('1 KiB, one call of the application', in_turn(calls, rounds=rounds), reference=FLASK, limit=1)

    since = {'HTTP_IF_MODIFIED_SINCE': 'Fri, 01 Jan 2038 00:00:00 GMT'}
    plain, ours = wsgi_call(app, f'/plain/{SMALL}', **since), wsgi_call(app, f'/files/{SMALL}', **since)
    assert plain() == ours() == ('304 NOT MODIFIED', 0)
    calls = {FLASK: cost_of(plain, times=1000), 'Flask-FS': cost_of(ours, times=1000)}
    report('1 KiB, not modified', in_turn(calls, rounds=rounds), reference=FLASK, limit=1)

    part = {'HTTP_RANGE': 'bytes=100-199'}
    plain, ours = wsgi_call(app, f'/plain/{SMALL}', **part), wsgi_call(app, f'/files/{SMALL}', **part)
    assert plain() == ours() == ('206 PARTIAL CONTENT', 100)
    calls = {FLASK: cost_of(plain, times=1000), 'Flask-FS': cost_of(ours, times=1000)}
    report('100 bytes of 1 KiB', in_turn(calls, rounds=rounds), reference=FLASK, limit=1)

    # Without a server's own file wrapper, as behind servers that have none.
    size = (root / 'files' / LARGE).stat().st_size
    for title, headers, expected in (
        ('100 MiB, one call of the application', {}, ('200 OK', size)),
        ('100 MiB less one byte, as a range', {'HTTP_RANGE': 'bytes=1-'}, ('206 PARTIAL CONTENT', size - 1)),
    ):
        plain, ours = wsgi_call(app, f'/plain/{LARGE}', **headers), wsgi_call(app, f'/files/{LARGE}', **headers)
        assert plain() == ours() == expected
        calls = {FLASK: cost_of(plain), 'Flask-FS': cost_of(ours)}
        report(title, in_turn(calls, rounds=rounds), reference=FLASK, limit=1)


# --- Servers.


class Server:
    """A running server and the process that responds."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, *, has_worker: bool) -> None:
        self.port = port
        _wait_for(port, process)
        self.worker = _only_child(process.pid) if has_worker else process.pid
        # Servers and client take turns on one core. On two they disturb each other over TCP, by a factor that varies.
        core = min(os.sched_getaffinity(0))
        os.sched_setaffinity(self.worker, {core})
        os.sched_setaffinity(0, {core})

    def get(self, path: str, expected: int) -> None:
        """Fetch *path*, whose body has *expected* bytes, and keep nothing of it."""
        with socket.create_connection(('127.0.0.1', self.port)) as connection:
            connection.sendall(f'GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'.encode())
            buffer = bytearray(1 << 20)
            count = connection.recv_into(buffer)
            head = bytes(buffer[:count]).split(b'\r\n\r\n')[0]
            received = count - len(head) - 4
            while count := connection.recv_into(buffer):
                received += count
        assert head.startswith(b'HTTP/1.1 200 OK'), head
        assert expected == received

    def cost_of(self, path: str, expected: int, *, times: int) -> Measure:
        """A measurement of the CPU seconds that the worker takes to answer for *path*."""

        def measure() -> float:
            start = cpu_of_process_s(self.worker)
            for _ in range(times):
                self.get(path, expected)
            return (cpu_of_process_s(self.worker) - start) / times

        return measure


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f'{process.args!r} ended with {process.returncode}.')
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(('127.0.0.1', port)):
            return
        time.sleep(0.02)
    sys.exit(f'{process.args!r} does not answer.')


def _only_child(pid: int) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        if len(children) == 1:
            return int(children[0])
        time.sleep(0.02)
    sys.exit(f'Process {pid} should have one worker.')


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, *, has_worker: bool = True) -> Generator[Server]:
    """The server that *command* starts on *port*, until the end of the block."""
    process = subprocess.Popen(command, cwd=Path(__file__).parent)
    try:
        yield Server(process, port, has_worker=has_worker)
    finally:
        process.terminate()
        process.wait()


def gunicorn(root: Path) -> contextlib.AbstractContextManager[Server]:
    """The application of this file under gunicorn, with one synchronous worker."""
    port = free_port()
    options = f'--bind 127.0.0.1:{port} --workers 1 --worker-class sync --log-level error'.split()
    return running([sys.executable, '-m', 'gunicorn', *options, f'serving:make_app({str(root)!r})'], port)


NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    sendfile on;
    default_type application/octet-stream;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {root}; }}
    }}
}}
"""


def nginx(program: str, root: Path, folder: Path) -> contextlib.AbstractContextManager[Server]:
    """One nginx on the folder *root*, with one worker."""
    port = free_port()
    kinds = ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    temporary = ' '.join(f'{kind}_temp_path {folder}/{kind};' for kind in kinds)
    config = folder / 'nginx.conf'
    config.write_text(NGINX_CONFIG.format(folder=folder, temporary=temporary, root=root, port=port))
    # A worker of root's would become another user, who cannot read the folder.
    user = ['-g', 'user root;'] if os.geteuid() == 0 else []
    return running([program, '-c', str(config), '-e', 'stderr', *user], port)


# The least that a server in Python can do.
SENDFILE_SERVER = """
import os, socket, sys

port, path = int(sys.argv[1]), sys.argv[2]
with socket.create_server(('127.0.0.1', port)) as server:
    while True:
        connection, _ = server.accept()
        with connection, open(path, 'rb') as file:
            if not connection.recv(8192):
                continue
            connection.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')
            while os.sendfile(connection.fileno(), file.fileno(), None, 1 << 30):
                pass
"""


def sendfile_server(path: Path) -> contextlib.AbstractContextManager[Server]:
    """A server that answers every request with the file at *path*, and does nothing else."""
    port = free_port()
    return running([sys.executable, '-c', SENDFILE_SERVER, str(port), str(path)], port, has_worker=False)


def compare_servers(root: Path, folder: Path, rounds: int) -> None:
    """Report what servers cost with the application in them, and without."""
    small, large = ((root / 'files' / name).stat().st_size for name in (SMALL, LARGE))
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(gunicorn(root))
        contenders = {
            FLASK: ours.cost_of(f'/plain/{SMALL}', small, times=200),
            'Flask-FS': ours.cost_of(f'/files/{SMALL}', small, times=200),
        }
        report('1 KiB under gunicorn', in_turn(contenders, rounds=rounds), reference=FLASK, limit=1)

        contenders = {
            FLASK: ours.cost_of(f'/plain/{LARGE}', large, times=1),
            'Flask-FS': ours.cost_of(f'/files/{LARGE}', large, times=1),
        }
        bare = stack.enter_context(sendfile_server(root / 'files' / LARGE))
        contenders[MINIMAL] = bare.cost_of('/', large, times=1)
        reference = MINIMAL
        program = shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin')
        if program is None:
            print('nginx is not installed; without it:\n')
        else:
            theirs = stack.enter_context(nginx(program, root, folder))
            contenders = {NGINX: theirs.cost_of(f'/files/{LARGE}', large, times=1), **contenders}
            reference = NGINX
        title = f'{large >> 20} MiB, Flask-FS and Flask under gunicorn'
        report(title, in_turn(contenders, rounds=3 * rounds), reference=reference, limit=1.1)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f'{machine()}; {rounds} rounds\n')
    with passing_folder(needed_bytes=200 << 20) as folder:
        root = folder / 'root'
        (root / 'files').mkdir(parents=True)
        (root / 'files' / SMALL).write_bytes(os.urandom(1024))
        (root / 'files' / LARGE).write_bytes(os.urandom(100 << 20))
        os.sync()
        compare_calls(root, rounds)
        compare_servers(root, folder, rounds)


if __name__ == '__main__':
    main()
