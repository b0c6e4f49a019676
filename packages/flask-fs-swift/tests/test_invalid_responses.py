"""What is not Swift is not believed, above all before anything is removed; what makes no sense is one clear error."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import flask_fs as fs
from flask_fs.backends import presence
from flask_fs_swift.bulk import refused_names
from flask_fs_swift.errors import InvalidResponse
from flask_fs_swift.metadata import listing
from flask_fs_swift.segments import parse_manifest

pytestmark = pytest.mark.slow

#: More often than any test sends requests.
ALWAYS = 1_000_000
PAGE = '<html>Please log in</html>'
SEGMENT_BYTES = 200_000
LARGE = bytes(range(256)) * 2000
ENTRY = {'name': 'a/x', 'bytes': 1, 'hash': 'e', 'content_type': 'a/b', 'last_modified': '2026-11-29T08:00:00.000000'}

VERBS = {
    'save': lambda backend: backend.save(io.BytesIO(b'precious'), 'new', overwrite=True),
    'save a large file': lambda backend: backend.save(io.BytesIO(LARGE), 'new', overwrite=True),
    'create': lambda backend: backend.write('new', b'precious', overwrite=False),
    'exists': lambda backend: backend.exists('a/x'),
    'stat': lambda backend: backend.stat('a/x'),
    'read': lambda backend: backend.read('a/x'),
    'open': lambda backend: backend.open('a/x', 'rb'),
    'a range': lambda backend: backend.read_range('a/x', 1, 2),
    'list': lambda backend: list(backend.list_files()),
    'copy': lambda backend: backend.copy('a/x', 'copy'),
    'move': lambda backend: backend.move('a/x', 'moved'),
    'remove': lambda backend: backend.remove('a/x'),
    'delete': lambda backend: backend.delete('a'),
    'sweep': lambda backend: backend.sweep(older_than_s=0),
}


@pytest.fixture
def backend(swift_harness, proxy):
    """A backend with a small and a large file, whose requests *proxy* can respond to."""
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=0)
    backend.write('a/x', b'0123456789')
    backend.save(io.BytesIO(LARGE), 'a/large', overwrite=True)
    return backend


@pytest.mark.parametrize('status', [200, 204, 404, 412])
def test_what_is_not_swift_is_not_believed(swift_harness, proxy, backend, status):
    """A login page, a load balancer without servers: whatever they say, nothing was done and nothing is missing."""
    stored = swift_harness.names_raw()
    for verb, act in VERBS.items():
        proxy.answer(status, b'' if status == 204 else PAGE, times=ALWAYS)
        with pytest.raises(fs.BackendError, match='no X-Trans-Id') as caught:
            act(backend)
        assert not isinstance(caught.value, fs.Unavailable), verb
        proxy.recover()
        assert stored == swift_harness.names_raw(), verb
    assert backend._client.account.pool.in_use == 0
    assert backend.read('a/x') == b'0123456789'


def test_an_unbelievable_response_at_any_request_of_a_verb_removes_nothing_that_is_needed(
    swift_harness, proxy, backend
):
    """A portal that appears in mid-operation: the file is where it was, or where it was to go."""
    for verb in ('save', 'save a large file', 'copy', 'move', 'remove', 'delete', 'sweep'):
        for which in range(4):
            backend.remove('moved')
            backend.write('a/x', b'0123456789')
            if not backend.exists('a/large'):
                backend.save(io.BytesIO(LARGE), 'a/large', overwrite=True)
            left = [which]

            def from_then_on(request, left=left):
                left[0] -= 1
                return left[0] < 0

            proxy.answer(200, PAGE, times=ALWAYS, when=from_then_on)
            with contextlib.suppress(fs.FSError):
                VERBS[verb](backend)
            proxy.recover()
            if verb == 'move':
                assert b'0123456789' in [backend.read(name) for name in ('a/x', 'moved') if backend.exists(name)]
            elif verb not in ('remove', 'delete'):
                assert backend.read('a/x') == b'0123456789', verb
            if verb != 'delete':
                assert backend.read('a/large') == LARGE, verb


def test_no_token_is_sent_to_where_a_response_leads(swift_harness, proxy, backend):
    with _elsewhere() as other:
        proxy.answer(302, headers={'Location': f'{other.url}/v1/x'}, times=ALWAYS)
        for verb, act in VERBS.items():
            with pytest.raises(fs.BackendError, match='the store responded with status 302'):
                act(backend)
            assert other.seen == [], verb
        fresh = swift_harness.make(authurl=f'{proxy.endpoint}/auth/v1.0', timeout_s=59.0, retries=0)
        with pytest.raises(fs.BackendError, match='authentication failed: it responded with status 302'):
            fresh.exists('x')
        assert other.seen == []


BAD_OBJECTS = {
    'no ETag': {'ETag': ''},
    'no length': {'Content-Length': ''},
    'no number as length': {'Content-Length': '1e1'},
    'a length of many digits': {'Content-Length': '9' * 40},
}


def test_a_response_about_a_file_says_its_length_and_version(swift_harness, proxy, backend):
    for more in BAD_OBJECTS.values():
        proxy.answer(200, headers=_of_an_object(swift_harness, more), times=ALWAYS)
        # Some lengths are refused by the HTTP library already.
        for verb in ('stat', 'exists', 'read'):
            with pytest.raises(fs.BackendError):
                VERBS[verb](backend)


def test_another_range_than_the_requested_one_is_refused(swift_harness, proxy, backend):
    for given in ('bytes 2-2/10', 'bytes 1-2/10', 'bytes 1-5/3', 'bytes */10', 'items 1-1/10', 'nonsense', ''):
        headers = _of_an_object(swift_harness, {'Content-Range': given})
        proxy.answer(206, b'1', headers=headers)
        with pytest.raises(fs.BackendError, match='a different range'):
            backend.read_range('a/x', 1, 2)
    headers = _of_an_object(swift_harness, {'Content-Range': 'bytes 1-1/9'})
    proxy.answer(206, b'1', headers=headers)
    with pytest.raises(fs.BackendError, match='a different range'):
        backend.read('a/x')
    proxy.answer(206, b'1', headers=headers)
    assert backend.read_range('a/x', 1, 2) == b'1'
    assert backend._client.account.pool.in_use == 0


def test_a_body_without_a_length_is_not_taken_for_an_empty_file(swift_harness, backend):
    """As of a proxy that compresses: the length was that of something else, so it is gone."""
    with _elsewhere(_of_an_object(swift_harness, {'Transfer-Encoding': 'chunked'})) as other:
        backend = swift_harness.make(storage_url=other.url, retries=0)
        with pytest.raises(fs.BackendError, match='no valid content-length'):
            backend.read('a/x')


def test_a_stored_file_whose_etag_is_not_said_is_not_taken_for_stored(swift_harness, proxy, backend):
    proxy.answer(201, headers=swift_harness.trans_id, when=lambda request: request.method == 'PUT')
    with pytest.raises(fs.BackendError, match='has no ETag'):
        backend.write('a/x', b'new')
    # It may have been stored, so its segments are not removed: sweep() looks who names them.
    proxy.answer(201, headers=swift_harness.trans_id, when=lambda request: 'multipart-manifest=put' in request.path)
    with pytest.raises(fs.BackendError, match='has no ETag'):
        backend.save(io.BytesIO(LARGE), 'new', overwrite=True)
    assert len(swift_harness.segments()) == 6
    assert backend.sweep(older_than_s=0) == 3
    assert backend.read('a/large') == LARGE


def test_a_copy_that_the_store_does_not_describe_is_looked_at_before_the_file_goes(swift_harness, proxy, backend):
    """Ceph's gateway responds before a large copy is made."""
    proxy.answer(201, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    with pytest.raises(fs.FileNotFound):
        backend.move('a/x', 'moved')
    backend.write('moved', b'shorter')
    proxy.answer(201, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    with pytest.raises(fs.BackendError, match='differs in length from the file'):
        backend.move('a/x', 'moved')
    assert backend.read('a/x') == b'0123456789'
    backend.write('moved', b'0123456789')
    proxy.answer(201, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    backend.move('a/x', 'moved')
    assert backend.read('moved') == b'0123456789'
    assert not backend.exists('a/x')


BAD_LISTINGS = {
    'a page of HTML': PAGE,
    'no list': '{}',
    'a number': '7',
    'null': 'null',
    'nothing': '',
    'half of it': json.dumps([ENTRY])[:40],
    'not UTF-8': b'[{"name": "\xff"}]',
    'nested deeply': '[' * 100_000,
    'a huge number': json.dumps([ENTRY]).replace('"bytes": 1', f'"bytes": {"9" * 5000}'),
    'entries that are no objects': '[1, "a/x", null]',
    **{f'no {field}': json.dumps([{**ENTRY, field: None}]) for field in ('name', 'bytes', 'hash', 'last_modified')},
    **{
        f'{field} is {value!r}': json.dumps([{**ENTRY, field: value}])
        for field, value in [
            ('name', ''), ('name', 7), ('name', ['a/x']), ('bytes', '1'), ('bytes', -1), ('bytes', 1.5), ('bytes', True),
            ('hash', 7), ('last_modified', 'yesterday'), ('last_modified', 7), ('last_modified', '2026-99-99T00:00:00'),
        ]
    },
    'what was not requested': json.dumps([{**ENTRY, 'name': 'other/x'}]),
    'a name twice': json.dumps([ENTRY, ENTRY]),
    'names that go back': json.dumps([{**ENTRY, 'name': 'a/y'}, ENTRY]),
    'no name': json.dumps([{key: value for key, value in ENTRY.items() if key != 'name'}]),
    'folders': '[{"subdir": "a/"}]',
}  # fmt: skip


@pytest.mark.parametrize('bad', BAD_LISTINGS)
def test_a_listing_that_makes_no_sense_is_refused(bad):
    document = BAD_LISTINGS[bad]
    page = document if isinstance(document, bytes) else document.encode()
    with pytest.raises(InvalidResponse, match='the listing of the container'):
        listing(page, 'a/', '')


def test_a_listing_that_makes_no_sense_is_an_error_and_removes_nothing(swift_harness, proxy, backend):
    stored = swift_harness.names_raw()
    for bad in ('a page of HTML', 'bytes is True', 'what was not requested'):
        proxy.answer(
            200,
            BAD_LISTINGS[bad],
            headers=swift_harness.trans_id,
            times=ALWAYS,
            when=lambda request: 'json' in request.path,
        )
        for act in (
            lambda: list(backend.list_files('a/')),
            lambda: list(backend.scan('a/')),
            lambda: backend.delete('a'),
            lambda: backend.sweep(older_than_s=0),
        ):
            with pytest.raises(fs.BackendError, match='the listing of the container'):
                act()
        proxy.recover()
    assert stored == swift_harness.names_raw()


def test_a_listing_that_repeats_its_pages_ends(swift_harness, proxy, backend):
    page = json.dumps([{**ENTRY, 'name': f'a/{number:02}'} for number in range(25)])
    proxy.answer(200, page, headers=swift_harness.trans_id, times=ALWAYS, when=lambda request: 'json' in request.path)
    with pytest.raises(fs.BackendError, match='entries that were not requested'):
        list(backend.list_files('a/'))
    assert len([request for request in proxy.requests if 'prefix=a%2F&' in request.path]) == 2


def test_what_ceph_leaves_out_of_listings_is_not_missed():
    fields = {key: value for key, value in ENTRY.items() if key != 'content_type'}
    [entry] = listing(json.dumps([{**fields, 'last_modified': '2026-11-29T08:00:00.123Z'}]).encode(), 'a', '')
    assert (entry.mime, entry.modified.isoformat()) == ('application/octet-stream', '2026-11-29T08:00:00.123000+00:00')


@pytest.mark.parametrize(
    'bad', [PAGE, '{}', 'null', '[7]', '[{}]', '[{"path": 7}]', '[{"path": "/c"}]', '[{"path": ""}]', '[' * 100_000]
)
def test_a_manifest_that_makes_no_sense_is_refused(bad):
    with pytest.raises(InvalidResponse, match='the list of its segments'):
        parse_manifest(bad.encode())


def test_a_file_whose_segments_cannot_be_found_out_is_kept(swift_harness, proxy, backend):
    """They are looked up before it goes; afterwards nobody could find them."""
    headers = _of_an_object(swift_harness, {'X-Static-Large-Object': 'True'})
    stored = swift_harness.names_raw()
    for act in (
        lambda: backend.remove('a/large'),
        lambda: backend.delete('a'),
        lambda: backend.write('a/large', b'new'),
        lambda: backend.sweep(older_than_s=0),
    ):
        proxy.answer(200, PAGE, headers=headers, when=lambda request: 'multipart-manifest=get' in request.path)
        with pytest.raises(fs.BackendError, match='list of its segments'):
            act()
        proxy.recover()
    assert stored == swift_harness.names_raw()
    assert backend.read('a/large') == LARGE


def test_reports_of_removal_are_believed_only_in_their_own_form():
    def refused(**changes):
        return refused_names(json.dumps({**good, **changes}).encode(), 'c', names)

    good, names = {'Number Deleted': 2, 'Number Not Found': 1, 'Errors': []}, ['1', '2', 'a/\u00fc']
    assert refused() == []
    one = [['/c/a/%C3%BC', '409 Conflict']]
    assert refused(Errors=one, **{'Number Deleted': 1}) == ['a/\u00fc']
    # It is about fewer, about more, or about others.
    for changes in ({'Number Deleted': 1}, {'Errors': one}, {'Number Deleted': 1, 'Errors': [['/c/x', '409']]}):
        assert refused(**changes) == names
    for changes in ({'Number Deleted': '2'}, {'Number Deleted': 4, 'Number Not Found': -1}, {'Errors': None}):
        assert refused(**changes) is None
    for strange in ([7], [[7, '409']], [['/c/1']], {'a': 1}):
        assert refused(Errors=strange) is None
    for strange in (b'', b'[]', b'null', b'7', PAGE.encode(), b'{' * 100_000):
        assert refused_names(strange, 'c', []) is None
    assert parse_manifest(b'[{"path": "/c/x", "size_bytes": 1}]') == [{'path': '/c/x', 'size_bytes': 1}]


def test_a_container_that_is_gone_is_not_an_empty_one(swift_harness, backend, monkeypatch):
    """Nor is it quietly made anew, with all of its files missing."""
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)
    for name in swift_harness.raw.names(swift_harness.container):
        swift_harness.raw.request('DELETE', f'/{swift_harness.container}/{name}')
    swift_harness.raw.request('DELETE', f'/{swift_harness.container}')
    for act in (
        lambda: list(backend.list_files()), lambda: backend.write('x', b'new'), lambda: backend.delete('a'),
        lambda: backend.exists('a'), lambda: backend.read('a'), lambda: backend.open('a'), lambda: backend.stat('a'),
        lambda: backend.copy('a', 'b'), lambda: backend.move('a', 'b'),
    ):  # fmt: skip
        with pytest.raises(fs.Unavailable, match='is gone, with all of its files'):
            act()
    swift_harness.raw.request('PUT', f'/{swift_harness.container}')
    backend.write('x', b'new')
    assert list(backend.list_files()) == ['x']


def _of_an_object(harness, more):
    headers = {**harness.trans_id, 'ETag': 'e' * 32, 'Content-Type': 'text/plain', **more}
    return {name: value for name, value in headers.items() if value or name == 'Content-Length'}


@contextlib.contextmanager
def _elsewhere(headers=None):
    """A server that responds to everything with a few bytes, and records what was sent to it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def respond(self):
            server.seen.append(dict(self.headers))
            self.send_response(200)
            for name, value in (headers or {'Content-Length': '4'}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b'4\r\nbody\r\n0\r\n\r\n' if headers else b'body')

        do_GET = respond  # noqa: N815  # the base class's name for it

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        server.seen, server.daemon_threads = [], True
        server.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
