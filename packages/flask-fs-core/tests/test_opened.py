"""What a store responded with over HTTP, and what ``_open`` may return of it."""

from __future__ import annotations

import io

import pytest

import flask_fs as fs
from flask_fs.backends import Opened
from flask_fs.backends.memory import MemoryBackend

CONTENT = b'0123456789'


def given(body: bytes, size: int = len(CONTENT)) -> Opened:
    return Opened(fs.FileInfo('x', size, None, etag='1'), io.BytesIO(body))


@pytest.mark.parametrize(
    ('body', 'content_range', 'start', 'stop'),
    [
        (CONTENT, None, 0, None),
        (b'234', 'bytes 2-4/10', 2, 5),
        (b'89', 'bytes 8-9/10', -2, None),
        (b'89', 'bytes 8-9/10', 8, 20),
        (CONTENT, None, -20, None),
    ],
)
def test_the_range_that_was_requested_is_passed_on(
    body: bytes, content_range: str | None, start: int, stop: int | None
) -> None:
    opened = MemoryBackend('x').opened(given(body), content_range, len(body), start, stop, '1')
    assert opened.stream.read() == body


def test_the_whole_file_is_cut_to_the_first_bytes() -> None:
    assert MemoryBackend('x').opened(given(CONTENT), None, 10, 0, 4, None).stream.read() == b'0123'


def test_an_empty_file_has_any_range_from_its_end() -> None:
    assert MemoryBackend('x').opened(given(b'', 0), 'bytes 0--1/0', 0, -5, None, None).stream.read() == b''


@pytest.mark.parametrize(
    ('content_range', 'length', 'start', 'stop'),
    [(None, 10, 2, 5), (None, 10, -5, None), ('bytes 3-5/10', 3, 2, 5), ('bytes 2-4/10', 10, 2, 5), ('odd', 3, 2, 5)],
)
def test_another_range_is_an_error_and_closes_the_response(
    content_range: str | None, length: int, start: int, stop: int | None
) -> None:
    response = given(CONTENT[:length])
    with pytest.raises(fs.BackendError, match='different range'):
        MemoryBackend('x').opened(response, content_range, length, start, stop, None)
    assert response.stream.closed


def test_another_version_is_replaced() -> None:
    with pytest.raises(fs.Replaced):
        MemoryBackend('x').opened(given(CONTENT), None, 10, 0, None, '2')


def test_where_there_is_no_such_range_only_an_empty_file_opens() -> None:
    backend = MemoryBackend('x')
    assert backend.opened_empty(fs.FileInfo('x', 0, None), -3).stream.read() == b''
    with pytest.raises(fs.RangeNotSatisfiable):
        backend.opened_empty(fs.FileInfo('x', 10, None), 10)
    with pytest.raises(fs.Replaced):
        backend.opened_empty(fs.FileInfo('x', 10, None), 5)
