"""Attributes as the headers and the metadata of an object."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import (
    CHECKSUM_KEY,
    NO_ATTRIBUTES,
    Attributes,
    changed_headers,
    changed_metadata,
    headers_of,
    info_of,
    kind_of_status,
    metadata_of,
    unmangled,
)

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)
ALL = Attributes('text/x-a', 'no-store', 'gzip', 'de, en-US', 'Übersicht "1".txt', {'owner': 'Zoë', 'empty': ''})


@pytest.mark.parametrize('attributes', [ALL, NO_ATTRIBUTES, Attributes(metadata={'a': '=?UTF-8?B?%?='})])
def test_what_is_stored_reads_as_what_was_given(attributes: Attributes) -> None:
    headers, metadata = headers_of(attributes, 'x.txt'), metadata_of(attributes)
    assert all(value.isascii() and value for value in (*headers.values(), *metadata.values()))
    info = info_of('x.txt', 7, NOW, '"tag"', headers, {CHECKSUM_KEY: 'md5:00', 'fs-writer': 'w', **metadata})
    assert info.attributes == attributes
    assert (info.name, info.size, info.modified, info.etag, info.checksum) == ('x.txt', 7, NOW, 'tag', 'md5:00')


def test_a_type_is_always_stored_and_otherwise_only_what_was_given() -> None:
    assert headers_of(NO_ATTRIBUTES, 'x.txt') == {'content-type': 'text/plain'}
    assert metadata_of(NO_ATTRIBUTES) == {}


def test_what_the_store_does_not_report_is_none() -> None:
    info = info_of('x.txt', 0, None, '', dict.fromkeys(headers_of(ALL, 'x')), {'Fs-Other': '1', 'Color': 'blue'})
    assert info == fs.FileInfo('x.txt', 0, None, 'text/plain', metadata={'color': 'blue'})


@pytest.mark.parametrize(
    ('changes', 'headers'),
    [
        ({'mime': None}, {'content-type': 'text/plain'}),
        ({'cache_control': 'no-cache', 'content_language': None}, {'cache-control': 'no-cache', 'content-language': None}),
        ({'download_name': 'a.txt'}, {'content-disposition': 'attachment; filename="a.txt"'}),
        ({'metadata': {'a': 'b'}}, {}),
    ],
)  # fmt: skip
def test_a_change_names_only_what_it_is_about(changes: Any, headers: Any) -> None:
    assert changed_headers(changes, 'x.txt') == headers


def test_a_change_of_metadata_leaves_the_entries_of_the_backend() -> None:
    before = {CHECKSUM_KEY: 'md5:00', 'owner': 'me'}
    assert changed_metadata(before, {'mime': None}) == before
    assert changed_metadata(before, {'metadata': {'new': 'Zoë'}}) == {
        CHECKSUM_KEY: 'md5:00', 'new': '=?UTF-8?B?Wm/Dqw==?=',
    }  # fmt: skip
    assert changed_metadata(before, {'metadata': None}) == {CHECKSUM_KEY: 'md5:00'}


@pytest.mark.parametrize(
    ('header', 'text'), [('plain', 'plain'), ('ZoÃ«', 'Zoë'), ('Zoë', 'Zoë'), ('€', '€'), ('', '')]
)
def test_a_header_that_was_sent_as_utf_8_reads_as_such(header: str, text: str) -> None:
    assert unmangled(header) == text


@pytest.mark.parametrize(
    ('status', 'kind'),
    [
        (400, fs.BackendError), (401, fs.PermissionDenied), (403, fs.PermissionDenied), (404, fs.FileNotFound),
        (408, fs.Unavailable), (409, fs.Unavailable), (412, fs.Replaced), (429, fs.Unavailable), (302, fs.BackendError),
        (500, fs.Unavailable), (501, fs.BackendError), (503, fs.Unavailable), (507, fs.Unavailable),
    ],
)  # fmt: skip
def test_a_status_means_one_error(status: int, kind: type[fs.FSError]) -> None:
    assert kind_of_status(status) is kind
