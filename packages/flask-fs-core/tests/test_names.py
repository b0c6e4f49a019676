from __future__ import annotations

import io
import itertools
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs import names
from flask_fs.backends.memory import MemoryBackend

HOSTILE = [
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    'a/../b',
    'a/..',
    '.',
    './a',
    'a/./b',
    'a/.',
    'a//b',
    'a/',
    '//a',
    'a\\b',
    '..\\x',
    'C:\\x',
    'a\0b',
    '\0',
    'a\nb',
    'a\rb',
    'a\x1bb',
    'a\x7fb',
    'a\x85b',
    'a\ud800b',
    '.fs-tmp-1',
    'a/.fs-tmp-1',
    '.FS-TMP-1/a',
    'a/.Fs-tmp-',
    'a' * 1025,
    'é' * 513,
    f'{"a/" * 512}ab',
]

ODD = [
    'a b',
    ' a ',
    'a#b',
    'a?b=c',
    'a%20b',
    'a%2Fb',
    '%2e%2e/x',
    'a+b',
    'a&b;c',
    "it's",
    'say "hi"',
    'a:b',
    'a@b',
    'a,b',
    'a*b',
    '<b>',
    'a|b',
    '~a',
    '$HOME',
    '`id`',
    '{a}[b]',
    'été',
    'e\u0301te\u0301',
    '日本語.png',
    '🎉.png',
    '\u202egnp.exe',
    'a\u200bb',
    'a\xa0b',
    '.hidden',
    '.hidden/.a',
    '...',
    '..a',
    'a..',
    'a.b.c.d',
    '-rf',
    'con',
    'a/b/c/d/e/f.txt',
    'x' * 255,
    '/'.join(['y' * 200] * 5),
]

VERBS = {
    'save': lambda s, n: s.save(io.BytesIO(b'x'), n),
    'save under a prefix': lambda s, n: s.save(io.BytesIO(b'x'), 'x', prefix=n or '..'),
    'write': lambda s, n: s.write(n, b'x'),
    'read': lambda s, n: s.read(n),
    'read_chunks': lambda s, n: s.read_chunks(n),
    'open': lambda s, n: s.open(n),
    'open to write': lambda s, n: s.open(n, 'w'),
    'open to create': lambda s, n: s.open(n, 'xb'),
    'exists': lambda s, n: s.exists(n),
    'in': lambda s, n: n in s,
    'stat': lambda s, n: s.stat(n),
    'metadata': lambda s, n: s.metadata(n),
    'delete': lambda s, n: s.delete(n),
    'copy from': lambda s, n: s.copy(n, 'x'),
    'copy to': lambda s, n: s.copy('present', n),
    'move from': lambda s, n: s.move(n, 'x'),
    'move to': lambda s, n: s.move('present', n),
    'transfer from': lambda s, n: s.transfer(n, s, 'x'),
    'transfer to': lambda s, n: s.transfer('present', s, n),
    'path': lambda s, n: s.path(n),
    'local_file': lambda s, n: s.local_file(n).__enter__(),
    'serve': lambda s, n: s.serve(n),
    'url': lambda s, n: s.url(n),
    'signed_url': lambda s, n: s.signed_url(n),
    'resolve_conflict': lambda s, n: s.resolve_conflict('..', n),
}
# Slashes around a prefix, and before the name given to url(), are dropped.
TOLERANT = {('save under a prefix', name) for name in HOSTILE if names.is_valid(names.join(name))} | {
    ('save under a prefix', '/'),
    *(('url', name) for name in HOSTILE if names.is_valid(name.removeprefix('/'))),
}


@pytest.mark.parametrize('verb', VERBS)
def test_a_hostile_name_is_refused_before_the_backend_sees_it(
    app: Flask, storage: fs.Storage, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write('present', b'x')
    for hook in (
        '_open',
        '_put',
        '_stat',
        '_scan',
        '_names',
        '_remove',
        '_delete',
        '_copy',
        '_move',
    ):
        monkeypatch.setattr(storage.backend, hook, lambda *_, **__: pytest.fail('the backend was asked'))
    for name in HOSTILE:
        if (verb, name) not in TOLERANT:
            with pytest.raises(fs.InvalidFilename):
                VERBS[verb](storage, name)


def test_a_hostile_name_is_refused_by_the_backend_itself(app: Flask, storage: fs.Storage) -> None:
    backend = storage.backend
    for name in HOSTILE:
        for verb in (backend.exists, backend.read, backend.delete, backend.stat, backend.serve, backend.metadata):
            with pytest.raises(fs.InvalidFilename):
                verb(name)
        with pytest.raises(fs.InvalidFilename):
            backend.write(name, b'x')


@pytest.mark.parametrize('name', ODD, ids=ascii)
def test_an_odd_name_makes_the_round_trip(app: Flask, storage: fs.Storage, name: str) -> None:
    assert storage.save(io.BytesIO(b'content'), name) == name
    assert list(storage.list_files()) == [name]
    assert [info.name for info in storage.scan()] == [name]
    assert storage.read(name) == b'content'
    response = app.test_client().get(storage.url(name))
    assert (response.status_code, response.data) == (200, b'content')
    signed = storage_url_with_server_name(app, storage, name)
    assert app.test_client().get(signed).data == b'content'
    storage.delete(name)
    assert list(storage.list_files()) == []


def storage_url_with_server_name(app: Flask, storage: fs.Storage, name: str) -> str:
    with app.test_request_context():
        return storage.signed_url(name)


def test_names_in_composed_and_decomposed_form_are_two_files(app: Flask, storage: fs.Storage) -> None:
    storage.write('\u00e9', b'composed')
    storage.write('e\u0301', b'decomposed')
    assert storage.read('\u00e9') == b'composed'
    assert storage.read('e\u0301') == b'decomposed'


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('', 'empty'),
        ('/a', 'begins with a slash'),
        ('a//b', 'two slashes in a row'),
        ('a/../b', "'..' part"),
        ('a\\b', 'backslash'),
        ('a\nb', 'control character'),
        ('a\udfffb', 'surrogate'),
        ('.fs-tmp-x', '.fs-tmp-'),
        ('é' * 600, '1024 bytes'),
    ],
)
def test_the_refusal_says_why(name: str, reason: str) -> None:
    with pytest.raises(fs.InvalidFilename, match=reason):
        names.check(name)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(fs.InvalidFilename, match=r'a str, not (Posix|Windows)Path'):
        names.check(Path('a'))  # type: ignore[arg-type]


def test_a_subclass_of_str_is_taken_by_its_text() -> None:
    class Shouting(str):
        def __str__(self) -> str:
            return self.upper()

    assert names.check(Shouting('a')) == 'a'
    assert type(names.check(Shouting('a'))) is str


@pytest.mark.parametrize(
    ('given', 'cleaned'),
    [
        ('photo.JPG', 'photo.jpg'),
        ('My holiday  photo.png', 'My_holiday_photo.png'),
        ('../../etc/passwd', 'passwd'),
        ('C:\\Users\\me\\résumé.PDF', 'résumé.pdf'),
        ('日本語.png', '日本語.png'),
        ('e\u0301te\u0301.txt', 'été.txt'),
        ('.htaccess', 'file.htaccess'),
        ('a..b...c.txt', 'a.b.c.txt'),
        ('<script>.html', 'script.html'),
        ('???.png', 'file.png'),
        ('con.txt', '_con.txt'),
        ('com1', '_com1'),
        ('x\0y.txt', 'xy.txt'),
        ('no-extension', 'no-extension'),
        (f'{"é" * 300}.jpeg', f'{"é" * 125}.jpeg'),
        ('.fs-tmp-1.png', 'fs-tmp-1.png'),
        ('हिन्दी.pdf', 'हिन्दी.pdf'),
        ('ไทย ภาษา.pdf', 'ไทย_ภาษา.pdf'),
        ('اَلْعَرَبِيَّةُ.pdf', 'اَلْعَرَبِيَّةُ.pdf'),
        ('שָׁלוֹם.txt', unicodedata.normalize('NFC', 'שָׁלוֹם.txt')),
        ('x\u00b2 \u0663\u2167.txt', 'x\u00b2_\u0663\u2167.txt'),
        ('a.\u202egnp.exe', 'a.gnp.exe'),
        ('a\u200b\u200d\ufeff\u2066b.php\u200b', 'ab.php'),
        ('\u3164\u115f\ufe0f.png', 'file.png'),
        ('e\u200d\u0301.txt', 'é.txt'),
        ('\u0301.png', 'file.png'),
        ('COM\u00b9.txt', '_COM\u00b9.txt'),
        ('CONIN$.txt', 'CONIN.txt'),
        (f'{"a" * 250}...b.png', f'{"a" * 250}.png'),
    ],
)
def test_a_clients_name_is_cleaned(given: str, cleaned: str) -> None:
    assert names.clean(given) == cleaned
    assert names.is_valid(names.clean(given))


@pytest.mark.parametrize(
    ('filename', 'suffix', 'expected'),
    [
        ('a/b.png', '-100', 'a/b-100.png'),
        ('b', '_1', 'b_1'),
        ('a.b/c', '_1', 'a.b/c_1'),
        ('.profile', '_1', '.profile_1'),
        ('B.Tar.GZ', '_1', 'B.Tar_1.GZ'),
        ('x.php.', '_1', 'x_1.php.'),
        (f'{"x" * 251}.png', '-100', f'{"x" * 247}-100.png'),
        (f'{"п" * 125}.png', '-original', f'{"п" * 121}-original.png'),
        (f'{"🎉" * 60}a.png', '-1000000000', f'{"🎉" * 60}-1000000000.png'),
        (f'{"x/" * 500}{"п" * 10}.png', '-100', f'{"x/" * 500}{"п" * 8}-100.png'),
        (f'a.{"x" * 253}', '-100', f'a-100.{"x" * 126}'),
    ],
)
def test_a_suffix_stands_before_the_extension_and_always_fits(filename: str, suffix: str, expected: str) -> None:
    given = names.with_suffix(filename, suffix)
    assert expected == given
    assert len(given.encode()) <= 1024
    assert len(given.rpartition('/')[2].encode()) <= 255


def test_a_folder_that_leaves_no_room_for_a_suffix_is_refused() -> None:
    with pytest.raises(fs.InvalidFilename, match='1024 bytes'):
        names.with_suffix(f'{"x/" * 510}a.b', '-100')


@pytest.mark.parametrize('given', ['', '...', '///', '??', '_'])
def test_a_clients_name_of_which_nothing_is_left_is_refused(given: str) -> None:
    with pytest.raises(fs.InvalidFilename, match='pass filename='):
        names.clean(given)


@pytest.mark.parametrize(
    'odd', ['', '/a', 'a/', 'a//b', './a', 'a/..', 'a\\b', 'a\x1f', 'a\x7f', '.FS-tmp-1', 'é' * 513]
)
@pytest.mark.parametrize('count', [0, 1, 2, 1100])
def test_what_no_verb_takes_is_left_out_among_however_many(odd: str, count: int) -> None:
    # Long ones here and there.
    some = [
        f'{number}/{name}' for number in range(count) for name in ('x.txt', '.x', 'n' * 1000)[: 2 + (number % 100 == 0)]
    ]
    assert list(names.filter_valid([odd, *some])) == some
    assert list(names.filter_valid([*some, odd])) == some
    assert list(names.filter_valid([*some[: count // 2], odd, *some[count // 2 :]])) == some
    plain = [f'{number}/x.txt' for number in range(count)]
    assert plain == list(names.filter_valid([odd, *plain])) == list(names.filter_valid(iter([*plain, odd])))


def test_few_of_many_names_are_looked_at_when_few_are_asked_for() -> None:
    listed = (str(number) for number in itertools.count())
    assert list(itertools.islice(names.filter_valid(listed), 3)) == ['0', '1', '2']
    assert int(next(listed)) <= 4


def test_what_no_verb_takes_is_not_listed(make_app: Callable[..., Flask]) -> None:
    class Foreign(MemoryBackend):
        """A store that holds, under a key prefix, what other programs have put there."""

        def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
            found = ['', 'ok', '/lead', 'a//b', './x', '.fs-tmp-1', 'a/', 'a/b', 'n' * 1024, 'n' * 1025]
            return (fs.FileInfo(f'p/{name}', 0, None, '') for name in found if f'p/{name}'.startswith(prefix))

    storage = fs.Storage('docs')
    with make_app(storage, DOCS_FS_BACKEND=Foreign, DOCS_FS_PREFIX='p').app_context():
        assert list(storage.list_files()) == ['ok', 'a/b', 'n' * 1024]
        assert [info.name for info in storage.scan()] == ['ok', 'a/b', 'n' * 1024]
        assert list(storage.list_files('a')) == ['a/b']


@pytest.mark.parametrize(
    ('prefix', 'possible'),
    [
        ('', True),
        ('a', True),
        ('a/', True),
        ('.', True),
        ('..', True),
        ('../', False),
        ('/', False),
        ('a//', False),
        ('n' * 1024, True),
        ('n' * 1025, False),
    ],
)
def test_a_prefix_is_told_from_what_begins_no_name(prefix: str, possible: bool) -> None:
    assert names.is_valid_prefix(prefix) == possible


@pytest.mark.parametrize('folder', ['', 'a/', 'a/b c/', 'fol\\der/', '.fs-tmp-x/', 'x' * 1000 + '/'])
@pytest.mark.parametrize('odd', ['.hidden', '.fs-tmp-1', 'a\\b', 'a\nb', 'bad\udcff', 'é' * 250, 'é', 'x' * 255])
def test_the_names_of_a_folder_are_those_that_are_valid_one_by_one(folder: str, odd: str) -> None:
    for listed in ([], [odd], [odd, 'plain'], ['plain', odd], ['plain', 'other']):
        assert names.valid_in_folder(folder, listed) == [
            folder + name for name in listed if names.is_valid(folder + name)
        ]
