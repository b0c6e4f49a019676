"""Servers that respond as no store does: pages that say 200 to everything, redirects, listings with holes."""

from __future__ import annotations

import contextlib
import http.server
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import flask_fs as fs
from flask_fs_s3 import S3Backend

Verb = Callable[[S3Backend], object]
Answer = tuple[int, dict[str, str], bytes]
PART = 5 * 1024 * 1024
XML = {'Content-Type': 'application/xml'}
PAGE = b'<html><body>please log in</body></html>'
#: What a web server sends beside its own files, too.
OBJECT = {'ETag': '"1"', 'Last-Modified': 'Sun, 29 Nov 2026 08:00:00 GMT', 'Content-Type': 'text/plain'}
VERBS: dict[str, Verb] = {
    'read': lambda backend: backend.read('x'),
    'open': lambda backend: backend.open('x', 'rb'),
    'exists': lambda backend: backend.exists('x'),
    'list': lambda backend: list(backend.list_files()),
    'scan': lambda backend: list(backend.scan()),
    'write': lambda backend: backend.write('x', b'precious'),
    'create': lambda backend: backend.write('x', b'precious', overwrite=False),
    'write in parts': lambda backend: backend.save(io.BytesIO(bytes(PART)), 'x', overwrite=True),
    'create in parts': lambda backend: backend.save(io.BytesIO(bytes(PART)), 'x'),
    'copy': lambda backend: backend.copy('x', 'y', overwrite=True),
    'copy to another type': lambda backend: backend.copy('x.txt', 'y.html', overwrite=True),
    'create by copy': lambda backend: backend.copy('x', 'y', overwrite=False),
    'move': lambda backend: backend.move('x', 'y', overwrite=True),
    'remove': lambda backend: backend.remove('x'),
    'delete': lambda backend: backend.delete('x'),
    'sweep': lambda backend: backend.sweep(older_than_s=0),
    'folder': lambda backend: backend.folder('x'),
    'swap': lambda backend: backend.write('x', b'precious', if_match='1'),
    'swap in parts': lambda backend: backend.save(io.BytesIO(bytes(PART)), 'x', if_match='1'),
    'set attributes': lambda backend: backend.set_attributes('x', {'cache_control': 'no-store'}),
}
verb = pytest.mark.parametrize('verb', VERBS.values(), ids=VERBS)


class Hostile:
    """A web server that gives to each request what ``answer`` gives for its method, its path and its query."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str, dict[str, list[str]]], Answer] = lambda *_: (200, {}, PAGE)
        self.requests: list[tuple[str, str]] = []
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            # Otherwise the kernel holds the body back for 40 ms.
            disable_nagle_algorithm = True

            def handle(self) -> None:
                # A client that does not like the response hangs up.
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def respond(self) -> None:
                self.rfile.read(int(self.headers.get('Content-Length') or 0))
                address = urlsplit(self.path)
                hostile.requests.append((self.command, self.path))
                status, headers, body = hostile.answer(
                    self.command, address.path, parse_qs(address.query, keep_blank_values=True)
                )
                self.send_response(status)
                for name, value in {'Content-Length': str(len(body)), **headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != 'HEAD' and status != 204:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        for method in ('GET', 'HEAD', 'PUT', 'POST', 'DELETE'):
            setattr(Handler, f'do_{method}', Handler.respond)
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f'http://127.0.0.1:{self._server.server_port}'
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope='module')
def shared() -> Iterator[tuple[Hostile, S3Backend]]:
    """The server and a backend on it that tries everything once: making a client takes longer than most of the tests."""
    hostile = Hostile()
    settings = {
        'endpoint': hostile.endpoint,
        'region': 'us-east-1',
        'access_key': 'somebody',
        'secret_key': 'a secret of ours',
        'bucket_name': 'box',
        'retries': 0,
        'multipart_threshold_bytes': PART,
        'part_bytes': PART,
    }
    backend = S3Backend('kit', settings)
    yield hostile, backend
    hostile.close()


@pytest.fixture
def hostile(shared: tuple[Hostile, S3Backend]) -> Hostile:
    hostile = shared[0]
    hostile.answer = lambda *_: (200, {}, PAGE)
    hostile.requests.clear()
    return hostile


@pytest.fixture
def lone(shared: tuple[Hostile, S3Backend]) -> S3Backend:
    return shared[1]


def refused(backend: S3Backend, act: Verb, match: str = 'KIT_FS_ENDPOINT') -> None:
    with pytest.raises(fs.BackendError, match=match) as raised:
        act(backend)
    assert type(raised.value) is fs.BackendError


# --- One response to everything.


PAGES: dict[str, Answer] = {
    'html': (200, {'Content-Type': 'text/html'}, PAGE),
    'broken html': (200, {'Content-Type': 'text/html'}, b'<html><p>please log in<br></html>'),
    'text': (200, {'Content-Type': 'text/plain'}, b'It works!'),
    'nothing': (200, {}, b''),
    'xml': (200, XML, b'<Answer><Status>fine</Status></Answer>'),
    'a redirect': (302, {'Location': 'http://127.0.0.1:9/login'}, b''),
    'a moved page': (301, {'Location': 'http://127.0.0.1:9/login', 'Content-Type': 'text/html'}, PAGE),
    'a page elsewhere': (307, {'Location': 'http://127.0.0.1:9/login'}, PAGE),
    'a redirect to nowhere': (308, {}, PAGE),
}


@verb
@pytest.mark.parametrize('page', PAGES.values(), ids=PAGES)
def test_what_responds_to_everything_with_a_page_is_no_store(
    hostile: Hostile, lone: S3Backend, verb: Verb, page: Answer
) -> None:
    hostile.answer = lambda *_: page
    with pytest.raises(fs.BackendError) as raised:
        verb(lone)
    # What cannot be parsed at all may come from a store whose response was cut.
    assert type(raised.value) in (fs.BackendError, fs.Unavailable)


@pytest.mark.parametrize('name', ['read', 'write', 'copy', 'remove', 'list', 'exists'])
def test_a_page_in_the_place_of_a_store_is_reported_with_the_setting_to_look_at(
    hostile: Hostile, lone: S3Backend, name: str
) -> None:
    refused(lone, VERBS[name], 'the endpoint is not an S3 server .*KIT_FS_ENDPOINT')


@pytest.mark.parametrize('name', ['read', 'open', 'write', 'copy', 'remove', 'delete', 'list', 'sweep'])
def test_a_missing_page_is_no_missing_file(hostile: Hostile, lone: S3Backend, name: str) -> None:
    """A deleted file would be reported, or an empty storage."""
    hostile.answer = lambda *_: (404, {'Content-Type': 'text/html'}, b'<html><p>Not Found</html>')
    refused(lone, VERBS[name])


# --- Stores that are none in one thing: nothing is removed for them.


def store_but(**instead: Answer) -> Callable[[str, str, dict[str, list[str]]], Answer]:
    """The responses of a small store, with others for some operations."""
    copied = b'<CopyObjectResult><ETag>"1"</ETag></CopyObjectResult>'
    listed = b'<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'

    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if method == 'DELETE':
            return instead.get('delete', (204, {}, b''))
        if method == 'PUT':
            return instead.get('put', (200, {**XML, 'ETag': '"1"'}, copied))
        if method == 'POST':
            return instead['post']
        if 'list-type' in query or 'uploads' in query:
            return instead.get('list', (200, XML, listed))
        return instead.get('get', (200, OBJECT, b'0123456789'))

    return answer


def test_the_small_store_itself_is_believed(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but()
    for name in ('read', 'exists', 'write', 'create', 'copy', 'move', 'remove', 'delete', 'list', 'sweep'):
        VERBS[name](lone)


def test_an_object_that_a_newer_one_replaced_at_once_was_stored(hostile: Hostile, lone: S3Backend) -> None:
    """Swift's S3 says so by 200 without an ETag."""
    hostile.answer = store_but(put=(200, {'x-amz-request-id': 'tx4442587FB7D0A2F9'}, b''))
    VERBS['write'](lone)


def test_of_two_that_create_a_name_the_one_whose_object_is_older_has_lost(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(put=(200, {'x-amz-request-id': 'tx4442587FB7D0A2F9'}, b''))
    with pytest.raises(fs.FileExists):
        VERBS['create'](lone)


def test_an_object_that_is_not_there_was_not_stored(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(put=(200, {'x-amz-request-id': 'tx4442587FB7D0A2F9'}, b''), get=(404, {}, b''))
    refused(lone, VERBS['write'], '200 without ETag')


@pytest.mark.parametrize('body', [PAGE, b'<CopyObjectResult/>', b'<CopyObjectResult><ETag/></CopyObjectResult>'])
def test_what_was_not_surely_copied_is_not_removed(hostile: Hostile, lone: S3Backend, body: bytes) -> None:
    hostile.answer = store_but(put=(200, {**XML, 'ETag': '"1"'}, body))
    refused(lone, VERBS['move'])
    assert 'DELETE' not in Counter(method for method, _ in hostile.requests)


@pytest.mark.parametrize('name', ['remove', 'delete', 'move'])
def test_a_page_is_no_proof_that_a_file_is_gone(hostile: Hostile, lone: S3Backend, name: str) -> None:
    hostile.answer = store_but(delete=(200, {'Content-Type': 'text/html'}, PAGE))
    refused(lone, VERBS[name])


def test_a_store_may_say_200_of_what_is_gone_if_it_gives_the_request_an_id(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(delete=(200, {'x-amz-request-id': '4442587FB7D0A2F9'}, b''))
    VERBS['remove'](lone)
    assert [method for method, _ in hostile.requests] == ['DELETE']


def test_a_store_may_say_200_of_what_is_seen_to_be_gone(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(delete=(200, {}, b''), get=(404, {}, b''))
    VERBS['remove'](lone)
    assert [method for method, _ in hostile.requests] == ['DELETE', 'HEAD']
    hostile.answer = store_but(delete=(200, {}, b''), get=(403, {}, b''))
    refused(lone, VERBS['remove'], '200 instead of 204')


@pytest.mark.parametrize(('status', 'code', 'gone'), [(404, 'NoSuchKey', True), (404, 'NoSuchPage', False)])
def test_a_store_may_say_404_of_what_is_gone(
    hostile: Hostile, lone: S3Backend, status: int, code: str, gone: bool
) -> None:
    hostile.answer = store_but(delete=(status, XML, f'<Error><Code>{code}</Code></Error>'.encode()))
    if gone:
        VERBS['remove'](lone)
    else:
        with pytest.raises(fs.FileNotFound):
            VERBS['remove'](lone)


FACTS = '<LastModified>2026-11-29T08:00:00.000Z</LastModified><ETag>"1"</ETag><Size>1</Size>'


def listing(*keys: str, end: str = '<IsTruncated>false</IsTruncated>') -> bytes:
    entries = ''.join(f'<Contents><Key>{key}</Key>{FACTS}</Contents>' for key in keys)
    return f'<ListBucketResult>{entries}{end}</ListBucketResult>'.encode()


@pytest.mark.parametrize(
    'body',
    [
        b'<DeleteResult/>',
        PAGE,
        b'<DeleteResult><Deleted><Key>x</Key></Deleted><Deleted><Key>x</Key></Deleted></DeleteResult>',
        b'<DeleteResult><Deleted><Key>x</Key></Deleted><Deleted/></DeleteResult>',
    ],
    ids=['empty', 'page', 'one twice', 'a hole'],
)
def test_files_of_which_the_store_says_nothing_are_not_reported_as_removed(
    hostile: Hostile, lone: S3Backend, body: bytes
) -> None:
    gone = (200, XML, body)
    hostile.answer = store_but(list=(200, XML, listing('x/1', 'x/2')), post=gone, delete=(200, {}, PAGE))
    refused(lone, VERBS['delete'])
    hostile.requests.clear()
    hostile.answer = store_but(list=(200, XML, listing('x/1', 'x/2')), post=gone)
    VERBS['delete'](lone)
    removed = [path for method, path in hostile.requests if method == 'DELETE']
    assert removed == [path for path in ('/box/x', '/box/x/1', '/box/x/2') if body.count(path[5:].encode() + b'<') == 0]


def test_a_listing_may_lack_etags_and_all_that_is_said_of_folders(hostile: Hostile, lone: S3Backend) -> None:
    """As with s3proxy in front of stores of another kind."""
    body = (
        listing('x/1')
        .replace(b'<ETag>"1"</ETag>', b'')
        .replace(b'<Contents>', b'<Contents><Key>x/</Key></Contents><Contents>')
    )
    hostile.answer = store_but(list=(200, XML, body))
    assert [(info.name, info.size, info.etag) for info in lone.scan()] == [('x/1', 1, None)]
    assert list(lone.list_files()) == ['x/1']


def test_a_file_that_was_gone_already_may_be_reported_as_an_error(hostile: Hostile, lone: S3Backend) -> None:
    body = b'<DeleteResult><Deleted><Key>x/1</Key></Deleted><Error><Key>x</Key><Code>NoSuchKey</Code></Error></DeleteResult>'
    hostile.answer = store_but(list=(200, XML, listing('x/1')), post=(200, XML, body))
    VERBS['delete'](lone)


# --- Listings with holes, and those without an end.


HOLES = {
    'no end': listing('x/1', end=''),
    'no key': listing('x/1').replace(b'<Key>x/1</Key>', b''),
    'an empty key': listing(''),
    'another key': listing('y/1'),
    'no size': listing('x/1').replace(b'<Size>1</Size>', b''),
    'a size in words': listing('x/1').replace(b'<Size>1</Size>', b'<Size>large</Size>'),
    'no time': listing('x/1').replace(b'2026-11-29T08:00:00.000Z', b''),
    'a time in words': listing('x/1').replace(b'2026-11-29T08:00:00.000Z', b'yesterday'),
    'text for an entry': b'<ListBucketResult><Contents>x/1</Contents><IsTruncated>false</IsTruncated></ListBucketResult>',
    'more, but not where': listing('x/1', end='<IsTruncated>true</IsTruncated>'),
    'cut': listing('x/1')[:-30],
}


@pytest.mark.parametrize('body', HOLES.values(), ids=HOLES)
@pytest.mark.parametrize('name', ['scan', 'list', 'delete'])
def test_a_page_with_holes_is_an_error_and_deletes_nothing(
    hostile: Hostile, lone: S3Backend, body: bytes, name: str
) -> None:
    acts: dict[str, Verb] = {
        'scan': lambda backend: list(backend.scan('x/')),
        'list': lambda backend: list(backend.list_files('x/')),
        'delete': lambda backend: backend.delete('x'),
    }
    hostile.answer = store_but(list=(200, XML, body))
    with pytest.raises(fs.BackendError):
        acts[name](lone)
    assert {method for method, _ in hostile.requests} == {'GET'}


CIRCLES: dict[str, Callable[[int], tuple[str, str]]] = {
    # The token and the key of the page of a number.
    'the same token': lambda number: ('same', f'x/{number}'),
    'tokens in a circle': lambda number: (f'{number % 7}', f'x/{number}'),
    'the same page under new tokens': lambda number: (f'{number}', 'x/1'),
    'pages in a circle under new tokens': lambda number: (f'{number}', f'x/{number % 5}'),
}
# A thousand pages take seconds, and are counted the same on each Python.
FOREVER = pytest.param(lambda number: (f'{number}', ''), id='nothing for ever', marks=pytest.mark.once)


@pytest.mark.parametrize('circle', [*(pytest.param(circle, id=name) for name, circle in CIRCLES.items()), FOREVER])
@pytest.mark.parametrize('name', ['list', 'sweep'])
def test_a_listing_that_leads_in_a_circle_is_an_error(
    hostile: Hostile, lone: S3Backend, circle: Callable[[int], tuple[str, str]], name: str
) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        token, key = circle(len(hostile.requests))
        if name == 'list':
            end = f'<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>'
            return 200, XML, listing(*filter(None, [key]), end=end)
        upload = (
            f'<Upload><Key>{key}</Key><UploadId>1</UploadId><Initiated>2046-11-29T08:00:00.000Z</Initiated></Upload>'
        )
        end = f'<IsTruncated>true</IsTruncated><NextKeyMarker>{token}</NextKeyMarker>'
        return (
            200,
            XML,
            f'<ListMultipartUploadsResult>{upload if key else ""}{end}</ListMultipartUploadsResult>'.encode(),
        )

    hostile.answer = answer
    refused(lone, VERBS[name], 'the response to .* was (the same page again|1001 empty pages in a row)')
    assert len(hostile.requests) <= 1001


def test_a_long_listing_with_empty_pages_is_read_to_its_end(hostile: Hostile, lone: S3Backend) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        number = len(hostile.requests)
        if number == 200:
            return 200, XML, listing('x/200')
        end = f'<IsTruncated>true</IsTruncated><NextContinuationToken>{number}</NextContinuationToken>'
        return 200, XML, listing(*([f'x/{number}'] if number % 2 else []), end=end)

    hostile.answer = answer
    assert list(lone.list_files('x/')) == [*(f'x/{number}' for number in range(1, 200, 2)), 'x/200']


def test_sweeping_aborts_nothing_outside_of_its_prefix(hostile: Hostile, lone: S3Backend) -> None:
    upload = '<Upload><Key>other/1</Key><UploadId>1</UploadId><Initiated>2020-11-29T08:00:00.000Z</Initiated></Upload>'
    page = f'<ListMultipartUploadsResult>{upload}<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>'
    hostile.answer = store_but(list=(200, XML, page.encode()))
    refused(S3Backend('kit', {**lone.config, 'prefix': 'ours'}), VERBS['sweep'], "does not begin with 'ours/'")
    assert {method for method, _ in hostile.requests} == {'GET'}


# --- Files of which the response makes no sense.


@pytest.mark.parametrize('header', ['ETag', 'Last-Modified'])
@pytest.mark.parametrize('name', ['read', 'open', 'exists'])
def test_a_file_without_what_every_store_says_of_one_is_an_error(
    hostile: Hostile, lone: S3Backend, header: str, name: str
) -> None:
    hostile.answer = store_but(get=(200, {**OBJECT, header: ''}, b'0123456789'))
    refused(lone, VERBS[name], header.replace('-', ''))


@pytest.mark.parametrize(
    'headers', [{'Last-Modified': 'yesterday'}, {'Content-Length': 'ten'}], ids=['a time in words', 'a length in words']
)
def test_metadata_that_cannot_be_parsed_are_an_error(
    hostile: Hostile, lone: S3Backend, headers: dict[str, str]
) -> None:
    hostile.answer = store_but(get=(200, {**OBJECT, **headers}, b''))
    with pytest.raises(fs.BackendError):
        lone.exists('x')


@pytest.mark.parametrize(
    ('status', 'content_range', 'content'),
    [
        (206, 'bytes 0-1/10', b'01'),
        (206, 'bytes 3-5/10', b'345'),
        (206, 'bytes 3-4/10', b'345'),
        (206, 'bytes 3-4/*', b'34'),
        (206, 'bytes 3-4/4', b'34'),
        (206, 'lines 3-4/10', b'34'),
        (200, '', b'0123456789'),
    ],
)
def test_another_part_of_a_file_than_was_requested_is_an_error(
    hostile: Hostile, lone: S3Backend, status: int, content_range: str, content: bytes
) -> None:
    hostile.answer = store_but(get=(status, {**OBJECT, 'Content-Range': content_range}, content))
    refused(lone, lambda backend: backend._open('x', 3, 5), 'a different range of the file')


def test_a_part_in_the_place_of_the_whole_is_an_error(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(get=(206, {**OBJECT, 'Content-Range': 'bytes 0-9/20'}, b'0123456789'))
    refused(lone, VERBS['read'], 'a different range of the file')


# --- Uploads in parts.


ANSWERS_IN_PARTS = {
    'no upload': ('uploads', b'<InitiateMultipartUploadResult/>'),
    'no part': ('partNumber', b''),
    'no object': ('complete', b'<CompleteMultipartUploadResult/>'),
    'a page for an object': ('complete', PAGE),
}


@pytest.mark.parametrize(('step', 'body'), ANSWERS_IN_PARTS.values(), ids=ANSWERS_IN_PARTS)
def test_a_file_in_parts_is_stored_only_if_the_store_says_so_at_each_step(
    hostile: Hostile, lone: S3Backend, step: str, body: bytes
) -> None:
    def answer(method: str, path: str, query: dict[str, list[str]]) -> Answer:
        if method == 'DELETE':
            return 204, {}, b''
        if 'uploads' in query:
            begun = b'<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>'
            return 200, XML, body if step == 'uploads' else begun
        if 'partNumber' in query:
            return 200, {} if step == 'partNumber' else {'ETag': '"1"'}, b''
        done = b'<CompleteMultipartUploadResult><ETag>"1-1"</ETag></CompleteMultipartUploadResult>'
        return 200, XML, body if step == 'complete' else done

    hostile.answer = answer
    refused(lone, VERBS['write in parts'])
    # What was sent is not left there.
    assert (step != 'uploads') == ('DELETE' in Counter(method for method, _ in hostile.requests))
    step = ''
    VERBS['write in parts'](lone)


# --- Pages of a folder.


def page_of(*keys: str, folders: tuple[str, ...] = (), end: str = '<IsTruncated>false</IsTruncated>') -> bytes:
    prefixes = ''.join(f'<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>' for folder in folders)
    return listing(*keys, end=prefixes + end)


MORE = '<IsTruncated>true</IsTruncated>'
PAGES_OF_FOLDERS = {
    **HOLES,
    'a file below': page_of('x/y/1'),
    'a folder elsewhere': page_of(folders=('y/',)),
    'a folder below': page_of(folders=('x/y/z/',)),
    'a folder without a slash': page_of(folders=('x/y',)),
    'the folder itself': page_of(folders=('x/',)),
    'a folder without a name': page_of(folders=('',)),
    'more, but not where': page_of('x/1', end=MORE),
    'more after nothing': page_of('x/1', end=f'{MORE}<NextContinuationToken/>'),
    'more at the same place': page_of('x/1', end=f'{MORE}<NextContinuationToken>here</NextContinuationToken>'),
}


@pytest.mark.parametrize('body', PAGES_OF_FOLDERS.values(), ids=PAGES_OF_FOLDERS)
def test_a_page_of_a_folder_that_makes_no_sense_is_an_error(hostile: Hostile, lone: S3Backend, body: bytes) -> None:
    hostile.answer = store_but(list=(200, XML, body))
    with pytest.raises(fs.BackendError):
        lone.folder('x', after='here', limit=3)
    assert len(hostile.requests) == 1


def test_a_page_of_a_folder_leaves_out_what_stands_for_folders(hostile: Hostile, lone: S3Backend) -> None:
    hostile.answer = store_but(list=(200, XML, page_of('x/', 'x/1', 'x/y/', folders=('x/y/', 'x/z/'))))
    page = lone.folder('x')
    assert ([info.name for info in page.files], page.folders, page.next) == (['x/1'], ['x/y', 'x/z'], None)


def test_a_page_with_more_entries_than_requested_is_given_by_two(hostile: Hostile, lone: S3Backend) -> None:
    """SeaweedFS counts a file and a folder of one name as one entry, and its tokens do not lead between them."""
    end = f'{MORE}<NextContinuationToken>next</NextContinuationToken>'
    hostile.answer = store_but(list=(200, XML, page_of('x/1', 'x/y', folders=('x/y/', 'x/z/'), end=end)))
    pages = [lone.folder('x', limit=3)]
    pages.append(lone.folder('x', after=pages[0].next, limit=3))
    assert [([info.name for info in page.files], page.folders) for page in pages] == [
        (['x/1', 'x/y'], ['x/y']),
        ([], ['x/z']),
    ]
    assert pages[1].next == 'next'
    # Of the same page of the store.
    assert hostile.requests[0] == hostile.requests[1]
