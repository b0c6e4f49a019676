"""Content that is stored encoded: what the store keeps of that comes back, goes with copies, and reaches browsers."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

import flask_fs as fs

pytestmark = pytest.mark.slow

PART = 5 * 1024 * 1024
PLAIN = b'body { color: teal }\n' * 100
CONTENT = gzip.compress(PLAIN, mtime=0)
GZIP = {'ContentEncoding': 'gzip', 'CacheControl': 'max-age=60'}
creating = pytest.mark.parametrize('overwrite', [True, False], ids=['replace', 'create'])


def _stored(store: Any, name: str) -> Any:
    return store.client.head_object(Bucket=store.bucket, Key=name)


def test_the_encoding_of_the_setting_is_stored_and_comes_back(store: Any) -> None:
    backend = store.make(object_parameters=GZIP)
    backend.write('a.css', CONTENT)
    assert backend.stat('a.css').content_encoding == _stored(store, 'a.css')['ContentEncoding'] == 'gzip'
    assert backend.stat('a.css').size == len(CONTENT)


def test_what_is_read_are_the_stored_bytes(store: Any) -> None:
    backend = store.make(object_parameters=GZIP)
    backend.write('a.css', CONTENT)
    assert backend.read('a.css') == b''.join(backend.read_chunks('a.css')) == CONTENT
    with backend.open('a.css', 'rb') as file:
        assert file.read() == CONTENT
    assert backend._open('a.css', 3, 9).stream.read() == CONTENT[3:9]


@pytest.mark.parametrize(
    ('stored', 'reported'), [('GZIP', 'gzip'), ('aws-chunked', None), ('gzip,aws-chunked', 'gzip'), ('br', 'br')]
)
def test_how_the_upload_of_another_program_was_framed_is_no_encoding(
    amazon: Any, hook: Any, stored: str, reported: str | None
) -> None:
    """Stores keep it as it came. It is put into the response here, because moto does not keep it."""
    backend = amazon.make()
    amazon.put_raw('a.css', CONTENT)
    hook(backend, 'after-call.s3.HeadObject', lambda parsed, **_: parsed.update(ContentEncoding=stored))
    assert backend.stat('a.css').content_encoding == reported


@creating
@pytest.mark.parametrize('target', ['b.css', 'b.html'], ids=['the same type', 'another type'])
@pytest.mark.parametrize('size', [0, PART], ids=['small', 'large'])
@pytest.mark.parametrize('whole', [True, False], ids=['by one request', 'in parts'])
def test_a_copy_keeps_the_encoding(store: Any, overwrite: bool, target: str, size: int, whole: bool) -> None:
    content = CONTENT + bytes(size)
    store.client.put_object(Bucket=store.bucket, Key='a.css', Body=content, ContentType='text/css', **GZIP)
    backend = store.make(conditional_completion=not whole)
    backend.copy('a.css', target, overwrite=overwrite)
    assert backend.stat(target).content_encoding == 'gzip'
    assert _stored(store, target)['CacheControl'] == 'max-age=60'
    assert store.get_raw(target) == content
    backend.move(target, 'moved.css', overwrite=overwrite)
    assert backend.stat('moved.css').content_encoding == 'gzip'


def test_a_copy_is_not_sent_as_framed(amazon: Any, hook: Any) -> None:
    """A store would take that for the framing of the request itself, and the content for a part of it."""
    backend = amazon.make()
    amazon.put_raw('a.css', CONTENT)
    sent: list[Any] = []
    hook(backend, 'after-call.s3.HeadObject', lambda parsed, **_: parsed.update(ContentEncoding='gzip, aws-chunked'))
    hook(
        backend, 'before-call.s3.CopyObject', lambda params, **_: sent.append(params['headers'].get('Content-Encoding'))
    )
    backend.copy('a.css', 'b.html', overwrite=True)
    assert sent == ['gzip']


@pytest.mark.parametrize('accepts', ['gzip, deflate, br', None], ids=['a browser', 'a plain client'])
def test_the_application_sends_the_stored_bytes_and_says_how_they_are_encoded(store: Any, accepts: str | None) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage, object_parameters=GZIP)
    client = app.test_client()
    given = {} if accepts is None else {'Accept-Encoding': accepts}
    with app.test_request_context():
        storage.write('a.css', CONTENT)
        url = storage.url('a.css')
    whole = client.get(url, headers=given)
    assert (whole.status_code, whole.headers['Content-Encoding'], whole.data) == (200, 'gzip', CONTENT)
    assert whole.headers['Content-Length'] == str(len(CONTENT))
    head = client.head(url, headers=given)
    for name in ('Content-Encoding', 'Content-Length', 'ETag', 'Vary', 'Content-Type'):
        assert whole.headers[name] == head.headers[name]
    for condition in ({}, {'If-Range': whole.headers['ETag']}):
        part = client.get(url, headers={'Range': 'bytes=3-8', **given, **condition})
        assert (part.status_code, part.headers['Content-Encoding'], part.data) == (206, 'gzip', CONTENT[3:9])
        assert part.headers['Content-Range'] == f'bytes 3-8/{len(CONTENT)}'
    other = client.get(url, headers={'Range': 'bytes=3-8', 'If-Range': '"another"', **given})
    assert (other.status_code, other.headers['Content-Encoding'], other.data) == (200, 'gzip', CONTENT)
    same = client.get(url, headers={'If-None-Match': whole.headers['ETag'], **given})
    assert (same.status_code, same.data) == (304, b'')


def test_a_client_that_accepts_no_gzip_gets_the_content_decoded(store: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = store.make_app(storage, object_parameters=GZIP)
    with app.test_request_context():
        storage.write('a.css', CONTENT)
        url = storage.url('a.css')
    for more in ({}, {'Range': 'bytes=3-8'}):
        response = app.test_client().get(url, headers={'Accept-Encoding': 'identity', **more})
        assert (response.status_code, response.data) == (200, PLAIN)
        assert 'Content-Encoding' not in response.headers
