"""The page about web servers in front, with the nginx that it configures."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

import pytest
from flask import Flask
from pages import DOCS
from werkzeug.serving import make_server

import flask_fs as fs

PAGE = (DOCS / 'how-to' / 'serve-behind-a-web-server.md').read_text(encoding='utf-8')
OURS = {'root': '/srv/photos/files', 'application': '127.0.0.1:8000'}
DEADLINE_S = 10

pytestmark = pytest.mark.slow


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


class Site(NamedTuple):
    """nginx on a port of its own, and the storage behind it."""

    port: int
    app: Flask
    storage: fs.Storage

    def ask(self, path: str, method: str = 'GET', **headers: str) -> Answer:
        connection = HTTPConnection('127.0.0.1', self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, headers={name.replace('_', '-'): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as server:
        port: int = server.getsockname()[1]
        return port


def configuration(root: Path, folder: Path, port: int, application: str) -> str:
    """The page's two pieces for nginx in a whole configuration, with paths and ports of this test."""
    public, private = blocks('nginx')
    in_http, in_server = public.split('# In the server block.\n')
    kinds = ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    temporary = '\n'.join(f'{kind}_temp_path {folder}/{kind};' for kind in kinds)
    text = f"""
        daemon off;
        worker_processes 1;
        pid {folder}/nginx.pid;
        error_log stderr;
        events {{}}
        http {{
            access_log off;
            types {{ text/html html; text/plain txt; image/png png; image/svg+xml svg; }}
            {temporary}
            {in_http}
            server {{
                listen 127.0.0.1:{port};
                {in_server}
                {private}
            }}
        }}
    """
    assert OURS['root'] in text
    assert OURS['application'] in text
    return text.replace(OURS['root'], str(root)).replace(OURS['application'], application)


@pytest.fixture(scope='module')
def nginx(unavailable: Callable[[str], NoReturn]) -> str:
    # Debian keeps it where only root looks.
    program = shutil.which('nginx', path=f'{os.environ.get("PATH", os.defpath)}:/usr/sbin')
    return program or unavailable('nginx is not installed: apt-get install nginx-light')


@pytest.fixture(scope='module')
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page defines for private files behind nginx: the application ``private`` and its storage ``letters``."""
    [block] = [block for block in blocks('python') if 'ACCEL_REDIRECT' in block]
    names: dict[str, Any] = {'Flask': Flask, 'fs': fs, '__name__': 'documented_app'}
    exec(compile(block, 'serve-behind-a-web-server.md', 'exec'), names)
    app, storage = names['private'], names['letters']
    assert app.config['FS_ROOT'] == OURS['root']
    app.config.update(FS_ROOT=str(tmp_path_factory.mktemp('files')), SECRET_KEY='a secret of the tests')
    fs.init_app(app, storage)
    return names


@pytest.fixture(scope='module')
def site(nginx: str, names: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    app, storage = names['private'], names['letters']
    upstream = make_server('127.0.0.1', 0, app, threaded=True)
    # So that closing the server waits for the requests it still answers.
    vars(upstream)['daemon_threads'] = False
    thread = threading.Thread(target=upstream.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    folder, port = tmp_path_factory.mktemp('nginx'), free_port()
    config = folder / 'nginx.conf'
    text = configuration(Path(app.config['FS_ROOT']), folder, port, f'127.0.0.1:{upstream.port}')
    config.write_text(text, encoding='utf-8')
    # A worker of root's would become another user, who cannot read the folder.
    user = ['-g', 'user root;'] if os.geteuid() == 0 else []
    try:
        with subprocess.Popen([nginx, '-c', str(config), '-e', 'stderr', *user]) as process:
            try:
                wait_for(port, process)
                yield Site(port, app, storage)
            finally:
                process.terminate()
    finally:
        upstream.shutdown()
        thread.join()
        upstream.server_close()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + DEADLINE_S
    while True:
        assert process.poll() is None, 'nginx has ended: is something wrong with the configuration?'
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, 'nginx does not listen'
            time.sleep(0.02)
        else:
            return


# --- What the application has agreed to.


def test_nginx_sends_what_the_application_agrees_to(site: Site) -> None:
    site.storage.write('open/a.txt', 'hello')
    answer = site.ask('/letters/open/a.txt')
    assert (answer.status, answer.body) == (200, b'hello')
    assert answer.headers['Content-Type'] == 'text/plain; charset=utf-8'
    assert answer.headers['Cache-Control'] == 'private, no-cache'
    assert answer.headers.get_all('Accept-Ranges') == ['bytes']
    assert 'X-Accel-Redirect' not in answer.headers


def test_what_the_application_refuses_is_not_sent(site: Site) -> None:
    site.storage.write('secret.txt', 'hidden')
    assert site.ask('/letters/secret.txt').status == 403
    assert site.ask('/letters/open/absent.txt').status == 404


def test_nobody_can_ask_for_the_protected_place(site: Site) -> None:
    site.storage.write('secret.txt', 'hidden', overwrite=True)
    assert site.ask('/protected/letters/secret.txt').status == 404


def test_a_signed_link_works_and_keeps_its_download_name(site: Site) -> None:
    site.storage.write('b.txt', 'signed')
    with site.app.test_request_context():
        link = site.storage.signed_url('b.txt', download_name='Zoë.txt')
    answer = site.ask(link.removeprefix('http://localhost'))
    assert (answer.status, answer.body) == (200, b'signed')
    assert answer.headers['Content-Disposition'].startswith('attachment; filename="Zoe.txt"')


@pytest.mark.parametrize(
    'name',
    [
        'two words.txt',
        'Übung ☕.txt',
        '100% sure?#.txt',
        '%41.txt',
        'a+b&c;d.txt',
        '"it\'s".txt',
        '%2e%2e/x.txt',
        '~/.x.txt',
    ],
)
def test_letters_that_mean_something_elsewhere_are_kept(site: Site, name: str) -> None:
    site.storage.write(f'open/{name}', name, overwrite=True)
    answer = site.ask(f'/letters/open/{quote(name)}')
    assert (answer.status, answer.body) == (200, name.encode())


def test_the_headers_against_active_content_survive(site: Site) -> None:
    site.storage.write('open/page.html', '<script>alert(1)</script>')
    site.storage.write('open/picture.png', b'...')
    page, picture = site.ask('/letters/open/page.html'), site.ask('/letters/open/picture.png')
    assert page.headers['Content-Security-Policy'].startswith("sandbox; default-src 'none'")
    assert 'Content-Security-Policy' not in picture.headers
    assert page.headers['X-Content-Type-Options'] == picture.headers['X-Content-Type-Options'] == 'nosniff'


@pytest.fixture(scope='module')
def digits(site: Site) -> str:
    """The address of a file with ten digits."""
    site.storage.write('open/range.txt', '0123456789')
    return '/letters/open/range.txt'


@pytest.mark.parametrize(
    ('asked', 'body', 'told'),
    [('2-4', b'234', '2-4/10'), ('7-', b'789', '7-9/10'), ('-2', b'89', '8-9/10'), ('8-100', b'89', '8-9/10')],
)
def test_nginx_answers_ranges(site: Site, digits: str, asked: str, body: bytes, told: str) -> None:
    part = site.ask(digits, Range=f'bytes={asked}')
    assert (part.status, part.body, part.headers['Content-Range']) == (206, body, f'bytes {told}')
    assert part.headers['X-Content-Type-Options'] == 'nosniff'


def test_a_range_that_is_not_there_is_416(site: Site, digits: str) -> None:
    answer = site.ask(digits, Range='bytes=10-')
    assert (answer.status, answer.headers['Content-Range']) == (416, 'bytes */10')


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({'If_None_Match': '{ETag}'}, 304),
        ({'If_None_Match': '*'}, 304),
        ({'If_None_Match': '"other"'}, 200),
        ({'If_Modified_Since': '{Last-Modified}'}, 304),
        ({'If_Match': '{ETag}'}, 200),
        ({'If_Match': '"other"'}, 412),
        ({'If_Unmodified_Since': '{Last-Modified}'}, 200),
        ({'If_Unmodified_Since': 'Thu, 01 Jan 1970 00:00:00 GMT'}, 412),
        ({'Range': 'bytes=1-2', 'If_Range': '{ETag}'}, 206),
        ({'Range': 'bytes=1-2', 'If_Range': '{Last-Modified}'}, 206),
        ({'Range': 'bytes=1-2', 'If_Range': '"other"'}, 200),
        ({'Range': 'bytes=1-2', 'If_None_Match': '{ETag}'}, 304),
    ],
)
def test_what_nginx_tells_can_be_used_as_a_condition(
    site: Site, digits: str, headers: dict[str, str], status: int
) -> None:
    whole = site.ask(digits).headers
    answer = site.ask(digits, **{name: value.format(**whole) for name, value in headers.items()})
    assert answer.status == status
    if status in (200, 304):
        assert answer.headers.get_all('ETag') == [whole['ETag']]


def test_head_tells_the_same_and_sends_nothing(site: Site, digits: str) -> None:
    head, whole = site.ask(digits, 'HEAD'), site.ask(digits)
    assert (head.status, head.body, head.headers['Content-Length']) == (200, b'', '10')
    assert set(whole.headers.items()) - set(head.headers.items()) <= {('Date', whole.headers['Date'])}


# --- Files with attributes.


def test_what_is_stored_with_a_file_passes_through_nginx(site: Site) -> None:
    site.storage.write(
        'open/kept.bin',
        b'0123456789',
        mime='text/plain',
        cache_control='public, max-age=60',
        content_language='de',
        download_name='Zoë.txt',
    )
    address = '/letters/open/kept.bin'
    whole, part = site.ask(address), site.ask(address, Range='bytes=1-2')
    assert (whole.status, whole.body, part.status, part.body) == (200, b'0123456789', 206, b'12')
    for answer in (whole, part, site.ask(address, 'HEAD')):
        assert answer.headers['Content-Type'] == 'text/plain; charset=utf-8'
        assert answer.headers['Content-Language'] == 'de'
        assert answer.headers['Content-Disposition'].startswith('attachment; filename="Zoe.txt"')
        # The storage has an authorize.
        assert answer.headers.get_all('Cache-Control') == ['max-age=60, private']
    unchanged = site.ask(address, If_None_Match=whole.headers['ETag'])
    assert (unchanged.status, unchanged.headers['Cache-Control']) == (304, 'max-age=60, private')


@pytest.mark.parametrize(('accept', 'encoding'), [('gzip', 'gzip'), ('identity', None)])
def test_a_precompressed_file_arrives_as_the_client_accepts_it(site: Site, accept: str, encoding: str | None) -> None:
    encoded = gzip.compress(b'hello')
    site.storage.write('open/hello.txt', encoded, overwrite=True, content_encoding='gzip')
    answer = site.ask('/letters/open/hello.txt', Accept_Encoding=accept)
    assert (answer.status, answer.headers['Content-Encoding'], answer.headers['Vary']) == (
        200,
        encoding,
        'Accept-Encoding',
    )
    assert answer.body == (encoded if encoding else b'hello')


# --- What nginx serves by itself.


def test_public_files_are_sent_with_the_same_protection(site: Site) -> None:
    site.storage.write('open/public.html', '<script>alert(1)</script>')
    site.storage.write('open/public.png', b'...')
    page, picture = site.ask('/files/letters/open/public.html'), site.ask('/files/letters/open/public.png')
    assert (page.status, picture.status) == (200, 200)
    assert page.headers['Content-Security-Policy'].startswith("sandbox; default-src 'none'")
    assert 'Content-Security-Policy' not in picture.headers
    assert page.headers['X-Content-Type-Options'] == picture.headers['X-Content-Type-Options'] == 'nosniff'


def test_temporary_and_deleted_files_and_links_to_elsewhere_are_not_shown(site: Site, tmp_path: Path) -> None:
    site.storage.write('open/beside.txt', 'text')
    folder = Path(site.storage.path('open/beside.txt')).parent
    (folder / '.fs-tmp-1').write_text('half')
    (tmp_path / 'outside.txt').write_text('outside')
    (folder / 'link.txt').symlink_to(tmp_path / 'outside.txt')
    assert site.ask('/files/letters/open/beside.txt').status == 200
    assert site.ask('/files/letters/open/.fs-tmp-1').status == 404
    kept = folder.parent / '.fs-deleted' / 'open' / 'gone.txt'
    kept.mkdir(parents=True)
    (kept / '.fs-deleted-1.txt').write_text('gone')
    assert site.ask('/files/letters/.fs-deleted/open/gone.txt/.fs-deleted-1.txt').status == 404
    assert site.ask('/files/letters/open/link.txt').status == 403
