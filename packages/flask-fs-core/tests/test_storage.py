from __future__ import annotations

import copy
import gc
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs


class OnlyRead:
    """A source that has nothing but ``read``, and gives less than it is asked for."""

    def __init__(self, content: bytes, fail_after: int | None = None) -> None:
        self._file = io.BytesIO(content)
        self._fail_after = fail_after

    def read(self, size: int = -1) -> bytes:
        if self._fail_after is not None and self._file.tell() >= self._fail_after:
            raise OSError('the client went away')
        return self._file.read(min(size, 7) if size > 0 else 7)


def upload(content: bytes = b'content', filename: str = 'photo.png') -> FileStorage:
    return FileStorage(io.BytesIO(content), filename, content_type='text/html')


# --- save


def test_an_upload_is_saved_under_its_cleaned_name(app: Flask, storage: fs.Storage) -> None:
    assert storage.save(upload(filename='C:\\My photo.PNG')) == 'My_photo.png'
    assert storage.read('My_photo.png') == b'content'


def test_the_type_a_client_claims_is_not_kept(app: Flask, storage: fs.Storage) -> None:
    storage.save(upload())
    assert storage.stat('photo.png').mime == 'image/png'


def sources(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / 'source.bin'
    path.write_bytes(b'0123456789' * 1000)
    spooled = tempfile.SpooledTemporaryFile(max_size=100)  # noqa: SIM115
    spooled.write(b'0123456789' * 1000)
    spooled.seek(0)
    named = tempfile.NamedTemporaryFile(dir=tmp_path)  # noqa: SIM115
    named.write(b'0123456789' * 1000)
    named.seek(0)
    return {
        'file': path.open('rb'),
        'unbuffered': path.open('rb', buffering=0),
        'read and write': path.open('r+b'),
        'memory': io.BytesIO(b'0123456789' * 1000),
        'only read': OnlyRead(b'0123456789' * 1000),
        'text': io.StringIO('0123456789' * 1000),
        'text file': path.open('r', encoding='ascii'),
        'spooled': spooled,
        'upload of a spooled file': FileStorage(spooled, 'x.bin'),  # type: ignore[arg-type]
        'named temporary': named,
    }


@pytest.mark.parametrize(
    'which',
    [
        'file',
        'unbuffered',
        'read and write',
        'memory',
        'only read',
        'text',
        'text file',
        'spooled',
        'upload of a spooled file',
        'named temporary',
    ],
)
def test_any_source_is_saved_whole_and_left_open(app: Flask, storage: fs.Storage, tmp_path: Path, which: str) -> None:
    everything = sources(tmp_path)
    source = everything[which]
    try:
        storage.save(source, 'x.bin')
        assert storage.read('x.bin') == b'0123456789' * 1000
        assert not getattr(source, 'closed', False)
    finally:
        for opened in everything.values():
            getattr(opened, 'close', lambda: None)()


@pytest.mark.parametrize('which', ['file', 'unbuffered', 'memory', 'text', 'spooled', 'named temporary'])
def test_saving_starts_where_the_source_stands(app: Flask, storage: fs.Storage, tmp_path: Path, which: str) -> None:
    everything = sources(tmp_path)
    try:
        everything[which].read(9995)
        storage.save(everything[which], 'x.bin')
        assert storage.read('x.bin') == b'56789'
    finally:
        for opened in everything.values():
            getattr(opened, 'close', lambda: None)()


def test_a_path_is_saved_under_its_own_name(app: Flask, storage: fs.Storage, tmp_path: Path) -> None:
    (tmp_path / 'Report 1.pdf').write_bytes(b'%PDF')
    assert storage.save(tmp_path / 'Report 1.pdf') == 'Report_1.pdf'
    assert storage.read('Report_1.pdf') == b'%PDF'


def test_an_open_file_brings_its_name_along(app: Flask, storage: fs.Storage, tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_bytes(b'x')
    with (tmp_path / 'a.txt').open('rb') as file:
        assert storage.save(file) == 'a.txt'


@pytest.mark.parametrize('nameless', [io.BytesIO(b'x'), FileStorage(io.BytesIO(b'x')), OnlyRead(b'x')])
def test_a_source_without_a_name_needs_one(app: Flask, storage: fs.Storage, nameless: Any) -> None:
    with pytest.raises(fs.InvalidFilename, match='pass filename='):
        storage.save(nameless)


def test_what_cannot_be_read_is_refused_with_the_way_out(app: Flask, storage: fs.Storage) -> None:
    with pytest.raises(TypeError, match=r'use write\(\)'):
        storage.save(b'bytes', 'x.txt')


def test_a_compressed_file_object_is_saved_as_it_reads(app: Flask, storage: fs.Storage, tmp_path: Path) -> None:
    import gzip

    with gzip.open(tmp_path / 'x.gz', 'wb') as packed:
        packed.write(b'unpacked')
    with gzip.open(tmp_path / 'x.gz') as packed:
        storage.save(packed, 'x.txt')
    assert storage.read('x.txt') == b'unpacked'


def test_an_empty_file_is_a_file(app: Flask, storage: fs.Storage) -> None:
    storage.save(io.BytesIO(), 'empty.txt')
    assert storage.read('empty.txt') == b''
    assert storage.stat('empty.txt').size == 0
    assert list(storage.read_chunks('empty.txt')) == []


@pytest.mark.parametrize('already', [True, False])
@pytest.mark.parametrize('overwrite', [True, False])
def test_a_source_that_fails_half_way_changes_nothing(
    app: Flask, storage: fs.Storage, already: bool, overwrite: bool
) -> None:
    if already:
        storage.write('a/x.bin', 'old')
    with pytest.raises(OSError, match=r'.') as caught:
        storage.save(OnlyRead(b'n' * 5000, fail_after=2000), 'a/x.bin', overwrite=overwrite)
    # Where the name is taken, a backend may refuse before it reads.
    assert str(caught.value) == 'the client went away' or (already and not overwrite)
    assert isinstance(caught.value, fs.FileExists) or not isinstance(caught.value, fs.FSError)
    assert list(storage.list_files()) == ['a/x.bin'] * already
    if already:
        assert storage.read('a/x.bin') == b'old'


def test_folders_come_from_upload_to_and_prefix(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage('s', upload_to=lambda: '/up/')
    app = make_app(storage, FS_BACKEND=kind)
    with app.app_context():
        assert storage.save(io.BytesIO(b'x'), 'a.txt', prefix='pre/') == 'up/pre/a.txt'
        assert storage.save(io.BytesIO(b'x'), 'a.txt', prefix=lambda app: app.name) == 'up/app1/a.txt'
        assert storage.save(io.BytesIO(b'x'), 'sub/a.txt') == 'up/sub/a.txt'


@pytest.mark.parametrize(('upload_to', 'expected'), [(None, 'up/p/a.txt'), ('', 'p/a.txt'), (lambda: 'b', 'b/p/a.txt')])
def test_a_folder_of_its_own_replaces_that_of_the_storage(
    make_app: Callable[..., Flask], upload_to: Any, expected: str
) -> None:
    storage = fs.Storage('s', upload_to='up')
    fs.init_app(make_app(FS_BACKEND='memory'), storage)
    assert storage.save(io.BytesIO(b'x'), 'a.txt', 'p', upload_to=upload_to) == expected


@pytest.mark.parametrize(
    ('basename', 'expected'),
    [
        ('me', 'up/p/me.png'),
        (lambda: 'me', 'up/p/me.png'),
        (lambda app: app.name, 'up/p/app1.png'),
        ('in/me', 'up/p/in/me.png'),
        ('v1.2', 'up/p/v1.2.png'),
        ('', 'up/p/photo.png'),
        (None, 'up/p/photo.png'),
    ],
)
def test_a_basename_names_what_comes_with_a_name_of_its_own(
    make_app: Callable[..., Flask], tmp_path: Path, basename: Any, expected: str
) -> None:
    storage = fs.Storage('s', fs.ALL, upload_to='up', basename=basename)
    (tmp_path / 'Photo.PNG').write_bytes(b'3')
    with make_app(storage, FS_BACKEND='memory').app_context(), (tmp_path / 'Photo.PNG').open('rb') as file:
        for source in (FileStorage(io.BytesIO(b'1'), 'photo.PNG'), file, tmp_path / 'Photo.PNG'):
            saved = storage.save(source, prefix='p', overwrite=True)
            assert expected == saved.replace('Photo', 'photo')
        assert storage.read(saved) == b'3'


def test_a_filename_beats_the_basename(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('s', fs.ALL, basename=lambda: pytest.fail('it was called'))
    with make_app(storage, FS_BACKEND='memory').app_context():
        assert storage.save(FileStorage(io.BytesIO(b'x'), 'photo.png'), 'a.txt') == 'a.txt'
        assert storage.save(io.BytesIO(b'x'), 'b.txt') == 'b.txt'
        with pytest.raises(fs.InvalidFilename, match='has no filename'):
            storage.save(io.BytesIO(b'x'))


def test_a_basename_does_not_change_the_type_that_is_judged(make_app: Callable[..., Flask]) -> None:
    storage, hostile = fs.Storage('s', fs.IMAGES, basename='me.png'), fs.Storage('t', basename='../me')
    with make_app(storage, hostile, FS_BACKEND='memory').app_context():
        with pytest.raises(fs.UnauthorizedFileType):
            storage.save(FileStorage(io.BytesIO(b'x'), 'tool.exe'))
        with pytest.raises(fs.InvalidFilename):
            hostile.save(FileStorage(io.BytesIO(b'x'), 'photo.png'))


# --- types and sizes


def test_a_type_that_is_not_allowed_is_refused(make_app: Callable[..., Flask]) -> None:
    images = fs.Storage('images', fs.IMAGES)
    with make_app(images).app_context():
        with pytest.raises(fs.UnauthorizedFileType, match=r"'a.exe' has a type .* 'images': allowed types: jpg"):
            images.save(io.BytesIO(b'MZ'), 'a.exe')
        with pytest.raises(fs.UploadNotAllowed):
            images.save(io.BytesIO(b'x'), 'no-extension')
        assert images.save(io.BytesIO(b'x'), 'a.PNG') == 'a.PNG'
        images.write('own.exe', b'the application writes what it likes')


def test_allow_adds_and_deny_takes_away(make_app: Callable[..., Flask]) -> None:
    class Growing:
        allowed: set[str] = set()  # noqa: RUF012

        def __contains__(self, ext: object) -> bool:
            return ext in self.allowed

    storage = fs.Storage('s', fs.IMAGES + ['exe'])
    app = make_app(storage, S_FS_ALLOW=Growing(), S_FS_DENY=['SVG', 'exe'])
    with app.app_context():
        assert storage.extension_allowed('png')
        assert not storage.extension_allowed('svg')
        assert not storage.extension_allowed('exe')
        Growing.allowed.add('exe')
        assert storage.extension_allowed('EXE')


@pytest.mark.parametrize('source', [io.BytesIO, OnlyRead])
def test_a_file_over_the_limit_is_refused_and_nothing_is_stored(
    make_app: Callable[..., Flask], kind: str, source: Any
) -> None:
    storage = fs.Storage('s')
    with make_app(storage, FS_BACKEND=kind, S_FS_MAX_BYTES=1000).app_context():
        storage.save(source(b'x' * 1000), 'fits.txt')
        with pytest.raises(fs.FileTooLarge, match='at most 1000 bytes'):
            storage.save(source(b'x' * 1001), 'large.txt')
        with pytest.raises(fs.FileTooLarge):
            storage.write('large.txt', 'é' * 501)
        with pytest.raises(fs.FileTooLarge), storage.open('large.txt', 'w') as file:
            file.write('x' * 1001)
        assert list(storage.list_files()) == ['fits.txt']


def test_a_real_file_over_the_limit_is_refused_before_it_is_read(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    storage = fs.Storage('s')
    with make_app(storage, S_FS_MAX_BYTES=1000).app_context(), (tmp_path / 'x').open('w+b') as file:
        file.truncate(1 << 40)
        with pytest.raises(fs.FileTooLarge):
            storage.save(file, 'x.txt')
        assert file.tell() == 0


# --- conflicts


def test_the_first_writer_wins(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', 'first')
    for attempt in (
        lambda: storage.write('x', 'second'),
        lambda: storage.save(io.BytesIO(b'second'), 'x'),
        lambda: storage.open('x', 'x'),
        lambda: storage.copy('y', 'x'),
        lambda: storage.move('y', 'x'),
        lambda: storage.transfer('y', storage, 'x'),
    ):
        storage.write('y', 'second', overwrite=True)
        with pytest.raises(fs.FileExists, match=r"'x' is already in storage 'files' .* Pass overwrite=True"):
            attempt()
    assert storage.read('x') == b'first'
    assert storage.read('y') == b'second'


def test_overwrite_replaces(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', 'first')
    storage.write('x', 'second', overwrite=True)
    assert storage.read('x') == b'second'
    storage.save(io.BytesIO(b'third'), 'x', overwrite=True)
    assert storage.read('x') == b'third'
    storage.write('y', 'fourth')
    storage.copy('y', 'x', overwrite=True)
    assert storage.read('x') == b'fourth'
    storage.write('z', 'fifth')
    storage.move('z', 'x', overwrite=True)
    assert storage.read('x') == b'fifth'
    assert 'z' not in storage


def test_a_storage_made_to_overwrite_does_so_unless_told_not_to(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage('s', overwrite=True)
    with make_app(storage, FS_BACKEND=kind).app_context():
        storage.write('x.txt', '1')
        storage.write('x.txt', '2')
        storage.save(io.BytesIO(b'3'), 'x.txt')
        with pytest.raises(fs.FileExists):
            storage.save(io.BytesIO(b'4'), 'x.txt', overwrite=False)


def test_a_conflict_is_resolved_by_the_next_free_number(app: Flask, storage: fs.Storage) -> None:
    for name in ('d/x.txt', 'd/x_1.txt', 'd/x_3.txt', 'noext', 'a.tar.gz'):
        storage.write(name, '')
    assert storage.resolve_conflict('d', 'x.txt') == 'x_2.txt'
    assert storage.resolve_conflict('d/', 'x.txt') == 'x_2.txt'
    assert storage.resolve_conflict('', 'noext') == 'noext_1'
    assert storage.resolve_conflict('', 'a.tar.gz') == 'a.tar_1.gz'


def test_a_conflict_is_resolved_by_a_name_that_fits(app: Flask, storage: fs.Storage) -> None:
    longest = f'{"п" * 125}.txt'
    resolved = storage.resolve_conflict('d', longest)
    assert resolved == f'{"п" * 124}_1.txt'
    assert storage.save(io.BytesIO(b''), f'd/{resolved}') == f'd/{resolved}'


@pytest.mark.parametrize('name', ['x.php.', 'x.PHP ', 'x.php%20', 'x.php::$DATA', 'x.php\u2003', 'd/x.php. .'])
def test_a_tail_hides_no_denied_type(app: Flask, name: str) -> None:
    storage = fs.Storage('uploads', fs.AllExcept(['php']))
    fs.init_app(app, storage)
    with pytest.raises(fs.UnauthorizedFileType):
        storage.save(io.BytesIO(b'<?php'), name)
    assert not storage.file_allowed(None, name)  # type: ignore[arg-type]  # the upload itself is not looked at
    assert not storage.extension_allowed(name.partition('.')[2])
    assert list(storage.list_files()) == []


def test_a_file_with_a_long_extension_can_be_had_as_a_local_one(app: Flask, storage: fs.Storage) -> None:
    storage.write(f'a.{"x" * 253}', 'content')
    with storage.local_file(f'a.{"x" * 253}') as path:
        assert Path(path).read_text() == 'content'


# --- copy, move, delete, transfer


def test_copy_and_move_onto_themselves_lose_nothing(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', '1')
    storage.copy('x', 'x', overwrite=True)
    storage.move('x', 'x', overwrite=True)
    with pytest.raises(fs.FileExists):
        storage.move('x', 'x')
    assert storage.read('x') == b'1'


@pytest.mark.parametrize('verb', ['copy', 'move', 'transfer', 'read', 'read_chunks', 'open', 'stat', 'metadata'])
def test_a_missing_file_is_said_to_be_missing(app: Flask, storage: fs.Storage, verb: str) -> None:
    more = {'copy': ['y'], 'move': ['y'], 'transfer': [storage, 'y']}.get(verb, [])
    with pytest.raises(fs.FileNotFound, match=r"'x' is not in storage 'files' \((local|memory)\)"):
        getattr(storage, verb)('x', *more)
    with pytest.raises(FileNotFoundError), storage.local_file('x'):
        pass


def test_delete_takes_all_below_and_spares_names_sharing_a_prefix(app: Flask, storage: fs.Storage) -> None:
    for name in ('a/1', 'a/b/2', 'ab', 'ab/c' if app.config['FS_BACKEND'] == 'memory' else 'ac/c', 'b'):
        storage.write(name, '')
    storage.delete('a')
    assert not any(name.startswith('a/') for name in storage.list_files())
    assert len(list(storage.list_files())) == 3
    storage.delete('a')
    storage.delete('never/there')


def test_remove_removes_exactly_one_file(app: Flask, storage: fs.Storage) -> None:
    for name in ('a/b', 'a/c/d', 'ab', 'x'):
        storage.write(name, '')
    for name in ('a', 'a', 'never/there', 'x', 'x', 'x/y'):
        storage.remove(name)
    assert set(storage.list_files()) == {'a/b', 'a/c/d', 'ab'}
    storage.remove('a/b')
    assert set(storage.list_files()) == {'a/c/d', 'ab'}
    with pytest.raises(fs.InvalidFilename):
        storage.remove('../x')


def test_a_name_is_free_again_after_the_folder_of_that_name_was_deleted(app: Flask, storage: fs.Storage) -> None:
    for create in (storage.write, lambda name, _: storage.copy('src', name), lambda name, _: storage.move('src', name)):
        storage.write('src', 'x', overwrite=True)
        storage.write('a/b/c', '')
        storage.delete('a/b/c')
        assert not storage.exists('a')
        create('a', 'x')  # type: ignore[no-untyped-call]
        assert storage.read('a') == b'x'
        storage.delete('a')


def test_transfer_goes_between_backends_and_keeps_the_content(make_app: Callable[..., Flask]) -> None:
    disk, memory = fs.Storage('disk'), fs.Storage('memory')
    with make_app(disk, memory, MEMORY_FS_BACKEND='memory').app_context():
        disk.write('a/x.txt', 'content')
        assert disk.transfer('a/x.txt', memory) == 'a/x.txt'
        assert memory.transfer('a/x.txt', disk, 'y.txt') == 'y.txt'
        assert disk.read('y.txt') == b'content'


def test_a_copy_has_the_type_that_its_own_name_suggests(app: Flask, storage: fs.Storage) -> None:
    storage.write('x.txt', '')
    storage.copy('x.txt', 'y.html')
    assert storage.stat('y.html').mime == 'text/html'


# --- open


def test_a_file_opened_for_writing_appears_when_it_is_closed(app: Flask, storage: fs.Storage) -> None:
    file = storage.open('a/x.txt', 'w')
    file.write('héllo\n')
    assert 'a/x.txt' not in storage
    file.close()
    file.close()
    assert storage.read('a/x.txt') == 'héllo\n'.encode()
    with storage.open('a/x.txt') as read, storage.open('a/x.txt', 'rt', encoding='latin-1') as latin:
        assert read.read() == 'héllo\n'
        assert latin.read() == 'hÃ©llo\n'


def test_bytes_are_written_and_read_and_sought(app: Flask, storage: fs.Storage) -> None:
    with storage.open('x', 'xb') as file:
        file.write(b'0123456789')
        file.seek(0)
        file.write(b'X')
        assert file.tell() == 1
    with storage.open('x', 'rb') as read:
        read.seek(5)
        assert read.read(2) == b'56'
        read.seek(0)
        assert read.read(4) == b'X123'
        assert read.tell() == 4


@pytest.mark.parametrize('mode', ['w', 'wb', 'x', 'xb'])
def test_leaving_by_an_exception_stores_nothing(app: Flask, storage: fs.Storage, mode: str) -> None:
    storage.write('old', 'old')
    name = 'old' if 'w' in mode else 'new'
    file = storage.open(name, mode)

    def write_and_fail() -> None:
        with file:
            file.write(b'new' if 'b' in mode else 'new')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert file.closed
    assert list(storage.list_files()) == ['old']
    assert storage.read('old') == b'old'


@pytest.mark.parametrize('mode', ['w', 'wb', 'x', 'xb'])
def test_a_file_that_was_closed_is_stored_whatever_happens_then(app: Flask, storage: fs.Storage, mode: str) -> None:
    def fail_after_closing() -> None:
        with storage.open('new', mode) as file:
            file.write(b'all' if 'b' in mode else 'all')
            file.close()
            assert storage.read('new') == b'all'
            storage.write('new', 'newer', overwrite=True)
            # A second time, it stores nothing.
            file.close()
            raise RuntimeError('later')

    with pytest.raises(RuntimeError, match='later'):
        fail_after_closing()
    assert storage.read('new') == b'newer'


@pytest.mark.parametrize('mode', ['w', 'wb'])
def test_dropping_a_file_unclosed_stores_nothing_and_warns(app: Flask, storage: fs.Storage, mode: str) -> None:
    def write_and_drop() -> None:
        storage.open('x', mode).write(b'lost' if 'b' in mode else 'lost')
        gc.collect()

    with pytest.warns(ResourceWarning, match='discarded without close'):
        write_and_drop()
    assert 'x' not in storage


def test_a_name_taken_while_a_file_was_written_is_found_out_at_close(app: Flask, storage: fs.Storage) -> None:
    file = storage.open('x', 'x')
    file.write('late')
    storage.write('x', 'first')
    with pytest.raises(fs.FileExists):
        file.close()
    assert storage.read('x') == b'first'


@pytest.mark.parametrize('mode', ['a', 'ab', 'r+', 'w+b', 'rw', '', 'b', 'rbt', 'U'])
def test_a_mode_that_no_store_has_is_refused(app: Flask, storage: fs.Storage, mode: str) -> None:
    storage.write('x', '')
    with pytest.raises(ValueError, match='is not one of'):
        storage.open('x', mode)


def test_an_unknown_encoding_leaves_nothing_open(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', '')
    with pytest.raises(LookupError):
        storage.open('x', 'w', encoding='klingon')
    with pytest.raises(LookupError):
        storage.open('x', 'r', encoding='klingon')


# --- reading in pieces


def test_chunks_have_the_size_asked_for(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', '0123456789')
    for chunks in (storage.read_chunks('x', 4), storage.read_chunks('x', chunk_size=4)):
        assert list(chunks) == [b'0123', b'4567', b'89']
    for readable in (storage, storage.backend):
        assert list(readable.read_chunks('x', chunks_size=4)) == [b'0123', b'4567', b'89']
    with pytest.raises(ValueError, match='chunk_size must be 1 or more'):
        storage.read_chunks('x', 0)


@pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='counts open files in /proc')
def test_closing_or_dropping_chunks_gives_the_file_back(app: Flask, storage: fs.Storage) -> None:
    storage.write('x', '0123456789')
    before = len(os.listdir('/proc/self/fd'))
    chunks = storage.read_chunks('x', 4)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert list(chunks) == []
    storage.read_chunks('x', 4)
    dropped = storage.read_chunks('x', 4)
    next(dropped)
    del dropped
    gc.collect()
    assert len(os.listdir('/proc/self/fd')) == before


def test_any_backend_gives_a_path_that_programs_can_read(app: Flask, storage: fs.Storage) -> None:
    storage.write('a/x.txt', 'content')
    with storage.local_file('a/x.txt') as path:
        assert Path(path).read_bytes() == b'content'
        assert path.endswith('.txt')
    assert (storage.backend.kind == 'local') == os.path.exists(path)
    with pytest.raises(RuntimeError), storage.local_file('a/x.txt') as path:
        raise RuntimeError
    assert (storage.backend.kind == 'local') == os.path.exists(path)


# --- facts and lists


def test_metadata_tells_everything(app: Flask, storage: fs.Storage) -> None:
    storage.write('a/x.txt', 'content')
    with app.test_request_context():
        facts = dict(storage.metadata('a/x.txt'))
    assert facts.pop('modified').utcoffset() is not None
    assert facts == {
        'filename': 'x.txt',
        'url': 'http://localhost/files/a/x.txt',
        'checksum': 'sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',
        'mime': 'text/plain',
        'size': 7,
    }


def test_metadata_needs_no_server_name(app: Flask, storage: fs.Storage) -> None:
    storage.write('x.txt', '')
    assert storage.metadata('x.txt')['url'] == '/files/x.txt'


def test_the_checksum_algorithm_is_a_setting(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage('s')
    with make_app(storage, FS_BACKEND=kind, FS_CHECKSUM='md5').app_context():
        storage.write('x', 'content')
        assert storage.metadata('x')['checksum'] == 'md5:9a0364b9e99bb480dd25e1f0284c8555'


@pytest.mark.parametrize(
    ('prefix', 'expected'),
    [
        ('', {'a', 'a+b/x', 'ab/y', 'ab/cd/z', '.hidden'}),
        ('a', {'a', 'a+b/x', 'ab/y', 'ab/cd/z'}),
        ('ab', {'ab/y', 'ab/cd/z'}),
        ('ab/', {'ab/y', 'ab/cd/z'}),
        ('ab/c', {'ab/cd/z'}),
        ('a.', set()),
        ('a+', {'a+b/x'}),
        ('.', {'.hidden'}),
        ('*', set()),
        ('/', set()),
        ('../', set()),
        ('ab/../', set()),
        ('ab//', set()),
        ('a/', set()),
    ],
)
def test_a_prefix_is_literal_text(app: Flask, storage: fs.Storage, prefix: str, expected: set[str]) -> None:
    for name in ('a', 'a+b/x', 'ab/y', 'ab/cd/z', '.hidden'):
        storage.write(name, name)
    assert set(storage.list_files(prefix)) == expected
    assert {(name, len(name)) for name in expected} == {(info.name, info.size) for info in storage.scan(prefix)}


def test_a_folder_is_no_file(app: Flask, storage: fs.Storage) -> None:
    storage.write('a/b', '')
    assert not storage.exists('a')
    assert 'a/b' in storage
    for look in (storage.stat, storage.read, storage.metadata, storage.open):
        with pytest.raises(fs.FileNotFound):
            look('a')


def test_a_storage_is_never_copied(storage: fs.Storage) -> None:
    assert copy.copy(storage) is storage
    assert copy.deepcopy({'x': storage})['x'] is storage
    assert repr(storage) == "<Storage 'files'>"


def pipe(content: bytes) -> Any:
    """A file of the operating system that can be read once."""
    reading, writing = os.pipe()
    with os.fdopen(writing, 'wb') as file:
        file.write(content)
    return os.fdopen(reading, 'rb')


def test_a_pipe_is_saved_up_to_the_limit(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage('s', fs.ALL, validators=[lambda file, filename: None])
    with make_app(storage, FS_BACKEND=kind, S_FS_MAX_BYTES=1000).app_context():
        with pipe(b'x' * 1000) as source:
            storage.save(source, 'fits')
        assert storage.read('fits') == b'x' * 1000
        with pipe(b'x' * 1001) as source, pytest.raises(fs.FileTooLarge):
            storage.save(source, 'too-large')
        assert not storage.exists('too-large')
