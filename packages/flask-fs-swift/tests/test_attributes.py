"""Attributes of files, as Swift keeps them: headers and metadata of objects."""

from __future__ import annotations

import io
import urllib.request
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Capability, changed
from flask_fs_swift.backend import headers_of
from flask_fs_swift.pool import text_of

pytestmark = pytest.mark.slow

SEGMENT_BYTES = 200_000
LARGE = bytes(range(256)) * 2000
ALL: dict[str, Any] = {
    'mime': 'text/x-own',
    'cache_control': 'public, max-age=60',
    'content_encoding': 'gzip',
    'content_language': 'de, en-US',
    'download_name': 'Größe "1".txt',
    'metadata': {'color': 'rötlich', 'size-px': '12', 'empty': '', 'word': '=?UTF-8?B?YQ==?='},
}
GIVEN = changed(NO_ATTRIBUTES, ALL)


@pytest.fixture
def backend(swift_harness):
    return swift_harness.make(segment_bytes=SEGMENT_BYTES)


@pytest.fixture(params=[b'small', LARGE], ids=['small', 'large'])
def content(request):
    return request.param


def save(backend, content, name='x', attributes=GIVEN, **options):
    backend.save(io.BytesIO(content), name, attributes=attributes, **{'overwrite': True, **options})


def test_attributes_are_kept_by_files_and_copies(backend, content):
    save(backend, content)
    save(backend, content, 'created', overwrite=False)
    backend.copy('x', 'copy.txt')
    backend.move('created', 'moved')
    for name in ('x', 'copy.txt', 'moved'):
        info = backend.stat(name)
        assert info.attributes == GIVEN
        assert info.checksum is not None
        assert backend.open_whole(name).info == info
        assert backend.read(name) == content
    save(backend, content, attributes=NO_ATTRIBUTES)
    assert backend.stat('x').attributes == NO_ATTRIBUTES


def test_a_file_too_large_to_be_one_object_is_copied_with_its_attributes(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    save(backend, LARGE)
    backend.set_attributes('x', {'mime': 'text/x-new'})
    proxy.respond(413, 'Too large', headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    backend.copy('x', 'y')
    before, after = backend.stat('x'), backend.stat('y')
    assert (after.attributes, after.checksum) == (before.attributes, before.checksum)
    assert after.mime == 'text/x-new'
    assert after.checksum is not None


def test_the_store_sends_them_itself(swift_harness, backend):
    save(backend, b'content')
    headers = swift_harness.headers('x')
    assert headers['cache-control'] == ALL['cache_control']
    assert headers['content-language'] == ALL['content_language']
    assert headers['content-disposition'].startswith('attachment; filename="Groe \\"1\\".txt"')
    assert headers['x-object-meta-size-px'] == '12'


def test_links_have_all_but_the_download_name(backend):
    """The middleware tempurl makes a header of its own for that, which the link decides: there it is inline."""
    save(backend, b'content')
    with urllib.request.urlopen(backend.signed_url('x')) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
    assert headers['content-disposition'] == 'inline'
    for header, name in (
        ('content-type', 'mime'),
        ('cache-control', 'cache_control'),
        ('content-encoding', 'content_encoding'),
        ('content-language', 'content_language'),
    ):
        assert headers[header] == ALL[name]


def test_a_change_leaves_all_else_as_it_is(swift_harness, backend, content):
    save(backend, content)
    raw, path = swift_harness.raw, f'/{swift_harness.container}/x'
    before = swift_harness.headers('x')
    segments = swift_harness.segments()
    backend.set_attributes('x', {'cache_control': None, 'mime': 'text/x-new'})
    backend.set_attributes('x', {'metadata': {'new': 'one'}})
    after = swift_harness.headers('x')
    assert backend.stat('x').attributes == changed(
        GIVEN, {'cache_control': None, 'mime': 'text/x-new', 'metadata': {'new': 'one'}}
    )
    for header in ('etag', 'content-length', 'x-object-meta-fs-checksum', 'x-static-large-object'):
        assert after.get(header) == before.get(header)
    assert backend.read('x') == content
    assert swift_harness.segments() == segments
    assert [(info.size, info.mime) for info in backend.scan()] == [(len(content), 'text/x-new')]
    backend.set_attributes('x', dict.fromkeys(ALL))
    assert backend.stat('x').attributes == NO_ATTRIBUTES
    assert backend.stat('x').checksum is not None
    status, _, _ = raw.request('DELETE', path)
    assert status == 204


def test_what_other_programs_set_survives_a_change(swift_harness, backend):
    foreign = {
        'Content-Type': 'text/html; charset=latin1',
        'Content-Disposition': 'inline; filename="x"',
        'Expires': 'Thu, 01 Dec 2044 16:00:00 GMT',
        'X-Robots-Tag': 'noindex',
        'X-Delete-At': '4102444800',
        'X-Object-Meta-Color': 'grün'.encode().decode('latin-1'),
    }
    swift_harness.raw.request('PUT', f'/{swift_harness.container}/x', b'content', foreign)
    before = swift_harness.headers('x')
    assert backend.stat('x').metadata['color'] == 'grün'
    backend.set_attributes('x', {'cache_control': 'no-store'})
    after = swift_harness.headers('x')
    for header in map(str.lower, foreign):
        assert after[header] == before[header], header
    assert after['cache-control'] == 'no-store'


def test_a_dynamic_large_object_stays_one(swift_harness, backend):
    container = swift_harness.container
    for number, part in enumerate((b'one', b'two')):
        swift_harness.raw.request('PUT', f'/{container}/parts/{number}', part)
    swift_harness.raw.request('PUT', f'/{container}/x', b'', {'X-Object-Manifest': f'{container}/parts/'})
    backend.set_attributes('x', {'metadata': {'color': 'red'}})
    assert backend.read('x') == b'onetwo'
    assert backend.stat('x').metadata == {'color': 'red'}


def test_a_change_is_three_requests_and_sends_no_content(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    save(backend, b'content')
    assert methods_of(lambda: backend.set_attributes('x', {'mime': 'text/x-new'})) == ['HEAD', 'POST', 'HEAD']
    with pytest.raises(fs.FileNotFound):
        backend.set_attributes('missing', {'mime': 'text/x-new'})


def test_a_change_whose_response_was_lost_is_made(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy, prefix='p', retries=1)
    save(backend, b'content')
    proxy.lose_response(when=lambda request: request.method == 'POST')
    changes = {'mime': 'text/x-new', 'metadata': {}}
    assert methods_of(lambda: backend.set_attributes('x', changes)) == ['HEAD', 'POST', 'POST', 'HEAD']
    assert backend.stat('x').attributes == changed(GIVEN, changes)


def test_a_change_is_believed_when_it_was_made(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    save(backend, b'content')
    proxy.respond(200, '<html>Log in</html>', when=lambda request: request.method == 'POST')
    with pytest.raises(fs.BackendError, match='not from Swift'):
        backend.set_attributes('x', {'mime': 'text/x-new'})
    # Accepted, and dropped all the same: as by a server whose clock is behind.
    headers = swift_harness.trans_id
    fault = proxy.respond(202, '', headers=headers, times=2, when=lambda request: request.method == 'POST')
    backend.set_attributes('x', {'mime': 'text/x-new'})
    assert fault.struck == 2
    assert backend.stat('x').attributes == changed(GIVEN, {'mime': 'text/x-new'})


def during(proxy, method, act):
    """Do *act* before the next request of *method* gets through, once."""
    left = [act]

    def strike(request: Any) -> bool:
        if request.method == method and left:
            left.pop()()
        return False

    return proxy.respond(500, '', when=strike)


def test_a_file_that_is_replaced_before_the_change_never_has_a_wrong_checksum(swift_harness, proxy):
    backend, other = swift_harness.make_counted(proxy), swift_harness.make()
    save(backend, b'old content')
    during(proxy, 'POST', lambda: other.write('x', b'new content'))
    with pytest.raises(fs.Changed, match='was replaced while its attributes were changed'):
        backend.set_attributes('x', {'mime': 'text/x-new'})
    assert backend.read('x') == b'new content'
    assert backend.stat('x').checksum is None
    assert backend.metadata('x')['checksum'].startswith('sha256:')
    backend.set_attributes('x', {'mime': 'text/x-newer'})
    assert backend.stat('x').checksum is None
    backend.write('x', b'content')
    assert backend.stat('x').checksum is not None


def test_two_changes_at_once_are_both_made(swift_harness, proxy):
    backend, other = swift_harness.make_counted(proxy), swift_harness.make()
    save(backend, b'content')
    changes = {'mime': 'text/x-new'}
    heads = iter((False, True))

    def act(request: Any) -> bool:
        # After the change, and before it is looked at.
        if request.method == 'HEAD' and next(heads, False):
            # What the other one has read is older than this change.
            swift_harness.raw.request('POST', f'/{swift_harness.container}/x', headers={'Content-Language': 'fr'})
        return False

    proxy.respond(500, '', when=act)
    backend.set_attributes('x', changes)
    info = other.stat('x')
    assert (info.mime, info.content_language) == ('text/x-new', 'fr')


def test_a_file_that_others_change_all_the_time_is_given_up(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    save(backend, b'content')

    def act(request: Any) -> bool:
        if request.method == 'HEAD':
            swift_harness.raw.request('POST', f'/{swift_harness.container}/x', headers={'Content-Language': 'fr'})
        return False

    proxy.respond(500, '', when=act)
    with pytest.raises(fs.Unavailable, match='other writers keep changing it'):
        backend.set_attributes('x', {'mime': 'text/x-new'})


def test_a_store_that_keeps_not_all_of_them_stores_nothing(swift_harness, monkeypatch, caplog):
    """Operators choose the headers that Swift keeps."""
    backend = swift_harness.make()
    backend.write('x', b'old')
    monkeypatch.setattr(backend._client.account, 'keeps_attributes', None)

    def without(attributes: Attributes, name: str) -> dict[str, str]:
        return headers_of(attributes, name) | {'x-unknown-header': 'lost'}

    with monkeypatch.context() as patch:
        patch.setattr('flask_fs_swift.backend.headers_of', without)
        for _ in range(2):
            with pytest.raises(fs.OperationNotSupported, match="doesn't store cache_control"):
                backend.write('x', b'new', attributes=Attributes(cache_control='no-store'))
    assert 'does not keep all' in caplog.text
    assert Capability.ATTRIBUTES not in backend.capabilities
    assert backend.read('x') == b'old'
    assert swift_harness.names_raw() == ['x']
    backend.write('x', b'new', attributes=Attributes(mime='text/x-own'))
    assert backend.stat('x').mime == 'text/x-own'


def test_what_the_store_keeps_is_found_out_once(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy)
    backend._client.account.keeps_attributes = None
    assert methods_of(lambda: save(backend, b'x')) == ['PUT', 'HEAD', 'DELETE', 'PUT']
    assert methods_of(lambda: save(backend, b'x')) == ['PUT']
    assert methods_of(lambda: swift_harness.make_counted(proxy) and save(backend, b'x'))[-1] == 'PUT'


@pytest.mark.parametrize(
    ('sent', 'read'),
    [
        (b'public, max-age=60', 'public, max-age=60'),
        (b'public,\r\n\tmax-age=60', 'public, max-age=60'),
        ('gr\u00fcn'.encode(), 'gr\u00fcn'),
        (b'gr\xfcn', 'gr\u00fcn'),
    ],
)
def test_headers_are_read_as_they_were_sent_in_one_line(sent, read):
    assert text_of(sent.decode('latin-1')) == read
