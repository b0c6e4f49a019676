"""What is stored with a file besides its bytes: what is accepted, and how it reads as a header."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs.backends import Attributes, attachment, decode_text, download_name_of, encode_text
from flask_fs.backends.attributes import MAX_VALUE_BYTES, attributes_of, changed


def test_nothing_given_is_no_attributes() -> None:
    assert attributes_of({'mime': None, 'metadata': None}) == Attributes()


def test_attributes_are_normalized() -> None:
    given = attributes_of(
        {'mime': 'TEXT/Plain; Charset=UTF-8', 'content_encoding': ' GZIP', 'content_language': 'de, en-US '}
    )
    assert given == Attributes(mime='text/plain; charset=utf-8', content_encoding='gzip', content_language='de, en-US')


def test_a_change_replaces_what_it_names_and_removes_none() -> None:
    before = attributes_of({'mime': 'text/plain', 'cache_control': 'private', 'metadata': {'a': '1', 'b': '2'}})
    after = changed(before, {'mime': None, 'metadata': {'b': '3'}})
    assert after == Attributes(cache_control='private', metadata={'b': '3'})


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('mime', 'no type'),
        ('mime', 'text/html\r\nX-Evil: 1'),
        ('cache_control', 'public\r\nX-Evil: 1'),
        ('cache_control', ' '),
        ('cache_control', 'für-immer'),
        ('content_encoding', 'g zip'),
        ('content_encoding', ''),
        ('content_language', 'de_DE'),
        ('download_name', '../../etc/passwd'),
        ('download_name', 'a\nb'),
        ('download_name', ''),
        ('mime', f'text/{"x" * MAX_VALUE_BYTES}'),
        ('cache_control', 'max-age=1, ' * 30),
        ('content_language', 'de, ' * MAX_VALUE_BYTES + 'en'),
        ('download_name', 'ü' * (MAX_VALUE_BYTES // 2 + 1)),
        ('metadata', {'Upper': '1'}),
        ('metadata', {'under_score': '1'}),
        ('metadata', {'two--hyphens': '1'}),
        ('metadata', {'line\n': '1'}),
        ('metadata', {'': '1'}),
        ('metadata', {'a' * 65: '1'}),
        ('metadata', {'fs-checksum': 'md5:0'}),
        ('metadata', {'long': 'x' * (MAX_VALUE_BYTES + 1)}),
        ('metadata', {'long': 'ü' * MAX_VALUE_BYTES}),
        ('metadata', {'lone': '\ud800'}),
        ('metadata', {f'name-{number}': 'x' * 200 for number in range(8)}),
    ],
)
def test_what_a_store_could_not_keep_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r'.'):
        attributes_of({name: value})


@pytest.mark.parametrize('given', [{'mime': 1}, {'metadata': 'a=1'}, {'metadata': {'a': 1}}, {'owerwrite': True}])
def test_what_is_no_attribute_is_a_mistake_of_the_caller(given: Any) -> None:
    with pytest.raises(TypeError):
        attributes_of(given)


@pytest.mark.parametrize(
    'value',
    [
        'plain',
        'with = signs',
        '',
        ' blanks ',
        'Jürgen',
        '日本語',
        'two\nlines',
        '=?UTF-8?B?eA==?=',
        'a =?utf-8?b?eA==?=',
    ],
)
def test_any_text_goes_through_a_header(value: str) -> None:
    header = encode_text(value)
    assert header.isascii()
    assert header.isprintable()
    assert header == header.strip() != ''
    assert decode_text(header) == value


@pytest.mark.parametrize('header', ['=?UTF-8?B?_?=', '=?UTF-8?B?/w==?=', '=?ISO-8859-1?Q?x?=', 'plain'])
def test_a_header_of_another_program_stays_as_it_is(header: str) -> None:
    assert decode_text(header) == header


@pytest.mark.parametrize(
    'name', ['a b.txt', ' a ', 'ü.txt', 'a"b;c\'d', '100%22.txt', '%', "UTF-8''a", 'a;filename=b', '\u0301']
)
def test_a_download_name_comes_back_from_its_header(name: str) -> None:
    assert download_name_of(attachment(name)) == name


@pytest.mark.parametrize(
    ('header', 'name'),
    [
        (None, None),
        ('', None),
        ('inline', None),
        ('inline; filename=a.txt', None),
        ('attachment', None),
        ('attachment; filename="a b.txt"', 'a b.txt'),
        ('attachment; filename="a.txt"; filename*=UTF-8\'\'%C3%BC.txt', 'ü.txt'),
        ('attachment; filename="../a"', None),
    ],
)
def test_the_download_name_is_read_from_a_header(header: str | None, name: str | None) -> None:
    assert download_name_of(header) == name
