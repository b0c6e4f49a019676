"""Names on Windows, whose rules for paths Python has everywhere as ntpath."""

from __future__ import annotations

import ntpath
import os
import types
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

import flask_fs as fs
from flask_fs import names
from flask_fs.backends import local
from flask_fs.backends.local import LocalBackend

ROOT = 'D:\\app\\fs'
REFUSED = [
    'C:/Windows/win.ini',
    'C:Windows/win.ini',
    'C:x',
    'D:../letters/will.pdf',
    'c:',
    'a/D:/x',
    'a.txt:stream',
    'a.txt::$DATA',
    'a.php::$INDEX_ALLOCATION',
    'a:b/c',
    'CON',
    'con',
    'nul.txt',
    'NUL.tar.gz',
    'aux/b.txt',
    'a/prn',
    'com1',
    'COM9.log',
    'lpt1.x',
    'COM\u00b9',
    'com\u00b2.txt',
    'LPT\u00b3.a.b',
    'CONIN$',
    'conout$.txt',
    'con .txt',
    'CON  ',
    'a.html.',
    'a.html ',
    'a.html. .',
    'a./b',
    'a /b',
    '...',
    '. .',
    'a/. ',
    'x?',
    'a*b',
    'a|b',
    '<a>',
    'say "hi"',
    '?/C:/x',
    'PROGRA~1',
    'secret~1.txt',
    'a/PASSW~12.TXT',
    '~1',
]
ALLOWED = [
    'a.txt',
    'a/b/c.txt',
    ' a',
    '.hidden',
    'a.b.c',
    'console.txt',
    'com10.txt',
    'com',
    'my-con',
    'a.con',
    'communication',
    'nul_.txt',
    'a~b.txt',
    'backup~',
    'a much longer name~1.txt',
    'photo~1.jpeg',
    'été',
    '日本語.png',
    '$HOME',
    'a\xa0',
    'a;b',
    "it's",
]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    there = types.SimpleNamespace(**{**vars(os), 'path': ntpath, 'sep': '\\', 'name': 'nt'})
    monkeypatch.setattr(local, 'os', there)


@pytest.fixture
def backend(windows: None) -> LocalBackend:
    return LocalBackend('docs', {'root': ROOT})


@pytest.mark.parametrize('name', REFUSED)
def test_what_windows_reads_as_something_else_is_refused(backend: LocalBackend, name: str) -> None:
    for verb in (backend.path, backend.read, backend.exists, backend.delete, backend.remove, backend.stat):
        with pytest.raises(fs.InvalidFilename, match='Windows'):
            verb(name)
    with pytest.raises(fs.InvalidFilename, match='Windows'):
        backend.write(name, b'content')
    with pytest.raises(fs.InvalidFilename, match='Windows'):
        backend.move(name, 'a')


@pytest.mark.parametrize('name', ALLOWED)
def test_other_names_are_paths_under_the_root(backend: LocalBackend, name: str) -> None:
    assert ntpath.normpath(f'{ROOT}\\{name}') == ntpath.normpath(backend.path(name))


@given(st.text(alphabet='aC:D./\\ ~1$?*\x00\x1f\u00b9conulx|', min_size=1, max_size=20))
def test_no_name_leads_out_of_the_root(name: str) -> None:
    if not names.is_valid(name) or names.windows_refusal(name):
        return
    # Whatever the drive and folder of the process are.
    path = ntpath.normpath(ntpath.join(ROOT, name))
    assert path.startswith(f'{ROOT}\\')
    assert path == f'{ROOT}\\{name}'.replace('/', '\\')
    assert ':' not in path[2:]


@pytest.mark.parametrize('prefix', ['C:/', 'con/', 'a./', 'D:../x/'])
def test_a_prefix_with_which_no_name_begins_finds_nothing(backend: LocalBackend, prefix: str) -> None:
    assert list(backend.list_files(prefix)) == []
    assert list(backend.scan(prefix)) == []


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such names')
def test_what_has_such_a_name_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend('docs', {'root': str(tmp_path)})
    for name in ('a', 'b/c', 'b/nul', 'con/d', 'e./f/g'):
        backend.write(name, b'')
    monkeypatch.setattr(local, 'os', types.SimpleNamespace(**{**vars(os), 'name': 'nt'}))
    assert set(backend.list_files()) == {info.name for info in backend.scan()} == {'a', 'b/c'}


def test_a_request_for_such_a_name_finds_nothing(windows: None, tmp_path: Path) -> None:
    app, storage = Flask('app', instance_path=str(tmp_path)), fs.Storage('docs', fs.ALL)
    app.config.update(FS_SERVE=True, FS_ROOT=ROOT)
    fs.init_app(app, storage)
    client = app.test_client()
    for name in ('C:/Windows/win.ini', 'a.php::$DATA', 'CON', 'a.html.', 'PROGRA~1'):
        assert client.get(f'{storage.base_url}{name}').status_code == 404


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such names')
def test_elsewhere_these_are_names_like_others(tmp_path: Path) -> None:
    backend = LocalBackend('docs', {'root': str(tmp_path)})
    for name in filter(names.is_valid, REFUSED):
        backend.write(name, name.encode())
        assert backend.read(name) == name.encode()
        assert list(backend.list_files()) == [name]
        backend.delete(name)


@pytest.mark.parametrize('given', ['CON.txt', 'com\u00b9', 'a.txt:b', 'NUL.tar.gz', 'a.html. .', 'PROGRA~1', 'x?.png'])
def test_a_cleaned_name_is_one_on_windows_too(given: str) -> None:
    assert names.windows_refusal(names.clean(given)) is None
    assert names.windows_refusal(names.with_suffix(names.clean(given), '_1')) is None
