"""What save() does where a name is taken: conflict='error', 'rename' and 'replace'."""

from __future__ import annotations

import gzip
import io
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends.memory import MemoryBackend

AppFactory = Callable[..., Flask]


class OnceReadable:
    """A source with only ``read``, as the body of a request has it."""

    def __init__(self, content: bytes | str) -> None:
        self._stream: Any = io.BytesIO(content) if isinstance(content, bytes) else io.StringIO(content)

    def read(self, size: int = -1) -> Any:
        return self._stream.read(size)


def keep_both(storage: fs.Storage, content: Any, filename: str | None = 'a.txt', **how: Any) -> str:
    return storage.save(
        io.BytesIO(content) if isinstance(content, bytes) else content, filename, conflict='rename', **how
    )


def test_both_files_are_kept(app: Flask, storage: fs.Storage) -> None:
    given = [keep_both(storage, bytes([number])) for number in range(4)]
    assert given == ['a.txt', 'a_1.txt', 'a_2.txt', 'a_3.txt']
    assert [storage.read(name) for name in given] == [bytes([number]) for number in range(4)]


def test_the_next_name_is_in_the_same_folder(app: Flask, storage: fs.Storage) -> None:
    storage.write('a_1.txt', '')
    names = [keep_both(storage, b'1', prefix='p', upload_to='up/in') for _ in range(2)]
    assert names == ['up/in/p/a.txt', 'up/in/p/a_1.txt']


def test_a_view_names_what_it_kept(app: Flask, storage: fs.Storage) -> None:
    view = storage.scoped('t')
    assert [keep_both(view, b'1', 'in/a') for _ in range(2)] == ['in/a', 'in/a_1']
    assert sorted(storage.list_files()) == ['t/in/a', 't/in/a_1']


def test_error_and_replace_say_what_overwrite_says(app: Flask, storage: fs.Storage) -> None:
    for default in (False, True):
        storage.overwrite = default
        storage.write('a', 'old', overwrite=True)
        for overwrite in (None, False):
            with pytest.raises(fs.FileExists):
                storage.save(io.BytesIO(b'new'), 'a', overwrite=overwrite, conflict='error')
        assert storage.read('a') == b'old'
        for replacing in (None, True):
            assert storage.save(io.BytesIO(b'new'), 'a', overwrite=replacing, conflict='replace') == 'a'
        assert storage.read('a') == b'new'
        assert keep_both(storage, b'both', 'a') == f'a_{default + 1}'
        assert keep_both(storage, b'both', f'b{default}', overwrite=False) == f'b{default}'


@pytest.mark.parametrize(
    'how',
    [
        {'conflict': 'rename', 'overwrite': True},
        {'conflict': 'error', 'overwrite': True},
        {'conflict': 'replace', 'overwrite': False},
        {'conflict': 'rename', 'if_match': 'x'},
        {'conflict': 'error', 'if_match': 'x'},
        {'overwrite': False, 'if_match': 'x'},
        {'conflict': 'keep'},
        {'conflict': ''},
        {'conflict': True},
    ],
)
def test_what_contradicts_itself_is_a_mistake_of_the_caller(app: Flask, storage: fs.Storage, how: Any) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError('it was read')

    with pytest.raises(ValueError, match=r'conflict|overwrite'):
        storage.save(Untouched(), 'a', **how)
    assert list(storage.list_files()) == []


def test_one_version_is_replaced_whatever_the_storage_says(make_app: AppFactory) -> None:
    for default in (False, True):
        storage = fs.Storage('files', fs.ALL, overwrite=default)
        with make_app(storage, FS_BACKEND='memory').app_context():
            storage.write('a', 'one')
            first = storage.stat('a').etag
            assert storage.save(io.BytesIO(b'two'), 'a', if_match=first) == 'a'
            for how in ({}, {'overwrite': True}, {'conflict': 'replace'}):
                with pytest.raises(fs.Changed):
                    storage.save(io.BytesIO(b'three'), 'a', if_match=first, **how)
            with pytest.raises(fs.Changed):
                storage.write('a', 'three', if_match=first)
            with pytest.raises(fs.Changed):
                storage.write('absent', 'three', True, if_match=first)
            storage.write('a', 'three', True, if_match=storage.stat('a').etag)
            assert {name: storage.read(name) for name in storage.list_files()} == {'a': b'three'}


# --- Sources.


def sources(tmp_path: Path) -> Iterator[tuple[str, Callable[[bytes], Any]]]:
    def real(content: bytes) -> Any:
        path = tmp_path / 'real'
        path.write_bytes(b'skipped' + content)
        file = path.open('rb')
        file.seek(7)
        return file

    def path(content: bytes) -> Any:
        (tmp_path / 'path').write_bytes(content)
        return tmp_path / 'path'

    def upload(content: bytes) -> Any:
        stream = io.BytesIO(b'skipped' + content)
        stream.seek(7)
        return FileStorage(stream, 'other.txt')

    yield 'real', real
    yield 'path', path
    yield 'upload', upload
    yield 'once', OnceReadable
    yield 'upload once', lambda content: FileStorage(OnceReadable(content), 'other.txt')  # type: ignore[arg-type]
    yield 'compressed', lambda content: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content)))
    yield 'text', lambda content: io.StringIO(content.decode())
    yield 'text once', lambda content: OnceReadable(content.decode())


@pytest.mark.parametrize('checks', [{}, {'CHECK_CONTENT': False}, {'MAX_BYTES': 1_100_000}], ids=str)
@pytest.mark.parametrize('validators', [0, 1])
def test_every_source_is_stored_whole_under_the_third_name(
    make_app: AppFactory, tmp_path: Path, checks: dict[str, Any], validators: int
) -> None:
    """Larger than what is kept in memory, on a backend that reads all of it before it refuses, and on one that does not."""
    content = b'0123456789' * 110_000
    seen: list[bytes] = []
    storage = fs.Storage('files', fs.ALL, validators=[lambda file, name: seen.append(file.read())] * validators)

    class Late(MemoryBackend):
        def _put(self, name: str, stream: Any, **how: Any) -> Any:
            return super()._put(name, io.BytesIO(stream.read()), **how)

    for backend in ('local', Late):
        with make_app(
            storage, FS_BACKEND=backend, **{f'FILES_FS_{key}': value for key, value in checks.items()}
        ).app_context():
            for kind, make in sources(tmp_path):
                for name in ('x', 'x_1'):
                    storage.write(f'{kind}/{name}.txt', '')
                seen.clear()
                file = make(content)
                assert keep_both(storage, file, f'{kind}/x.txt') == f'{kind}/x_2.txt', kind
                assert storage.read(f'{kind}/x_2.txt') == content, kind
                assert seen == [content] * validators, kind
                if kind in ('real', 'upload'):
                    # Left where it was, so that it can be saved again.
                    assert file.tell() == 7
                if kind == 'real':
                    file.close()


def test_what_is_too_large_is_neither_stored_nor_read_to_its_end(make_app: AppFactory) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory', FILES_FS_MAX_BYTES=1000).app_context():
        storage.write('a.txt', '')
        endless = OnceReadable(b'x' * 100_000_000)
        with pytest.raises(fs.FileTooLarge):
            keep_both(storage, endless)
        assert endless._stream.tell() < 10_000_000
        assert list(storage.list_files()) == ['a.txt']


def test_a_backend_that_refuses_early_reads_nothing_for_the_names_that_are_taken(make_app: AppFactory) -> None:
    read: list[str] = []

    class Early(MemoryBackend):
        def _put(self, name: str, stream: Any, **how: Any) -> Any:
            if self.exists(name):
                raise self.error(fs.FileExists, name)
            read.append(name)
            return super()._put(name, stream, **how)

    class Counted(io.BytesIO):
        size = 0

        def read(self, *args: Any) -> bytes:
            Counted.size += len(chunk := super().read(*args))
            return chunk

    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND=Early, FILES_FS_CHECK_CONTENT=False).app_context():
        for name in ('a', 'a_1', 'a_2'):
            storage.write(name, '')
        read.clear()
        assert keep_both(storage, Counted(b'x' * 5000), 'a') == 'a_3'
    assert (read, Counted.size) == (['a_3'], 5000)


def test_a_source_that_does_not_seek_back_after_all_is_never_stored_in_part(app: Flask, storage: fs.Storage) -> None:
    class Stuck(io.BytesIO):
        def seek(self, *_: Any) -> int:
            raise OSError('no')

    storage.write('a', 'old')
    with pytest.raises(fs.FileExists):
        keep_both(storage, Stuck(b'new'), 'a')
    assert list(storage.list_files()) == ['a']


def test_an_error_of_the_source_is_raised_as_it_is(app: Flask, storage: fs.Storage) -> None:
    class Broken:
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError('lost')

    storage.write('a', 'old')
    with pytest.raises(ConnectionResetError):
        keep_both(storage, Broken(), 'a')
    assert list(storage.list_files()) == ['a']


# --- Races.


def test_of_many_who_keep_both_each_has_a_name_of_its_own(app: Flask, storage: fs.Storage) -> None:
    start = threading.Barrier(12)

    def send(number: int) -> tuple[str, bytes]:
        with app.app_context():
            content = b'%d' % number * 1000
            make: Callable[[bytes], Any] = OnceReadable if number % 2 else io.BytesIO
            start.wait()
            return storage.save(make(content), 'race.txt', conflict='rename'), content

    with ThreadPoolExecutor(12) as pool:
        stored = dict(pool.map(send, range(12)))
    assert len(stored) == 12
    assert {name: storage.read(name) for name in storage.list_files()} == stored


def test_a_name_that_is_taken_between_looking_and_saving_is_left_alone(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, lost = storage.resolve_conflict, itertools.count()

    def lose(folder: str, basename: str) -> str:
        name = resolve(folder, basename)
        if next(lost) < 3:
            storage.write(name, 'first')
        return name

    monkeypatch.setattr(storage, 'resolve_conflict', lose)
    storage.write('a', 'first')
    assert keep_both(storage, b'mine', 'a') == 'a_4'
    assert [storage.read(name) for name in ('a', 'a_1', 'a_2', 'a_3', 'a_4')] == [b'first'] * 4 + [b'mine']


def test_a_name_that_is_free_again_is_used_after_all(
    app: Flask, storage: fs.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, calls = storage.resolve_conflict, itertools.count()

    def churn(folder: str, basename: str) -> str:
        name = resolve(folder, basename)
        if (call := next(calls)) < 6:
            # Somebody else has it for a moment.
            storage.write('a_1', '') if call % 2 == 0 else storage.remove('a_1')
        return 'a_1' if name == 'a_2' else name

    monkeypatch.setattr(storage, 'resolve_conflict', churn)
    storage.write('a', 'first')
    assert keep_both(storage, b'mine', 'a') == 'a_1'
    assert storage.read('a_1') == b'mine'


# --- Overridden.


class Copies(fs.Storage):
    calls: list[tuple[str, str]]

    def resolve_conflict(self, target_folder: str, basename: str) -> str:
        self.calls.append((target_folder, basename))
        stem, _, ext = basename.rpartition('.')
        return f'{stem} (copy {len(self.calls)}).{ext}'


@pytest.fixture
def copies(make_app: AppFactory, kind: str) -> Iterator[Copies]:
    storage = Copies('files', fs.TEXT)
    storage.calls = []
    with make_app(storage, FS_BACKEND=kind).app_context():
        yield storage


def test_an_application_chooses_the_names(copies: Copies) -> None:
    copies.write('d/a.txt', '')
    copies.write('d/a (copy 1).txt', '')
    assert keep_both(copies, b'1', 'd/a.txt') == 'd/a (copy 2).txt'
    assert copies.calls == [('d', 'a.txt')] * 2


@pytest.mark.parametrize('name', ['other.txt', 'ünïcode 火.txt', '.hidden.txt', "it's.txt"])
def test_it_may_return_any_basename(copies: Copies, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(copies, 'resolve_conflict', lambda folder, basename: name)
    copies.write('d/a.txt', '')
    assert keep_both(copies, b'1', 'd/a.txt') == f'd/{name}'


@pytest.mark.parametrize('name', ['../x.txt', '..', '', 'a\0.txt', 'a\\b.txt'])
def test_it_cannot_lead_out_of_the_storage(copies: Copies, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(copies, 'resolve_conflict', lambda folder, basename: name)
    for folder in ('', 'd/'):
        copies.write(f'{folder}a.txt', '')
        for storage in (copies, copies.scoped('t')):
            storage.write(f'{folder}a.txt', '', overwrite=True)
            with pytest.raises(fs.FSError):
                keep_both(storage, b'1', f'{folder}a.txt')
    assert len(list(copies.list_files())) == 4


def test_it_gets_no_type_past_the_storage(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, 'resolve_conflict', lambda folder, basename: 'a.exe')
    copies.write('a.txt', '')
    with pytest.raises(fs.UnauthorizedFileType):
        keep_both(copies, b'1')
    assert list(copies.list_files()) == ['a.txt']


def test_the_same_name_for_ever_is_an_error(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, 'resolve_conflict', lambda folder, basename: 'b.txt')
    copies.write('a.txt', '')
    copies.write('b.txt', '')
    with pytest.raises(fs.FileExists, match=r"resolve_conflict\(\) keeps returning 'b.txt'"):
        keep_both(copies, b'1')
    monkeypatch.setattr(copies, 'resolve_conflict', lambda folder, basename: basename)
    with pytest.raises(fs.FileExists, match='keeps returning'):
        keep_both(copies, OnceReadable(b'1'))


def test_a_folder_of_that_name_is_kept_too(make_app: AppFactory) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage).app_context():
        storage.write('a/b', '')
        assert keep_both(storage, b'1', 'a') == 'a_1'


def test_no_other_name_helps_where_a_file_is_in_place_of_the_folder(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage).app_context():
        storage.write('a', '')
        with pytest.raises(fs.FileExists, match='part of its path'):
            keep_both(storage, b'1', 'a/b')
        count = itertools.count()
        monkeypatch.setattr(storage, 'resolve_conflict', lambda *_: f'name {next(count)}')
        with pytest.raises(fs.FileExists, match='part of its path'):
            keep_both(storage, b'1', 'a/b')


def test_a_name_at_the_limit_is_shortened(app: Flask, storage: fs.Storage) -> None:
    longest = 'x' * 251 + '.txt'
    names = [keep_both(storage, b'1', longest) for _ in range(3)]
    assert names == [longest, 'x' * 249 + '_1.txt', 'x' * 249 + '_2.txt']


# --- Doubles and custom backends.


def test_a_double_is_called_as_documented(app: Flask, storage: fs.Storage) -> None:
    double = MagicMock()
    double.exists.side_effect = lambda name: name in ('a', 'a_1')
    storage.backend = double
    file = io.BytesIO(b'1')
    assert storage.save(file, 'a', conflict='rename') == 'a_2'
    double.save.assert_called_once_with(file, 'a_2')


def test_a_custom_backend_keeps_both_as_well_as_it_can(make_app: AppFactory) -> None:
    class Custom(fs.BaseBackend):
        files: ClassVar[dict[str, bytes]] = {}

        def exists(self, filename: str) -> bool:
            return filename in self.files

        def write(self, filename: str, content: Any, *_: Any) -> Any:
            self.files[filename] = self.as_binary(content)

    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND=Custom).app_context():
        names = [keep_both(storage, OnceReadable(b'%d' % number), 'a') for number in range(3)]
    assert names == ['a', 'a_1', 'a_2']
    assert Custom.files == {'a': b'0', 'a_1': b'1', 'a_2': b'2'}
