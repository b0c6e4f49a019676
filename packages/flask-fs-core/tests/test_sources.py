"""Where a file is left once it was saved or written, and what `write` takes besides text and bytes."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import signal
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import default_stream_factory

import flask_fs as fs
from flask_fs.backends import Source, Spool, SpoolFailed
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.sources import as_bytes

AppFactory = Callable[..., Flask]
# Longer than what is read at once, so that a failure in the middle leaves some of it read.
CONTENT = b'0123456789' * 150_000


class OnlyRead:
    """The least that can be saved: no position, no name, and sizes are ignored."""

    def __init__(self, content: bytes | str) -> None:
        self.content = content

    def read(self, size: int = -1) -> bytes | str:
        content, self.content = self.content, self.content[:0]
        return content


class SeeksWithoutSaying(io.BytesIO):
    """Like SpooledTemporaryFile before Python 3.11: it has no ``seekable``."""

    def __getattribute__(self, name: str) -> Any:
        if name == 'seekable':
            raise AttributeError(name)
        return super().__getattribute__(name)


def spooled(max_size: int) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=max_size)  # noqa: SIM115
    file.write(CONTENT)
    return file


def on_disk(folder: Path, mode: str = 'rb', **options: Any) -> Any:
    path = folder / 'source.bin'
    path.write_bytes(CONTENT)
    return path.open(mode, **options)


def named_temporary(folder: Path) -> Any:
    file = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115
    file.write(CONTENT)
    return file


def compressed(folder: Path) -> Any:
    with gzip.open(folder / 'x.gz', 'wb') as packed:
        packed.write(CONTENT)
    return gzip.open(folder / 'x.gz')


def zipped(folder: Path) -> Any:
    with zipfile.ZipFile(folder / 'x.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('x', CONTENT)
    with zipfile.ZipFile(folder / 'x.zip') as archive:
        # The archive stays open for as long as this one is.
        return archive.open('x')


def form_stream() -> Any:
    stream = default_stream_factory(None, 'image/png', 'x.png')
    stream.write(CONTENT)
    return stream


SEEKABLE: dict[str, Callable[[Path], Any]] = {
    'file': on_disk,
    'unbuffered file': lambda folder: on_disk(folder, buffering=0),
    'file to read and write': lambda folder: on_disk(folder, 'r+b'),
    'text file': lambda folder: on_disk(folder, 'r', encoding='ascii'),
    'memory': lambda _: io.BytesIO(CONTENT),
    'text in memory': lambda _: io.StringIO(CONTENT.decode()),
    'without seekable()': lambda _: SeeksWithoutSaying(CONTENT),
    'spooled in memory': lambda _: spooled(10 * len(CONTENT)),
    'spooled on disk': lambda _: spooled(10),
    'named temporary': named_temporary,
    'compressed': compressed,
    'in an archive': zipped,
    'upload': lambda _: FileStorage(io.BytesIO(CONTENT), 'x.bin'),
    'upload on disk': lambda folder: FileStorage(on_disk(folder), 'x.bin'),
    'upload of a form': lambda _: FileStorage(form_stream(), 'x.bin'),
}


@pytest.fixture(params=SEEKABLE)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A file that can seek, three characters after its beginning."""
    source = SEEKABLE[request.param](tmp_path)
    source.seek(3)
    yield source
    source.close()


def form(content: bytes, filename: str) -> dict[str, Any]:
    """What a browser sends for a form with one file (RFC 7578); werkzeug's own way leaves a large file open."""
    head = (
        f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: application/octet-stream'
    )
    body = b'--limit\r\n' + head.encode() + b'\r\n\r\n' + content + b'\r\n--limit--\r\n'
    return {'data': body, 'content_type': 'multipart/form-data; boundary=limit'}


def look(file: Any, _: str) -> None:
    file.read()


def refuse(file: Any, name: str) -> None:
    file.read(10)
    raise fs.InvalidContent(name, reason='it is looked at')


# --- Saving again.


@pytest.mark.parametrize('settings', [{}, {'FS_MAX_BYTES': 2_000_000}], ids=['without a limit', 'with a limit'])
@pytest.mark.parametrize('validators', [(), (look,)], ids=['unvalidated', 'validated'])
def test_a_file_is_saved_again_from_the_same_position(
    make_app: AppFactory, kind: str, source: Any, validators: Any, settings: dict[str, Any]
) -> None:
    storage = fs.Storage('files', fs.ALL, validators=validators)
    with make_app(storage, FS_BACKEND=kind, **settings).app_context():
        for name in ('a', 'b'):
            storage.save(source, name)
            assert source.tell() == 3
        storage.write('c', source)
        assert source.tell() == 3
        assert as_bytes(source.read()) == CONTENT[3:]
        assert [storage.read(name) for name in 'abc'] == [CONTENT[3:]] * 3


def test_a_file_that_was_refused_can_be_saved_elsewhere(make_app: AppFactory, kind: str, source: Any) -> None:
    class Breaks(MemoryBackend):
        def _put(self, name: str, stream: Any, **_: Any) -> None:
            stream.read(10)
            raise self.error(fs.Unavailable, name)

    strict = fs.Storage('strict', fs.ALL, validators=[refuse])
    small, broken, taken = fs.Storage('small', fs.ALL), fs.Storage('broken', fs.ALL), fs.Storage('taken', fs.ALL)
    app = make_app(strict, small, broken, taken, FS_BACKEND=kind, SMALL_FS_MAX_BYTES=10, BROKEN_FS_BACKEND=Breaks)
    with app.app_context():
        taken.write('a', 'first')
        for storage, refusal in (
            (strict, fs.InvalidContent),
            (small, fs.FileTooLarge),
            (broken, fs.Unavailable),
            (taken, fs.FileExists),
        ):
            with pytest.raises(refusal):
                storage.save(source, 'a')
            assert source.tell() == 3
            if storage is not strict:
                with pytest.raises(refusal):
                    storage.write('a', source)
            assert source.tell() == 3
        taken.save(source, 'b')
        assert taken.read('b') == CONTENT[3:]


def test_an_upload_is_saved_twice_by_one_request(make_app: AppFactory, kind: str) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=kind)

    @app.post('/')
    def receive() -> list[str]:
        from flask import request

        return [storage.save(request.files['file'], name) for name in ('one', 'two')]

    for content in (b'small', CONTENT):
        answer = app.test_client().post('/', **form(content, 'x.bin'))
        assert answer.json == ['one', 'two']
        with app.app_context():
            assert [storage.read(name) for name in ('one', 'two')] == [content, content]
            storage.remove('one')
            storage.remove('two')


def test_what_was_written_to_an_open_file_is_saved_with_it(make_app: AppFactory, kind: str, tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=kind)
    with app.app_context(), on_disk(tmp_path, 'w+b') as file:
        file.write(b'before')
        file.seek(0)
        file.read(1)
        # From here on within the buffer, which seek() does not write to the file.
        file.seek(0)
        file.write(b'AFTER')
        file.seek(0)
        storage.save(file, 'a')
        assert storage.read('a') == file.read() == b'AFTERe'


def test_a_file_that_cannot_go_back_is_saved_all_the_same(app: Flask, storage: fs.Storage) -> None:
    class Forward(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            raise NotImplementedError

    # The second one is looked at before it is stored.
    for name in ('a', 'a.png'):
        storage.save(Forward(b'content'), name)
        assert storage.read(name) == b'content'
        with pytest.raises(fs.FileExists):
            storage.save(Forward(b'content'), name)


def test_what_cannot_seek_is_saved_once(app: Flask, storage: fs.Storage) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, 'wb') as pipe:
        pipe.write(b'content')
    with os.fdopen(reading, 'rb') as pipe:
        storage.save(pipe, 'piped')
    storage.save(OnlyRead(b'content'), 'read')
    assert [storage.read('piped'), storage.read('read')] == [b'content'] * 2


@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='the kernel makes no files up')
def test_the_limit_holds_for_files_that_hide_their_size(make_app: AppFactory, kind: str) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND=kind, FS_MAX_BYTES=10).app_context(), open('/proc/self/status', 'rb') as file:
        assert os.fstat(file.fileno()).st_size == 0
        with pytest.raises(fs.FileTooLarge):
            storage.save(file, 'a')
        assert not storage.exists('a')


def test_a_file_that_is_closed_while_it_is_read_is_saved_all_the_same(app: Flask, storage: fs.Storage) -> None:
    class ClosesAtItsEnd(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if content := super().read(size):
                return content
            self.close()
            return b''

    storage.save(ClosesAtItsEnd(b'content'), 'a')
    assert storage.read('a') == b'content'


# --- Writing files.


@pytest.mark.parametrize(
    'content',
    ['text é', b'bytes', bytearray(b'array'), memoryview(b'view'), memoryview(b'views')[::2]],
    ids=['text', 'bytes', 'array', 'view', 'every second byte'],
)
def test_text_and_bytes_are_written(app: Flask, storage: fs.Storage, content: Any) -> None:
    storage.write('a', content)
    assert as_bytes(content) == storage.read('a')
    storage.backend.write('b', content)
    assert as_bytes(content) == storage.read('b')


@pytest.mark.parametrize('content', [OnlyRead(b'bytes'), OnlyRead('text é'), io.BytesIO(), io.StringIO()], ids=type)
def test_whatever_reads_is_written(app: Flask, storage: fs.Storage, content: Any) -> None:
    expected = as_bytes(content.content) if isinstance(content, OnlyRead) else b''
    storage.write('a', content)
    assert storage.read('a') == expected


def test_a_backend_writes_files_too(app: Flask, storage: fs.Storage, source: Any) -> None:
    storage.backend.write('a', source)
    assert storage.read('a') == CONTENT[3:]


@pytest.mark.parametrize('wrong', [None, 5, ['text'], Path('x')], ids=repr)
def test_what_cannot_be_read_is_not_written(app: Flask, storage: fs.Storage, wrong: Any) -> None:
    for write in (storage.write, storage.backend.write):
        with pytest.raises(TypeError, match='content must be str, bytes or an object with read'):
            write('a', wrong)
    assert list(storage.list_files()) == []


def test_a_closed_file_is_not_written(app: Flask, storage: fs.Storage, tmp_path: Path) -> None:
    for closed in (io.BytesIO(b'x'), on_disk(tmp_path), FileStorage(io.BytesIO(b'x'), 'x')):
        closed.close()
        for act in (storage.write, lambda name, file: storage.save(file, name)):
            with pytest.raises(ValueError, match='closed file'):
                act('a', closed)
    assert list(storage.list_files()) == []


def test_the_limit_holds_for_what_is_written(make_app: AppFactory, kind: str, tmp_path: Path) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND=kind, FS_MAX_BYTES=10).app_context(), on_disk(tmp_path) as file:
        for large in (
            b'x' * 11,
            'é' * 6,
            memoryview(b'x' * 16).cast('i'),
            io.BytesIO(b'x' * 11),
            io.StringIO('é' * 6),
            OnlyRead(b'x' * 11),
            file,
        ):
            with pytest.raises(fs.FileTooLarge, match='at most 10 bytes'):
                storage.write('a', large)
        assert list(storage.list_files()) == []
        for fitting in (b'x' * 10, 'é' * 5, io.BytesIO(b'x' * 10), OnlyRead(b'x' * 10)):
            storage.write('a', fitting, overwrite=True)
            assert storage.stat('a').size == 10


@pytest.mark.parametrize(
    ('sent', 'kept'),
    [
        ('text/HTML; charset="utf-8"; x=1', 'text/html; charset=utf-8'),
        ('application/vnd.x+json', 'application/vnd.x+json'),
        ('application/octet-stream', 'image/png'),
        ('', 'image/png'),
        (None, 'image/png'),
        ('nonsense', 'image/png'),
        ('text/h tml', 'image/png'),
        ('text/é', 'image/png'),
    ],
)
def test_the_media_type_of_an_upload_is_kept(make_app: AppFactory, sent: str | None, kept: str) -> None:
    storage = fs.Storage('files', fs.ALL)
    with make_app(storage, FS_BACKEND='memory').app_context():
        for limit in (None, 100):
            storage.config['max_bytes'] = limit
            storage.write('a.png', FileStorage(io.BytesIO(b'x'), 'b.txt', content_type=sent), overwrite=True)
            assert storage.stat('a.png').mime == kept
        # Of unknown length, so that the limit wraps it.
        upload = FileStorage(OnlyRead(b'x'), 'b.txt', content_type=sent)  # type: ignore[arg-type]
        storage.write('b.png', upload)
        assert storage.stat('b.png').mime == kept
        storage.backend.write('c.png', FileStorage(io.BytesIO(b'x'), 'b.txt', content_type=sent))
        assert storage.stat('c.png').mime == kept


# --- A form without a file.

NOT_SENT = [None, '', FileStorage(io.BytesIO(), ''), FileStorage(io.BytesIO(), '', content_type='image/png')]


@pytest.mark.parametrize('nothing', NOT_SENT)
@pytest.mark.parametrize('filename', [None, '', 'a.png'])
def test_a_form_without_a_file_is_refused_for_people(
    app: Flask, storage: fs.Storage, nothing: Any, filename: str | None
) -> None:
    with pytest.raises(fs.UploadNotAllowed) as caught:
        storage.save(nothing, filename)
    assert type(caught.value) is fs.NoFile
    assert (caught.value.storage, caught.value.reason) == ('files', 'no file was chosen')
    assert str(caught.value) == "No file was sent to storage 'files': no file was chosen."
    assert list(storage.list_files()) == []


def test_an_upload_without_a_file_is_not_written(app: Flask, storage: fs.Storage) -> None:
    with pytest.raises(fs.NoFile):
        storage.write('a.png', FileStorage(io.BytesIO(), ''))
    storage.write('a.png', FileStorage(io.BytesIO(b'x'), ''))
    storage.write('empty.png', FileStorage(io.BytesIO(), 'empty.png'))
    assert set(storage.list_files()) == {'a.png', 'empty.png'}


def test_an_upload_with_content_and_without_a_filename_is_a_file_once_it_is_named(
    app: Flask, storage: fs.Storage
) -> None:
    for stream in (io.BytesIO(b'x'), OnlyRead(b'x')):
        upload = FileStorage(stream, '')  # type: ignore[arg-type]
        with pytest.raises(fs.NoFile):
            storage.save(upload)
        storage.save(upload, 'a.png', overwrite=True)
        assert storage.read('a.png') == b'x'


def test_a_field_in_which_nothing_was_chosen_is_refused(make_app: AppFactory) -> None:
    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND='memory')

    @app.post('/')
    def receive() -> str:
        from flask import request

        return storage.save(request.files['file'])

    @app.errorhandler(fs.UploadNotAllowed)
    def refused(error: fs.UploadNotAllowed) -> tuple[str, int]:
        return str(error.reason), 422

    # What browsers send for a field in which no file was chosen.
    answer = app.test_client().post('/', **form(b'', ''))
    assert (answer.status_code, answer.text) == (422, 'no file was chosen')


@pytest.mark.skipif(not hasattr(signal, 'SIGXFSZ'), reason='no limit for the size of files')
@pytest.mark.parametrize('max_bytes', [0, 10_000])
def test_a_spool_on_a_full_disk_says_so(max_bytes: int) -> None:
    """What could not be written is still in a buffer when the file is closed, which fails too."""
    resource = importlib.import_module('resource')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(SpoolFailed, match='temporary file'):
            _fill_and_rewind(max_bytes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fill_and_rewind(max_bytes: int) -> None:
    with Spool(max_bytes) as spool:
        for _ in range(101):
            spool.write(bytes(1000))
        spool.rewind()


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview])
def test_what_was_read_ahead_is_read_again(kind: Callable[[bytes], Any]) -> None:
    class Whole:
        """Ignores the size, and gives any kind of bytes."""

        def __init__(self) -> None:
            self.left = [kind(b'0123456789')]

        def read(self, _: int = -1, /) -> Any:
            return self.left.pop() if self.left else b''

    source = Source(Whole())
    head = source.read(3)
    source.unread(head)
    assert source.read(0) == b''
    assert [bytes(source.read(1)), source.take(4), source.read(), source.take(1)] == [b'0', b'1234', b'56789', b'']


@pytest.mark.skipif(not hasattr(os, 'posix_fadvise'), reason='the system takes no advice')
@pytest.mark.parametrize('max_bytes', [0, 1000])
def test_a_spool_has_the_system_forget_what_was_written_and_read(
    monkeypatch: pytest.MonkeyPatch, max_bytes: int
) -> None:
    advise, forgotten = os.posix_fadvise, []

    def record(fd: int, offset: int, length: int, advice: int) -> None:
        assert (offset, advice) == (0, os.POSIX_FADV_DONTNEED)
        forgotten.append(length)
        advise(fd, offset, length, advice)

    monkeypatch.setattr(os, 'posix_fadvise', record)
    mebibyte = os.urandom(2**20)
    with Spool(max_bytes) as spool:
        for number in range(20):
            spool.write(mebibyte[number:])
        written, forgotten[:] = list(forgotten), []
        file, content = spool.rewind(), b''
        while chunk := file.read(2**20):
            content += chunk
            spool.forget(len(content))
    assert content == b''.join(mebibyte[number:] for number in range(20))
    for stops in (written, forgotten):
        assert stops == sorted(stops)
        assert len(stops) >= 2
        assert stops[-1] > len(content) - 9 * 2**20
