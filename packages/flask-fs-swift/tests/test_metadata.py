"""What stores that speak Swift's protocol, and are not Swift, leave out."""

from __future__ import annotations

import datetime

import pytest

from flask_fs_swift.metadata import Entry, info_from_headers

MOMENT = datetime.datetime(2026, 11, 23, 8, 15, 58, tzinfo=datetime.timezone.utc)
LAST = {'last-modified': 'Mon, 23 Nov 2026 08:15:58 GMT'}


@pytest.mark.parametrize(
    ('headers', 'modified'),
    [
        ({'x-timestamp': '1795421757.25000', **LAST}, MOMENT - datetime.timedelta(seconds=0.75)),
        (LAST, MOMENT),
        ({'x-timestamp': 'none', **LAST}, MOMENT),
        ({}, None),
    ],
)
def test_the_time_is_the_most_exact_one_that_is_given(headers, modified):
    assert info_from_headers('x', {'content-length': '3', **headers}, 'sha256').modified == modified


@pytest.mark.parametrize(
    ('size', 'mime', 'file'),
    [(0, 'application/directory', False), (0, 'text/plain', True), (3, 'application/directory', True)],
)
def test_an_empty_object_of_a_special_type_marks_a_folder(size, mime, file):
    assert Entry('x', size, MOMENT, mime, 'etag', is_slo=False).is_file == file
