"""The HTTP store of ``http_store`` in a process of its own, and the harness of its backend."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import http_store
from http_store import HTTPBackend

from flask_fs.backends import BaseBackend
from flask_fs_testing import NetworkHarness

TOKEN = 'a very/secret token'
TIMEOUT_S = 0.3
BUCKETS = itertools.count()


class HTTPHarness(NetworkHarness):
    """A bucket of a store, emptied by :meth:`clear`."""

    backend_class: ClassVar[type[BaseBackend]] = HTTPBackend
    page_size = batch_size = http_store.PAGE
    timeout_s = 10
    short_timeouts: ClassVar[Mapping[str, Any]] = {'timeout_s': TIMEOUT_S}
    max_requests: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(
            ('save', 'save_large', 'create', 'replace', 'read', 'open', 'exists', 'stat', 'list', 'remove'), 1
        ),
        'folder': 1,
        'remove_many': 1,
        'set_attributes': 2,
        'swap': 2,
        'copy': 2,
        'move': 3,
        'accept': 4,
        'delete': 2,
    }
    host = '127.0.0.1'
    secrets = (TOKEN,)

    def __init__(self, port: int) -> None:
        self.port = port
        self.bucket = f'bucket-{next(BUCKETS)}'

    def settings(self) -> Mapping[str, Any]:
        return {'endpoint': f'{self.host}:{self.port}', 'bucket': self.bucket, 'token': TOKEN}

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'bucket': f'{self.bucket}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        return self.make(endpoint=endpoint, **{'timeout_s': 30, **more})

    def put_raw(self, name: str, content: bytes) -> None:
        self.request('PUT', f'/{quote(name, safe="")}', content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        self.request('PUT', f'/{quote(name, safe="")}', content, {'Content-Encoding': encoding})

    def get_raw(self, name: str) -> bytes:
        return self.request('GET', f'/{quote(name, safe="")}')

    def names_raw(self) -> list[str]:
        # What was cut a moment ago has then been dropped, or kept.
        self.request('GET', '?quiet=yes')
        return sorted(info.name for info in HTTPBackend('raw', self.settings())._scan())

    def clear(self) -> None:
        self.request('DELETE', '')
        self.request('DELETE', '-missing')

    def request(
        self, method: str, rest: str, body: bytes | None = None, more: Mapping[str, str] | None = None
    ) -> bytes:
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as connection:
            headers = {'Authorization': f'Bearer {TOKEN}', 'Connection': 'close', **(more or {})}
            connection.request(method, f'/{self.bucket}{rest}', body, headers)
            with connection.getresponse() as response:
                assert response.status < 300
                return response.read()


@contextlib.contextmanager
def store(*flags: str) -> Iterator[int]:
    """The port of a store in a process of its own: what it keeps is not in this one's memory."""
    command = [sys.executable, os.path.abspath(http_store.__file__), TOKEN, *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # Leaving the block closes its standard input, which ends it.
        yield int(process.stdout.readline())
