from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

import flask_fs as fs
from flask_fs.files import DEFAULTS, IMAGES, contains, extension, lower_extension, mime, mime_type


def test_groups_are_joined_with_groups_lists_and_tuples() -> None:
    assert fs.TEXT + ['exe'] == ('txt', 'md', 'exe')
    assert ['exe'] + fs.TEXT == ('exe', 'txt', 'md')
    assert ('exe',) + fs.TEXT == ('exe', 'txt', 'md')
    assert isinstance(fs.TEXT + fs.IMAGES, fs.FileTypes)


def test_text_is_added_by_its_words() -> None:
    assert fs.FileTypes('png') + 'heic tif' == ('png', 'heic', 'tif')
    assert 'heic tif' + fs.FileTypes('png') == ('heic', 'tif', 'png')


def test_a_part_of_a_text_is_no_extension_of_it() -> None:
    assert [ext for ext in ('jpg', 'PNG', '', 'p', 'pn', 'jp', 'jpg png') if contains('jpg png', ext)] == ['jpg', 'PNG']


def test_a_group_is_kept_in_lower_case_without_dots() -> None:
    assert fs.FileTypes(['.JPG', 'Png']) == ('jpg', 'png')


def test_all_takes_everything_and_none_nothing() -> None:
    assert 'exe' in fs.ALL
    assert '' in fs.ALL
    assert 'txt' not in fs.NONE


@pytest.mark.parametrize(
    'refused',
    [['exe'], ['EXE'], ('exe',), {'exe'}, ['.exe'], frozenset({'.Exe'}), 'sh exe', '.exe,.sh', fs.EXECUTABLES],
)
def test_all_except_refuses_however_it_is_written(refused: object) -> None:
    types = fs.AllExcept(refused)  # type: ignore[arg-type]  # an object to pytest, a container to us
    assert 'exe' not in types
    assert 'EXE' not in types
    assert 'txt' in types


def test_the_open_groups_are_shown_as_they_are_written() -> None:
    assert (repr(fs.ALL), repr(fs.AllExcept(('exe', 'sh')))) == ('All()', "AllExcept(('exe', 'sh'))")


def test_a_container_of_ones_own_is_asked_for_the_lower_case() -> None:
    class Asked:
        questions: list[object] = []  # noqa: RUF012  # looked at through the class

        def __contains__(self, item: object) -> bool:
            self.questions.append(item)
            return False

    assert not contains(Asked(), 'PNG')
    assert Asked.questions == ['png']


@pytest.mark.parametrize(
    ('filename', 'ext'),
    [('a.txt', 'txt'), ('A.TXT', 'txt'), ('a.tar.gz', 'gz'), ('a', ''), ('a.', ''), ('.profile', ''), ('x.d/a', '')],
)
def test_the_extension_follows_the_last_dot_of_the_last_part(filename: str, ext: str) -> None:
    assert extension(filename) == ext


@pytest.mark.parametrize(
    'tail',
    [
        '.',
        '...',
        ' ',
        '. .',
        '/',
        '/.',
        '\\',
        '\t',
        '\xa0',
        '\u2003',
        '\u3000',
        '\u200b',
        '\u202e',
        '\u2063',
        '\u206a',
        '\ufe0f',
        '\u3164',
        '\U000e0041',
        '\ufeff',
        '%20',
        '%2E',
        '%00',
        '%2f',
    ]
    + ['::$DATA', ':a', ':$DATA.', ' :a', '.:a', '::$DATA::$DATA', '.:a.:b', ':%20'],
)
def test_what_systems_and_servers_drop_at_the_end_is_no_extension(tail: str) -> None:
    assert extension(f'a.b/x.PHP{tail}') == 'php'
    assert extension(f'a.b/x{tail}') == ''
    assert mime_type('x.pdf') == mime_type(f'x.PDF{tail}')


@pytest.mark.parametrize(
    'name', ['notes 12:30.txt', 'a.php:x.txt', 'x.php%20.txt', 'x.php .txt', '100%.txt', '.:a.txt']
)
def test_what_is_dropped_only_at_the_end_counts_before_it(name: str) -> None:
    assert extension(name) == 'txt'


@pytest.mark.parametrize('name', ['x.jſ', 'x.J\u017f', 'x.j\u200ds', 'x.\u2060js', 'x.j\ufe0fs\ufe0f.', 'x.j\u3164S'])
def test_what_file_systems_take_for_the_same_extension_is_the_same(name: str) -> None:
    assert extension(name) == 'js'
    assert extension(name) not in fs.AllExcept(['js'])


def test_a_long_tail_is_read_in_no_time() -> None:
    assert extension('x.php' + ' .%20' * 100_000) == 'php'
    assert extension('a.x' + '.:b' * 100_000) == 'x'


def test_only_the_extension_becomes_lower_case() -> None:
    assert lower_extension('X.PHP.') == 'X.php.'
    assert lower_extension('Dir.X/Photo.JPG') == 'Dir.X/Photo.jpg'
    assert lower_extension('README') == 'README'


@pytest.mark.parametrize(
    ('filename', 'expected'),
    [
        ('a.png', 'image/png'),
        ('a.webp', 'image/webp'),
        ('a.heic', 'image/heic'),
        ('a.jfif', 'image/jpeg'),
        ('a.SVG', 'image/svg+xml'),
        ('a.svgz', 'application/gzip'),
        ('a.tar.gz', 'application/gzip'),
        ('a.html', 'text/html'),
        ('a.unheard-of', 'application/octet-stream'),
        ('a', 'application/octet-stream'),
    ],
)
def test_the_media_type_comes_from_the_extension(filename: str, expected: str) -> None:
    assert mime_type(filename) == expected
    assert (None if expected == 'application/octet-stream' else expected) == mime(filename)


def test_a_media_type_that_no_extension_suggests_is_the_default() -> None:
    assert [
        mime('a'),
        mime('a', 'text/plain'),
        mime('a.png', default='text/plain'),
    ] == [None, 'text/plain', 'image/png']


@pytest.mark.parametrize('ext', ['txt', 'exe', ''])
def test_nothing_is_in_what_disallows_all(ext: str) -> None:
    assert ext not in fs.DisallowAll()
    assert ext in fs.AllExcept(fs.DisallowAll())
    assert repr(fs.DisallowAll()) == 'DisallowAll()'


def test_heic_is_an_image_where_it_can_be_read() -> None:
    assert 'jfif' in IMAGES
    readable = all(importlib.util.find_spec(name) for name in ('flask_fs_images', 'pillow_heif'))
    assert readable == ('heic' in IMAGES) == ('heif' in IMAGES) == ('heic' in DEFAULTS)


@pytest.mark.parametrize('missing', ['flask_fs_images', 'pillow_heif'])
def test_heic_is_no_image_where_a_library_is_missing(missing: str) -> None:
    code = f'import sys; sys.modules[{missing!r}] = None; import flask_fs; sys.exit("heic" in flask_fs.IMAGES)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
