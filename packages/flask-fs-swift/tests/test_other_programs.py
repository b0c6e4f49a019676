"""Objects that other programs have put into the container."""

from __future__ import annotations

import gzip

import pytest

import flask_fs as fs

pytestmark = pytest.mark.slow

CONTENT = gzip.compress(b'body{}' * 500)
KEPT = {
    'content-encoding': 'gzip',
    'cache-control': 'max-age=60',
    'content-disposition': 'inline',
    'content-language': 'de',
}


@pytest.fixture
def container(swift_harness):
    """The path of a container with a compressed file in it."""
    path = f'/{swift_harness.container}'
    swift_harness.raw.request('PUT', f'{path}/site.css', CONTENT, {**KEPT, 'Content-Type': 'text/css'})
    return path


def test_how_a_file_is_encoded_is_said_and_passed_on(swift_harness, container):
    storage = fs.Storage('kit', fs.ALL)
    app = swift_harness.make_app(storage)
    with app.test_request_context():
        assert (storage.stat('site.css').content_encoding, storage.stat('site.css').mime) == ('gzip', 'text/css')
        response = app.test_client().get(storage.url('site.css'))
        # What is stored here replaces all of it.
        storage.write('site.css', b'plain', overwrite=True)
        assert storage.stat('site.css').content_encoding is None
    assert (response.status_code, response.headers['Content-Encoding'], response.data) == (200, 'gzip', CONTENT)


def test_copies_keep_how_a_file_is_encoded(swift_harness, container, proxy):
    backend = swift_harness.make_counted(proxy)
    backend.copy('site.css', 'copy.css')
    backend.copy('site.css', 'copy.txt')
    backend.move('site.css', 'moved.css')
    for name in ('copy.css', 'copy.txt', 'moved.css'):
        assert backend.stat(name).content_encoding == 'gzip', name
        assert {header: swift_harness.headers(name).get(header) for header in KEPT} == KEPT
        assert backend.read(name) == CONTENT


def test_a_file_copied_by_its_segments_keeps_it_too(swift_harness, container, proxy):
    backend = swift_harness.make_counted(proxy)
    manifest = f'[{{"path": "{container}/site.css"}}]'.encode()
    path = f'{container}/large.css?multipart-manifest=put'
    swift_harness.raw.request('PUT', path, manifest, {**KEPT, 'Content-Type': 'text/css'})
    proxy.answer(413, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    backend.write('large.txt', b'')
    backend.copy('large.css', 'large.txt')
    assert {header: swift_harness.headers('large.txt').get(header) for header in KEPT} == KEPT
    assert backend.read('large.txt') == CONTENT
