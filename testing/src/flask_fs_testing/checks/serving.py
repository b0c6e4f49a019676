"""Serving files through an application, and signed links."""

from __future__ import annotations

import pytest

import flask_fs as fs
from flask_fs.backends import Capability

from ..guarantees import check, declares
from ..harness import Harness
from .responses import after_stat

URL = '/kit/a/x.txt'
CONTENT = b'0123456789' * 100


class ServeChecks:
    """HTTP responses of the application."""

    @check(
        'serve',
        cause='The driver overrides serve(), or the metadata from _open lacks the size or the type. Check _open and _stat.',
    )
    def test_a_file_is_served_with_its_facts(self, harness: Harness) -> None:
        """GET returns the content with type, length and validators; HEAD returns the same without content."""
        client = _served(harness)
        whole, head = client.get(URL), client.head(URL)
        assert (whole.status_code, whole.data) == (200, CONTENT)
        assert (head.status_code, head.data) == (200, b'')
        for response in (whole, head):
            assert response.headers['Content-Length'] == '1000'
            assert response.headers['Content-Type'] == 'text/plain; charset=utf-8'
            assert response.headers['X-Content-Type-Options'] == 'nosniff'
            assert {'ETag', 'Last-Modified'} & set(response.headers.keys())

    @check(
        'serve',
        cause='The etag or the modification time differs between calls. Check the FileInfo from _stat and from _open.',
    )
    def test_what_a_client_has_is_not_sent_again(self, harness: Harness) -> None:
        """If-None-Match and If-Modified-Since with the values of an earlier response get 304, without content."""
        client = _served(harness)
        earlier = client.get(URL).headers
        for condition, header in (('If-None-Match', 'ETag'), ('If-Modified-Since', 'Last-Modified')):
            if header in earlier:
                response = client.get(URL, headers={condition: earlier[header]})
                assert (response.status_code, response.data) == (304, b'')

    @check(
        'serve',
        cause='The stop is treated as inclusive, or the size is that of the range. Check _open.',
    )
    def test_a_range_is_served(self, harness: Harness) -> None:
        """The response to a range is 206 with exactly its bytes, or 416 if it is beyond the end; with If-Range, parts of different versions are not mixed."""
        client = _served(harness)
        for given, expected in (
            ('0-0', CONTENT[:1]),
            ('10-19', CONTENT[10:20]),
            ('990-', CONTENT[990:]),
            ('-5', CONTENT[-5:]),
        ):
            response = client.get(URL, headers={'Range': f'bytes={given}'})
            assert (response.status_code, response.data) == (206, expected)
        assert client.get(URL, headers={'Range': 'bytes=1000-'}).status_code == 416
        other = client.get(URL, headers={'Range': 'bytes=0-1', 'If-Range': '"other"'})
        assert (other.status_code, other.data) == (200, CONTENT)

    @check(
        'serve',
        cause='Bytes and metadata come from two requests, or _open ignores etag. Check _open.',
    )
    def test_a_served_file_is_one_version(self, harness: Harness) -> None:
        """Type, length, ETag and bytes of a response belong to one version, even if the file is replaced meanwhile."""
        storage = fs.Storage('kit', fs.ALL, overwrite=True)
        app = harness.make_app(storage)
        client, newer = app.test_client(), CONTENT[::-1]

        def etag_of(content: bytes) -> str | None:
            with app.app_context():
                storage.write('a/x.txt', content)
            return client.get(URL).headers.get('ETag')

        for conditions in ((), ('If-None-Match',), ('Range',), ('Range', 'If-Range')):
            old = etag_of(CONTENT)
            given = {'If-None-Match': '"other"', 'Range': 'bytes=10-19', 'If-Range': old or '"none"'}
            with app.app_context(), after_stat(storage.backend, lambda: storage.write('a/x.txt', newer)):
                response = client.get(URL, headers={header: given[header] for header in conditions})
            # Requested, because storing the same content again can produce another etag.
            now = client.get(URL).headers.get('ETag')
            versions = [
                content for tag, content in ((old, CONTENT), (now, newer)) if tag == response.headers.get('ETag')
            ]
            assert response.data in [content if response.status_code == 200 else content[10:20] for content in versions]
            assert str(len(response.data)) == response.headers['Content-Length']
            if 'If-Range' in conditions and response.status_code == 206:
                assert response.headers['ETag'] == old

    @check(
        'serve',
        cause='_translate does not turn an error of the library into FileNotFound, or a folder is treated as a file.',
    )
    def test_a_missing_file_is_404(self, harness: Harness) -> None:
        """The response for a missing file is 404, whatever the store reports."""
        client = _served(harness)
        for path in ('missing', 'a', 'a/', '%2e%2e/x'):
            assert client.get(f'/kit/{path}').status_code == 404

    @check(
        'SIGNED_URL',
        proves=Capability.SIGNED_URL,
        cause='SIGNED_URL is declared without _signed_url, or the result of _signed_url is not a URL.',
    )
    def test_links_are_signed_by_the_store_or_by_the_application(self, harness: Harness) -> None:
        """A storage returns signed links on every backend; without SIGNED_URL, the backend itself raises OperationNotSupported."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage, serve=False)
        with app.test_request_context():
            storage.write('a/x.txt', CONTENT)
            link = storage.signed_url('a/x.txt')
            backend = storage.backend
        if declares(backend, Capability.SIGNED_URL):
            assert link.startswith('http')
            return
        with pytest.raises(fs.OperationNotSupported):
            backend.signed_url('a/x.txt')
        client = app.test_client()
        assert client.get(URL).status_code == 404
        assert client.get(link).data == CONTENT
        assert client.get(link.replace('signature=', 'signature=A')).status_code == 403


def _served(harness: Harness):  # type: ignore[no-untyped-def]  # a FlaskClient
    storage = fs.Storage('kit', fs.ALL)
    app = harness.make_app(storage)
    with app.app_context():
        storage.write('a/x.txt', CONTENT)
    return app.test_client()
