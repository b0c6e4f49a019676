"""Edge cases of responses: HEAD, empty files, other roots, invalid types, and files that change meanwhile."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Generator
from typing import IO, Any, cast
from unittest import mock

from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, Opened

from ..guarantees import broken, check, declares
from ..harness import Harness

_URL = '/kit/a/x.txt'
_CONTENT = b'0123456789' * 100
#: Types in which browsers run scripts, or might do so.
_ACTIVE = ('text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/xml', 'text/javascript')


class ResponseChecks:
    """HTTP responses of the application in cases that are easily wrong."""

    @check(
        'serve',
        cause='An overridden serve() builds URLs or finds its file from the path of the request, without the root.',
    )
    def test_files_are_served_under_an_application_root(self, harness: Harness) -> None:
        """If the application is mounted below a root, its URLs contain the root, and responses are the same as without."""
        storage, app = _app(harness)
        client, base = app.test_client(), 'http://localhost/root'
        with app.test_request_context(base_url=base):
            assert storage.url('a/x.txt') == f'/root{_URL}'
            assert storage.url('a/x.txt', external=True) == f'{base}{_URL}'
        for method, headers in (('GET', {}), ('HEAD', {}), ('GET', {'Range': 'bytes=10-19'})):
            plain = client.open(_URL, method=method, headers=headers)
            below = client.open(_URL, method=method, headers=headers, base_url=base)
            seen, expected = (below.status_code, below.data), (plain.status_code, plain.data)
            if seen != expected or dict(below.headers) != dict(plain.headers):
                broken(f'Expected the response to {method} below /root to be {expected}, as without; saw {seen}.')
        # Outside requests, this setting contains the root; for the test client, it stands for the server's.
        app.config['APPLICATION_ROOT'] = '/root'
        with app.app_context():
            assert storage.url('a/x.txt') == f'/root{_URL}'

    @check(
        'serve',
        cause='_stat opens the file to find its size or type, or an overridden serve() creates the response to GET first.',
    )
    def test_a_response_without_content_reads_none(self, harness: Harness) -> None:
        """Responses to HEAD, and to conditions that do not hold, use only metadata: no content is read, and nothing stays open."""
        storage, app = _app(harness)
        client = app.test_client()
        etag = client.get(_URL).headers.get('ETag', '"none"')
        opened = list[_Watched]()

        def watch(of: Opened) -> Opened:
            opened.append(stream := _Watched(of.stream))
            return Opened(of.info, cast('IO[bytes]', stream))

        with app.app_context(), _each_opened(storage.backend, watch):
            for method, headers in (
                ('HEAD', {}),
                ('HEAD', {'Range': 'bytes=10-19'}),
                ('HEAD', {'If-None-Match': etag}),
                ('GET', {'If-None-Match': etag}),
                ('GET', {'If-Match': '"other"'}),
            ):
                response = client.open(_URL, method=method, headers=headers)
                has_content = method == 'GET' and response.status_code == 200
                if response.data and not has_content:
                    broken(f'Expected no content from {method} with {headers}; saw {len(response.data)} bytes.')
                read = sum(stream.count for stream in opened)
                if not has_content and (read or not all(stream.closed for stream in opened)):
                    left = [stream for stream in opened if not stream.closed]
                    broken(
                        f'Expected {method} with {headers} to read nothing; saw {read} bytes read, {len(left)} files open.'
                    )
                opened.clear()

    @check(
        'serve',
        cause='An overridden serve() handles HEAD like GET, including ranges, or ignores its conditions.',
    )
    def test_conditions_hold_for_head_and_ranges_do_not(self, harness: Harness) -> None:
        """HEAD gets 304 and 412 as GET does, and the length of the complete file whatever the Range header is (RFC 9110, 14.2)."""
        _, app = _app(harness)
        client = app.test_client()
        earlier = client.get(_URL).headers
        for header, condition in (('ETag', 'If-None-Match'), ('Last-Modified', 'If-Modified-Since')):
            if header in earlier:
                response = client.head(_URL, headers={condition: earlier[header]})
                assert (response.status_code, response.data) == (304, b'')
        assert client.head(_URL, headers={'If-Match': '"other"'}).status_code == 412
        for headers in ({'If-None-Match': '"other"'}, {'Range': 'bytes=10-19'}, {'Range': 'bytes=5000-'}):
            response = client.head(_URL, headers=headers)
            seen = (response.status_code, response.headers.get('Content-Length'), response.headers.get('Content-Range'))
            if seen != (200, '1000', None):
                broken(f'Expected status 200, length 1000 and no Content-Range from HEAD with {headers}; saw {seen}.')

    @check(
        '_open',
        cause='_open fails for a range of an empty file, which has no last byte: see what it does if the store responds with 416.',
    )
    def test_an_empty_file_is_served_with_any_range(self, harness: Harness) -> None:
        """An empty file is served with length 0; the response to a range of it is 416, or 200 without content."""
        _, app = _app(harness, b'')
        client = app.test_client()
        for method, given in (
            ('GET', None),
            ('HEAD', None),
            ('GET', '0-'),
            ('GET', '0-0'),
            ('GET', '-5'),
            ('GET', '5-'),
        ):
            response = client.open(_URL, method=method, headers={'Range': f'bytes={given}'} if given else {})
            status, length = response.status_code, response.headers.get('Content-Length')
            if status == 416 and given:
                assert response.headers['Content-Range'] == 'bytes */0'
            elif (status, length, response.data) != (200, '0', b''):
                broken(
                    f'Expected 200 with length 0, or 416 for a range, for an empty file; saw {status}, {length} for {given}.'
                )

    @check(
        '_open',
        cause='_open returns the metadata of one request with the bytes of another, or opens the file only when it is read.',
    )
    def test_a_length_is_that_of_what_is_sent(self, harness: Harness) -> None:
        """If a file becomes longer or shorter, or is removed, before or while it is sent, one version is sent, or the response is cut off."""
        storage, app = _app(harness)
        client = app.test_client()
        changes: dict[str, Callable[[], object]] = {
            'longer': lambda: storage.write('a/x.txt', _CONTENT[::-1] * 3, overwrite=True),
            'shorter': lambda: storage.write('a/x.txt', b'short', overwrite=True),
            'gone': lambda: storage.delete('a/x.txt'),
        }
        contents = {'longer': _CONTENT[::-1] * 3, 'shorter': b'short', 'gone': b''}
        for change, headers, moment in (
            (change, headers, moment)
            for change in changes
            for headers in ({}, {'If-None-Match': '"other"'}, {'Range': 'bytes=2-9'})
            for moment in (after_stat, after_open)
        ):
            with app.app_context():
                storage.write('a/x.txt', _CONTENT, overwrite=True)
                # An error while it is sent cuts the connection.
                with contextlib.suppress(fs.FSError), moment(storage.backend, changes[change]):
                    response = client.get(_URL, headers=headers)
                    wholes = (_CONTENT, contents[change])
                    allowed = [whole[2:10] for whole in wholes] if response.status_code == 206 else wholes
                    length = response.headers.get('Content-Length')
                    if response.status_code in (200, 206) and (
                        response.data not in allowed or length != str(len(response.data))
                    ):
                        broken(
                            f'Expected one version of a file that is {change} {moment.__name__}, '
                            f'with its length; saw {len(response.data)} bytes with Content-Length {length}.'
                        )
                    elif response.status_code not in (200, 206, 404, 416):
                        broken(f'Expected the file, or 404 or 416 if it has changed; saw {response.status}.')

    @check(
        'serve',
        cause='An overridden serve() sends another type than that of stat(), such as the default of Flask, which is text/html.',
    )
    def test_content_types_are_hardened(self, harness: Harness) -> None:
        """The type of a response is that of stat, or one that browsers do not run; active content gets a sandbox, and sniffing is disabled."""
        storage, app = _app(harness)
        client = app.test_client()
        with app.app_context():
            backend = storage.backend
            given: dict[str, str | None] = {
                'x': None,
                'x.txt': None,
                'x.png': None,
                'x.html': None,
                'x.svg': None,
                'x.unknown': None,
            }
            if declares(backend, Capability.MIME):
                given |= {'y.png': 'text/html', 'y.html': 'image/png', 'y.txt': 'text/html, image/png', 'z': 'nonsense'}
            for name, mime in given.items():
                backend.write(name, b'<script>alert(1)</script>', mime=mime)
                response = client.get(f'/kit/{name}')
                head = client.head(f'/kit/{name}')
                stated, served = backend.stat(name).mime, response.mimetype
                if served not in (stated.partition(';')[0], 'application/octet-stream') or head.mimetype != served:
                    broken(f'Expected {name!r} to be served as {stated}; saw {served}, and {head.mimetype} from HEAD.')
                for each in (response, head):
                    assert each.headers['X-Content-Type-Options'] == 'nosniff'
                    if served in _ACTIVE:
                        assert 'sandbox' in each.headers['Content-Security-Policy']


class _Watched(io.RawIOBase):
    """The bytes of another stream, counted."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self.count += len(piece)
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextlib.contextmanager
def _each_opened(backend: BaseBackend, act: Callable[[Opened], Opened]) -> Generator[None]:
    """Pass everything that *backend* opens through *act*."""
    real = backend._open

    def opened(*args: Any, **options: Any) -> Opened:
        return act(real(*args, **options))

    with mock.patch.object(backend, '_open', opened):
        yield


@contextlib.contextmanager
def after_open(backend: BaseBackend, act: Callable[[], object]) -> Generator[None]:
    """Call *act* once, after *backend* opened a file and before it is read."""
    pending = [act]

    def then_act(opened: Opened) -> Opened:
        if pending:
            pending.pop()()
        return opened

    with _each_opened(backend, then_act):
        yield


@contextlib.contextmanager
def after_stat(backend: BaseBackend, act: Callable[[], object]) -> Generator[None]:
    """Call *act* once, after *backend* returned the metadata of a file and before it uses the file."""
    stat, pending = backend._stat, [act]

    def stat_then_act(name: str) -> fs.FileInfo:
        info = stat(name)
        if pending:
            pending.pop()()
        return info

    with mock.patch.object(backend, '_stat', stat_then_act):
        yield


def _app(harness: Harness, content: bytes = _CONTENT) -> tuple[fs.Storage, Flask]:
    """An application that serves the file ``a/x.txt``, and its storage."""
    storage = fs.Storage('kit', fs.ALL)
    app = harness.make_app(storage)
    with app.app_context():
        storage.write('a/x.txt', content)
    return storage, app
