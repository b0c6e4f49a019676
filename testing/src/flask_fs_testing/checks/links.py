"""Signed links, followed over real HTTP by somebody who has nothing else."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator

from flask import Flask
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs.backends import Capability

from ..guarantees import broken, check
from ..harness import Harness

_PATIENCE_S = 30


class LinkChecks:
    """Links that need no other leave."""

    @check('signed_url', proves=Capability.SIGNED_URL)
    def test_a_signed_link_is_good_for_one_file_one_method_and_a_while(self, harness: Harness) -> None:
        """A signed link gives the file, over HTTP, until it expires; altered, or with another method, it gives nothing."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, serve=False)
        with _listening(app) as address, app.test_request_context(base_url=address):
            storage.write('a/x.txt', b'content')
            storage.write('a/y.txt', b'other')
            link = storage.signed_url('a/x.txt', download_name='Zürich.txt')
            assert (200, b'content') == _fetch(link)
            base, _, query = link.partition('?')
            middle = len(query) // 2
            changed = 'A' if query[middle] != 'A' else 'B'
            for what, url, method in (
                ('for another file', link.replace('x.txt', 'y.txt'), 'GET'),
                ('without its signature', base, 'GET'),
                ('with a letter changed', f'{base}?{query[:middle]}{changed}{query[middle + 1 :]}', 'GET'),
                ('to delete', link, 'DELETE'),
                ('to write', link, 'PUT'),
            ):
                status, content = _fetch(url, method)
                if status < 400 or content in (b'content', b'other'):
                    broken(f'Expected the link {what} to be refused; seen status {status} with {content!r}.')
            assert (200, b'content') == _fetch(link)
            _wait_until_refused(storage.signed_url('a/x.txt', expires_s=1))


@contextlib.contextmanager
def _listening(app: Flask) -> Generator[str]:
    server = make_server('127.0.0.1', 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.port}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fetch(url: str, method: str = 'GET') -> tuple[int, bytes]:
    request = urllib.request.Request(url, method=method, data=b'' if method == 'PUT' else None)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _wait_until_refused(link: str) -> None:
    """Follow *link*, which lives for a second, until it is refused."""
    deadline = time.monotonic() + _PATIENCE_S
    while _fetch(link)[0] < 400:
        if time.monotonic() > deadline:
            broken(f'Expected a link that lives for 1 s to be refused; seen it work for {_PATIENCE_S} s.')
        time.sleep(0.1)
