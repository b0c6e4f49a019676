"""The cost of large uploads for an application, with each protocol and store: time, memory, and parallel uploads.

It starts the servers, and the application under gunicorn. The application reads nothing of what clients send directly to a store.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request

import flask_fs as fs
from flask_fs_testing.servers import SeaweedServer, SecantusServer, SwiftServer
from flask_fs_testing.servers.base import free_ports

SETTINGS = 'UPLOADS_BENCHMARK'
BLOCK = os.urandom(1024 * 1024)
TUS = {'Tus-Resumable': '1.0.0'}
WAYS = ('ticket', 'pieces', 'tus')
STORES = ('local', 'memory', 'gridfs', 's3', 'swift')


def application() -> Flask:
    """What gunicorn serves: the routes for uploads, and one that accepts them."""
    app, storage = Flask('benchmark'), fs.Storage('files', fs.ALL)
    app.config.update(json.loads(os.environ[SETTINGS]), SECRET_KEY='a key of the benchmark')  # guards nothing
    fs.init_app(app, storage)
    fs.uploads(app, storage, authorize=lambda announced: True, expires_s=3600)
    fs.tus(app, storage, authorize=lambda announced: True)

    @app.post('/accept')
    def accept() -> dict[str, Any]:
        return {'size': storage.stat(storage.accept_upload(request.json['token'])).size}

    return app


@contextlib.contextmanager
def settings_of(store: str) -> Generator[dict[str, Any]]:
    """The settings of the application, while the server of *store* runs."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Any] = {'backend': store}
        if store == 'local':
            found['root'] = stack.enter_context(tempfile.TemporaryDirectory())
        elif store == 'gridfs':
            found['mongo_url'] = stack.enter_context(SecantusServer()).service.url
        elif store == 's3':
            s3 = stack.enter_context(SeaweedServer()).service
            found |= {'endpoint': s3.endpoint, 'access_key': s3.access_key, 'secret_key': s3.secret_key}
            found |= {'region': s3.region, 'bucket_name': 'uploads', 'read_timeout_s': 600}
        elif store == 'swift':
            swift = stack.enter_context(SwiftServer()).service
            found |= {'authurl': swift.auth_url, 'user': swift.user, 'key': swift.key, 'container': 'uploads'}
            found |= {'temp_url_key': 'a key of the benchmark', 'timeout_s': 600}
        yield {f'FILES_FS_{name.upper()}': value for name, value in found.items()}


class Application:
    """The application at *port*, whose only process is *worker*."""

    def __init__(self, port: int, worker: int) -> None:
        self._port, self._worker = port, worker

    def ask(self, method: str, path: str, body: Any = None, **headers: Any) -> http.client.HTTPResponse:
        """The response to one request, read; an error unless it is a success."""
        return send(method, f'http://127.0.0.1:{self._port}{path}', body, headers)[0]

    def post(self, path: str, **body: Any) -> Any:
        """What the application responds to JSON."""
        url = f'http://127.0.0.1:{self._port}{path}'
        return json.loads(send('POST', url, json.dumps(body).encode(), {'Content-Type': 'application/json'})[1])

    def peak_bytes(self, *, anew: bool = False) -> int:
        """The most memory that its process has held."""
        if anew:
            Path(f'/proc/{self._worker}/clear_refs').write_text('5')
        lines = Path(f'/proc/{self._worker}/status').read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM'))


@contextlib.contextmanager
def serving(settings: Mapping[str, Any]) -> Generator[Application]:
    """The application under gunicorn, by one process with eight threads."""
    (port,) = free_ports(1)
    command = [sys.executable, '-m', 'gunicorn', '--bind', f'127.0.0.1:{port}', '--chdir', str(Path(__file__).parent)]
    command += ['--threads', '8', '--timeout', '600', '--log-level', 'warning', 'uploads:application()']
    process = subprocess.Popen(command, env={**os.environ, SETTINGS: json.dumps(dict(settings))})
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                http.client.HTTPConnection('127.0.0.1', port, timeout=5).connect()
                children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
                if children:
                    break
            if time.monotonic() > deadline:
                sys.exit('gunicorn does not start')
            time.sleep(0.1)
        yield Application(port, int(children[0]))
    finally:
        process.terminate()
        process.wait(60)


def content(size: int) -> Iterator[bytes]:
    """So many bytes."""
    while size > 0:
        yield BLOCK[:size]
        size -= len(BLOCK)


def send(method: str, url: str, body: Any, headers: Mapping[str, Any]) -> tuple[http.client.HTTPResponse, bytes]:
    """The response to one request, and its body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=600)
    with contextlib.closing(connection):
        path = f'{parts.path}?{parts.query}' if parts.query else parts.path
        connection.request(method, path, body, {name: str(value) for name, value in headers.items()})
        response = connection.getresponse()
        text = response.read()
    if response.status >= 300:
        sys.exit(f'{method} {url}: {response.status} {text[:500]!r}')
    return response, text


def send_signed(signed: Mapping[str, Any], size: int) -> None:
    """Send so many bytes by a request that was signed, as a browser would."""
    if signed['method'] == 'PUT':
        send('PUT', signed['url'], content(size), {**signed['headers'], 'Content-Length': size})
        return
    fields = ''.join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in signed['fields'].items()
    )
    before = f'{fields}--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'.encode()
    after = b'\r\n--edge--\r\n'
    headers = {
        'Content-Type': 'multipart/form-data; boundary=edge',
        'Content-Length': len(before) + size + len(after),
    }
    send('POST', signed['url'], (each for part in ([before], content(size), [after]) for each in part), headers)


def upload(app: Application, way: str, name: str, size: int) -> tuple[float, float]:
    """Send so many bytes by *way*, and have the application accept them; the seconds of both."""
    begun = time.perf_counter()
    if way == 'tus':
        metadata = {
            **TUS,
            'Upload-Metadata': f'filename {base64.b64encode(name.encode()).decode()}',
            'Upload-Length': size,
        }
        location = urlsplit(app.ask('POST', '/tus/files/', **metadata).headers['Location']).path
        patch = {**TUS, 'Upload-Offset': 0, 'Content-Type': 'application/offset+octet-stream', 'Content-Length': size}
        # It is a file when that returns.
        app.ask('PATCH', location, content(size), **patch)
        return time.perf_counter() - begun, 0.0
    ticket = app.post('/uploads/files', filename=name, size=size)
    if way == 'ticket':
        send_signed(ticket, size)
    else:
        for start in range(0, size, ticket['piece_bytes']):
            piece = app.post('/uploads/files', token=ticket['token'], start=start)
            send_signed(piece, min(ticket['piece_bytes'], size - start))
    sent = time.perf_counter()
    if app.post('/accept', token=ticket['token'])['size'] != size:
        sys.exit(f'{way}: another number of bytes was stored')
    return sent - begun, time.perf_counter() - sent


def cost_of(app: Application, way: str, sizes: Sequence[int]) -> tuple[list[tuple[float, float]], int]:
    """The seconds of files of *sizes* that are sent at once by *way*, and by how much the application grows at its peak."""
    before = app.peak_bytes(anew=True)
    with ThreadPoolExecutor(len(sizes)) as pool:
        took = list(pool.map(lambda size: upload(app, way, f'{secrets.token_hex(8)}.bin', size), sizes))
    return took, app.peak_bytes() - before


def main() -> None:
    """Print a table: one line for each store and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--mebibytes', type=int, default=1024, help='the size of the file (%(default)s)')
    parser.add_argument('--at-once', type=int, default=200, help='how many files are sent in parallel (%(default)s)')
    parser.add_argument('--stores', nargs='+', choices=STORES, default=[each for each in STORES if each != 'memory'])
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=WAYS)
    options = parser.parse_args()
    size = options.mebibytes * 2**20
    print(
        f'| store | protocol | {options.mebibytes} MiB sent | accepted | memory | {options.at_once} × 64 KiB in parallel | memory |'
    )
    print('|---|---|---:|---:|---:|---:|---:|')
    for store in options.stores:
        for way in options.ways:
            with settings_of(store) as settings, serving(settings) as app:
                # What is loaded at the first use does not grow with the file.
                upload(app, way, 'small.bin', 20 * 2**20)
                [(sent, accepted)], grown = cost_of(app, way, [size])
                begun = time.perf_counter()
                _, more = cost_of(app, way, [64 * 1024] * options.at_once)
                took = time.perf_counter() - begun
            figures = (
                f'{sent:.1f} s | {accepted:.1f} s | {grown / 2**20:.1f} MiB | {took:.1f} s | {more / 2**20:.1f} MiB'
            )
            print(f'| {store} | {way} | {figures} |', flush=True)


if __name__ == '__main__':
    main()
