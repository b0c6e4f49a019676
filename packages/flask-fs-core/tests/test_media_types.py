from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.media_types import INERT_TYPES, content_coding, content_type, is_inert, normalized

UNKNOWN = 'application/octet-stream'


@pytest.mark.parametrize(
    ('stored', 'expected'),
    [
        ('image/png', 'image/png'),
        ('Image/PNG', 'image/png'),
        (' \timage/png \t', 'image/png'),
        ('image/svg+xml', 'image/svg+xml'),
        ('application/vnd.ms-excel.sheet.macroenabled.12', 'application/vnd.ms-excel.sheet.macroenabled.12'),
        ('text/x-special', 'text/x-special'),
        ('text/plain;', 'text/plain'),
        ('text/plain ; ; charset=UTF-8', 'text/plain; charset=utf-8'),
        ('text/csv;charset="ISO-8859-1";header=present', 'text/csv; charset=iso-8859-1'),
        ('text/html; charset=windows-1252; charset=utf-7', 'text/html; charset=windows-1252'),
        ('audio/ogg; codecs=opus', 'audio/ogg; codecs=opus'),
        ('video/mp4; codecs="avc1.4d002a, mp4a.40.2"', 'video/mp4'),
        ('image/png; q="a, text/html"', 'image/png'),
        ('image/png; q="a\\", text/html"', 'image/png'),
    ],
)
def test_a_type_is_written_anew_from_its_known_parts(stored: str, expected: str) -> None:
    assert normalized(stored) == expected


@pytest.mark.parametrize(
    'stored',
    [
        *('', ' ', 'png', 'image', 'image/', '/png', 'image/png/x', 'image /png', 'image/ png', 'imäge/png', None, 7, b'image/png'),
        *('image/png, text/html', 'image/png,text/html', 'image/png; text/html', 'image/png;text/html;charset=utf-8'),
        *('image/png; a, image/svg+xml', 'image/png;, text/html', 'image/png; a=b, text/html', 'image/png; a=b text/html'),
        *('image/png; q="a, text/html', 'image/png; q="a" text/html', 'image/png; q=a"b', 'image/png; =b', 'image/png; a='),
        *('image/png; a =b', 'image/png; a= b', 'image/png\n', 'image/png\r\nSet-Cookie: a=b', 'image/png; a="\n"', 'image/png\0'),
        *('text/html\x0c', '\x0btext/html', '"image/png"', '<image/png>', 'image/png;\xa0a=b'),
        *('*/*', 'unknown/unknown', 'application/unknown', 'multipart/x-mixed-replace; boundary=x', 'Multipart/Related'),
    ],
)  # fmt: skip
def test_what_is_malformed_or_guessed_by_browsers_is_unknown(stored: Any) -> None:
    assert normalized(stored) == UNKNOWN


@pytest.mark.parametrize(
    'charset', ['utf-7', 'UTF-16', 'utf-16le', 'utf-32', 'iso-2022-jp', 'hz-gb-2312', 'x-user-defined', 'cp037', 'iso-8859-17']
)  # fmt: skip
def test_a_charset_in_which_markup_hides_is_not_passed_on(charset: str) -> None:
    assert content_type(f'text/plain; charset={charset}') == 'text/plain; charset=utf-8'
    assert content_type(f'application/xml; charset="{charset}"') == 'application/xml'


def test_text_is_utf8_unless_it_says_otherwise() -> None:
    assert content_type('text/plain') == 'text/plain; charset=utf-8'
    assert content_type('text/x-charset') == 'text/x-charset; charset=utf-8'
    assert content_type('text/plain; charset=KOI8-R') == 'text/plain; charset=koi8-r'
    assert content_type('application/json') == 'application/json'


def test_inert_types_are_known_by_their_essence_alone() -> None:
    assert is_inert('text/plain; charset=utf-8')
    assert is_inert('IMAGE/PNG; q=text/html')
    assert not is_inert('text/html; charset=utf-8')
    assert not is_inert('image/svg+xml')
    assert not is_inert('text/plainx')
    # Malformed, so that it is sent as what runs nothing.
    assert is_inert('text/html, text/plain')


@given(st.text(st.characters(codec='latin-1')) | st.text('texhml/;=", \t\\ps'))
def test_whatever_is_stored_one_type_comes_out(stored: str) -> None:
    sent = content_type(stored)
    assert re.fullmatch(r'[!-+\--~]+/[!-+\--~]+(; charset=[a-z0-9_-]+)?(; codecs=[!-+\--~]+)?(; charset=utf-8)?', sent)
    assert ',' not in sent
    assert sent == content_type(sent)
    assert normalized(stored) == normalized(normalized(stored))


@pytest.mark.parametrize(
    ('stored', 'expected'),
    [
        ('gzip', 'gzip'),
        (' GZIP ', 'gzip'),
        ('aws-chunked,gzip', 'gzip'),
        ('br , gzip', 'br, gzip'),
        *(
            (value, None)
            for value in ('', 'identity', 'aws-chunked', 'gzip;q=1', 'gzip\r\nX: y', 'gz ip', ',', 7, None)
        ),
    ],
)
def test_a_coding_is_one_or_more_tokens(stored: Any, expected: str | None) -> None:
    assert expected == content_coding(stored)


def test_files_have_a_sound_type_and_coding_whatever_a_backend_says() -> None:
    info = fs.FileInfo('x.png', 1, None, 'image/png; a, text/html', content_encoding='x y')
    assert (info.mime, info.content_encoding) == (UNKNOWN, None)
    assert info.given_mime == UNKNOWN


# --- Served.


class Claiming(LocalBackend):
    """Tells the type that a test says."""

    capabilities = LocalBackend.capabilities | fs.Capability.MIME
    claimed = ''

    def _info(self, *about: Any) -> fs.FileInfo:
        info = super()._info(*about)
        return fs.FileInfo(info.name, info.size, info.modified, self.claimed, None, info.etag)


def headers(app: Flask, storage: fs.Storage, **request: Any) -> Any:
    with app.test_request_context():
        url = storage.url('x.txt')
    return app.test_client().get(url, **request).headers


@pytest.mark.parametrize('given_headers', [{}, {'Range': 'bytes=0-1'}], ids=['whole', 'range'])
@pytest.mark.parametrize(
    ('claimed', 'sent', 'sandboxed'),
    [
        ('text/plain; x=y, text/html', UNKNOWN, False),
        ('text/html; charset=utf-7', 'text/html; charset=utf-8', True),
        ('TEXT/HTML', 'text/html; charset=utf-8', True),
        ('image/svg+xml;a=b', 'image/svg+xml', True),
        ('text/plain;\ttext/html', UNKNOWN, False),
        ('image/png', 'image/png', False),
    ],
)
def test_a_claimed_type_is_sent_normalized_and_judged_as_it_is_sent(
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    claimed: str,
    sent: str,
    sandboxed: bool,
    given_headers: dict[str, str],
) -> None:
    monkeypatch.setattr(Claiming, 'claimed', claimed)
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=Claiming)
    with app.app_context():
        storage.write('x.txt', '<script>')
        assert storage.metadata('x.txt')['mime'].partition(';')[0] == sent.partition(';')[0]
    seen = headers(app, storage, headers=given_headers)
    assert seen.getlist('Content-Type') == [sent]
    assert seen.get('Content-Security-Policy', '').startswith('sandbox') == sandboxed
    assert seen['X-Content-Type-Options'] == 'nosniff'


@pytest.mark.parametrize('setting', [{'USE_X_SENDFILE': True}, {'FS_LOCAL_ACCEL_REDIRECT': '/protected'}])
def test_a_web_server_is_handed_the_normalized_type_too(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any]
) -> None:
    monkeypatch.setattr(Claiming, 'claimed', 'image/png;a, image/svg+xml')
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=Claiming, **setting)
    with app.app_context():
        storage.write('x.txt', '<svg/>')
    assert headers(app, storage).getlist('Content-Type') == [UNKNOWN]


@pytest.mark.parametrize('claimed', [['text/plain, text/html'], ['text/plain', 'text/html'], ['text/html']])
def test_a_backend_that_makes_its_own_response_cannot_claim_what_it_likes(
    make_app: Callable[..., Flask], claimed: list[str]
) -> None:
    class Own(LocalBackend):
        def serve(self, filename: str) -> Any:
            response = Response('<script>')
            response.headers.remove('Content-Type')
            for mime in claimed:
                response.headers.add('Content-Type', mime)
            return response

    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=Own)
    seen = headers(app, storage)
    (sent,) = seen.getlist('Content-Type')
    assert sent.partition(';')[0] in INERT_TYPES or seen['Content-Security-Policy'].startswith('sandbox')
    assert ',' not in sent
