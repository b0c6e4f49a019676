"""The template of backends, and the streams between it and applications."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import pytest
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, Opened, Source, is_range, range_header, streams
from flask_fs.backends.legacy import LegacyDriver
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import BoundedReader, TranslatedStream, limited, window
from flask_fs.config import STORAGE_SETTINGS, resolve
from flask_fs.settings import Setting, text


class Least(BaseBackend):
    """A driver with the hooks that every driver has, and nothing more."""

    kind = 'least'
    capabilities = fs.Capability.NESTED_NAMES

    def __init__(self, name: str = 'x', config: Any = None) -> None:
        super().__init__(name, config)
        self.files: dict[str, bytes] = {}

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return Opened(self._stat(name), io.BytesIO(self._content(name)[start:stop]))

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create and name in self.files:
            raise self.error(fs.FileExists, name)
        self.files[name] = stream.read()

    def _stat(self, name: str) -> fs.FileInfo:
        return fs.FileInfo(name, len(self._content(name)), None)

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (self._stat(name) for name in list(self.files) if name.startswith(prefix))

    def _remove(self, name: str) -> None:
        self.files.pop(name, None)

    def _content(self, name: str) -> bytes:
        try:
            return self.files[name]
        except KeyError:
            raise self.error(fs.FileNotFound, name) from None


@pytest.fixture(params=[Least, MemoryBackend, LocalBackend])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> BaseBackend:
    config = {'root': str(tmp_path)} if request.param is LocalBackend else {}
    return cast('BaseBackend', request.param('x', {'prefix': 'in/ner', **config}))


def test_save_keeps_a_file_that_is_there_unless_told_to_replace_it(backend: BaseBackend) -> None:
    backend.save(io.BytesIO(b'first'), 'x')
    for again in (
        lambda: backend.save(io.BytesIO(b'second'), 'x'),
        lambda: backend.save(file_or_wfs=io.BytesIO(b'second'), filename='x', overwrite=False),
    ):
        with pytest.raises(fs.FileExists):
            again()
    assert backend.read('x') == b'first'
    backend.save(io.BytesIO(b'second'), 'x', True)
    assert backend.read('x') == b'second'
    backend.save(FileStorage(io.BytesIO(b'third'), 'y'), 'x', overwrite=True)
    assert backend.read('x') == b'third'


def test_the_other_verbs_replace_a_file_unless_told_not_to(backend: BaseBackend) -> None:
    backend.write('x', b'first')
    backend.write('y', b'second')
    for refused in (
        lambda: backend.write('x', b'second', False),
        lambda: backend.write('x', b'second', overwrite=False),
        lambda: backend.copy('y', 'x', False),
        lambda: backend.move('y', 'x', overwrite=False),
    ):
        with pytest.raises(fs.FileExists):
            refused()
    assert (backend.read('x'), backend.read('y')) == (b'first', b'second')
    backend.copy('y', 'x', True)
    assert backend.read('x') == b'second'
    backend.write('x', b'third', True)
    backend.move('x', 'y')
    assert backend.read('y') == b'third'


def test_the_documented_verbs_work_without_any_application(backend: BaseBackend) -> None:
    backend.write('a/b', 'text')
    with backend.open('c', 'w') as file:
        file.write('more')
    with pytest.raises(fs.FileExists), backend.open('c', 'xb') as file:
        file.write(b'other')
    backend.copy('c', 'd')
    backend.move('d', 'e', overwrite=False)
    assert set(backend.list_files()) == {'a/b', 'c', 'e'}
    assert {info.name: info.size for info in backend.scan()} == {'a/b': 4, 'c': 4, 'e': 4}
    assert backend.read('e') == b'more'
    assert list(backend.read_chunks('e', 3)) == [b'mor', b'e']
    assert backend.metadata('e')['checksum'].startswith('sha256:')
    with backend.local_file('e') as path:
        assert Path(path).read_bytes() == b'more'
    backend.delete('a')
    assert not backend.exists('a/b')
    assert backend.as_binary('text') == b'text'


def test_an_undeclared_capability_is_refused(backend: BaseBackend) -> None:
    with pytest.raises(fs.OperationNotSupported, match='it cannot sign links'):
        backend.signed_url('x')
    if fs.Capability.LOCAL_PATH not in backend.capabilities:
        with pytest.raises(fs.OperationNotSupported, match=r'use local_file\(\)'):
            backend.path('x')


def test_a_backend_that_only_reads_and_writes_is_enough(tmp_path: Path) -> None:
    class ReadsAndWrites(BaseBackend):
        files: dict[str, bytes] = {'x': b'0123456789'}  # noqa: RUF012  # one set of files will do

        def exists(self, filename: str) -> bool:
            return filename in self.files

        def read(self, filename: str) -> bytes:
            return self.files[filename]

        def write(self, filename: str, content: Any) -> None:  # type: ignore[override]  # as it used to be
            self.files[filename] = content

    backend = ReadsAndWrites('x')
    with backend.open('x', 'rb') as file:
        assert file.read() == b'0123456789'
    assert backend.stat('x').size == 10
    backend.copy('x', 'y')
    assert backend.read('y') == b'0123456789'
    with pytest.raises(fs.FileExists):
        backend.copy('x', 'y', overwrite=False)


def test_a_double_with_metadata_alone_tells_its_facts() -> None:
    class Double:
        def exists(self, _: str) -> bool:
            return True

        def metadata(self, _: str) -> dict[str, Any]:
            return {'size': 3}

        def path(self, filename: str) -> str:
            return f'/somewhere/{filename}'

    driver = LegacyDriver(Double(), 'doubled')
    assert driver.stat('x.txt') == fs.FileInfo('x.txt', 3, None, 'text/plain')
    with driver.local_file('x.txt') as path:
        assert path == '/somewhere/x.txt'
    with pytest.raises(fs.OperationNotSupported):
        driver.signed_url('x.txt')


@pytest.mark.parametrize('plain', [True, False])
def test_a_source_without_data_yet_is_refused(tmp_path: Path, plain: bool) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        backend = LocalBackend('x', {'root': str(tmp_path)})
        with open(reading, 'rb', buffering=0) as pipe:
            source: Any = _Plain(pipe) if plain else pipe
            with pytest.raises(BlockingIOError, match='non-blocking'):
                backend.save(source, 'x', overwrite=True)
    finally:
        os.close(writing)
    assert os.listdir(tmp_path) == []


class _Plain:
    def __init__(self, file: Any) -> None:
        self.read = file.read


@pytest.mark.parametrize('seekable', [True, False])
@pytest.mark.parametrize(('start', 'stop'), [(0, None), (3, None), (3, 5), (0, 0), (20, 30), (5, 3)])
def test_a_window_shows_one_range(seekable: bool, start: int, stop: int | None) -> None:
    content = b'0123456789'
    stream = io.BytesIO(content)
    if not seekable:
        stream.seekable = lambda: False  # type: ignore[method-assign]  # BytesIO always says yes
    shown = window(stream, start, stop)
    assert shown.read() == content[start:stop]
    shown.close()
    shown.close()
    assert stream.closed


@pytest.mark.parametrize(
    ('start', 'stop', 'header', 'held'),
    [
        (3, 5, 'bytes=3-4', 'bytes 3-4/10'),
        (3, 99, 'bytes=3-98', 'bytes 3-9/10'),
        (3, None, 'bytes=3-', 'bytes 3-9/10'),
        (-3, None, 'bytes=-3', 'bytes 7-9/10'),
        (-99, None, 'bytes=-99', 'bytes 0-9/10'),
        (0, 1, 'bytes=0-0', 'bytes 0-0/10'),
    ],
)
def test_a_response_holds_the_range_that_was_requested_or_another_one(
    start: int, stop: int | None, header: str, held: str
) -> None:
    first, last = (int(number) for number in held.removeprefix('bytes ').removesuffix('/10').split('-'))
    length = last - first + 1
    assert range_header(start, stop) == header
    assert is_range(held, length, start, stop)
    others = (
        None,
        '',
        'bytes */10',
        f'bytes {first}-{last}/*',
        f'lines {first}-{last}/10',
        f'bytes {first}-{last}/{last}',
    )
    assert not any(is_range(other, length, start, stop) for other in (*others, f'bytes {first}-{last + 1}/{last + 2}'))
    assert not is_range(held, length + 1, start, stop)
    assert not is_range(held, length, first + 1, stop)


def test_a_window_reads_in_pieces() -> None:
    shown = BoundedReader(io.BytesIO(b'0123456789'), 4)
    assert shown.readable()
    assert [shown.read(3) for _ in range(3)] == [b'012', b'3', b'']


class Dribbling(io.RawIOBase):
    """A raw stream as sockets are: it gives a few bytes at a time, whatever is requested."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._content.readinto(memoryview(buffer)[:3])


@pytest.mark.parametrize(('start', 'stop'), [(0, None), (0, 9), (4, None), (4, 9), (4, 99)])
def test_a_part_of_a_raw_stream_gives_as_much_as_is_requested(start: int, stop: int | None) -> None:
    content = bytes(range(16))
    shown = window(cast('IO[bytes]', Dribbling(content)), start, stop)
    assert [shown.read(5), shown.read(99), shown.read(5)] == [content[start:stop][:5], content[start:stop][5:], b'']
    assert window(cast('IO[bytes]', Dribbling(content)), start, stop).read() == content[start:stop]
    if stop is not None:
        shown = limited(cast('IO[bytes]', Dribbling(content)), stop)
        assert [shown.read(5), shown.read(99), shown.read()] == [content[:5], content[5:stop], b'']


def test_a_window_fills_the_buffers_of_those_who_bring_their_own() -> None:
    stream = io.BytesIO(b'0123456789')
    stream.seek(2)
    buffer = bytearray(b'......')
    shown = BoundedReader(stream, 4)
    assert [shown.readinto(buffer) for _ in range(2)] == [4, 0]
    assert buffer == b'2345..'
    assert stream.tell() == 6


def test_a_folder_that_cannot_be_read_is_an_error_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path)})
    backend.write('a/b', b'')

    def refuse(path: Any) -> Any:
        raise PermissionError(errno.EACCES, 'Permission denied', path)

    monkeypatch.setattr(os, 'scandir', refuse)
    for act in (lambda: list(backend.list_files()), lambda: list(backend.scan()), lambda: backend.delete('a')):
        with pytest.raises(fs.PermissionDenied):
            act()


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend('x', {'root': str(tmp_path)})
    backend.write('x', b'0123456789')
    original = os.fstat

    def fewer(fd: int) -> Any:
        facts = list(original(fd))
        facts[6] = 4
        return os.stat_result(facts)

    monkeypatch.setattr(os, 'fstat', fewer)
    assert backend.read('x') == b'0123456789'


class InPlaces(MemoryBackend):
    """Keeps files in a place that may be configured for one storage or for several."""

    kind = 'places'
    settings = (Setting('place', text, None, 'Where.', allow_global=True),)

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._namespace_by_storage('place')


@pytest.mark.parametrize(
    ('given', 'key'),
    [
        ({'FS_PLACES_PLACE': 'shared'}, 'docs/a.txt'),
        ({'FS_PLACE': 'shared', 'DOCS_FS_PREFIX': 'x/y'}, 'docs/x/y/a.txt'),
        ({'FS_PLACES_PLACE': 'shared', 'DOCS_FS_PLACE': 'own'}, 'a.txt'),
        ({}, 'a.txt'),
    ],
)
def test_storages_that_share_a_place_namespace_by_storage(given: dict[str, str], key: str) -> None:
    backend = InPlaces('docs', resolve(given, 'docs', 'places', (*STORAGE_SETTINGS, *InPlaces.settings)))
    backend.write('a.txt', b'')
    assert [key] == list(backend._files)
    assert list(backend.list_files()) == ['a.txt']


class OnDisk(Least):
    """A driver whose library raises errors of the operating system, as some errors of Flask-FS are."""

    errors = (OSError,)

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        opened = super()._open(name, start, stop, etag=etag)
        return Opened(opened.info, cast('IO[bytes]', Denying(self.raised)) if name == 'denied' else opened.stream)

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        yield from super()._scan(prefix)
        raise self.raised

    @property
    def raised(self) -> fs.PermissionDenied:
        return self.error(fs.PermissionDenied, 'denied', 'its own words')


class Denying(io.RawIOBase):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        raise self._error


def test_an_error_of_flask_fs_passes_untouched_where_the_library_raises_oserror() -> None:
    backend = OnDisk()
    backend.write('denied', b'1')
    attempts: list[tuple[type[fs.FSError], Callable[[], object]]] = [
        (fs.FileExists, lambda: backend.write('denied', b'2', overwrite=False)),
        (fs.FileExists, lambda: backend.copy('denied', 'denied', overwrite=False)),
        (fs.FileNotFound, lambda: backend.stat('missing')),
        (fs.FileNotFound, lambda: backend.open('missing', 'rb')),
        (fs.PermissionDenied, lambda: backend.read('denied')),
        (fs.PermissionDenied, lambda: list(backend.read_chunks('denied'))),
        (fs.PermissionDenied, lambda: list(backend.scan())),
        (fs.PermissionDenied, lambda: list(backend.list_files())),
    ]
    for kind, act in attempts:
        with pytest.raises(fs.FSError) as caught:
            act()
        assert type(caught.value) is kind
        assert caught.value.__cause__ is None
        assert caught.value.reason == ('its own words' if kind is fs.PermissionDenied else None)


class FromDisk(OnDisk):
    """Its files are those of the operating system, which refuses a position before the beginning."""

    seekable_streams = True

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        file = cast('IO[bytes]', tempfile.TemporaryFile())  # noqa: SIM115  # closed by the caller
        file.write(self._content(name)[start:stop])
        file.seek(0)
        return Opened(self._stat(name), file)


def test_a_position_before_the_beginning_is_no_failure_of_the_store() -> None:
    backend = FromDisk()
    backend.write('x', b'0123')
    with backend.open('x', 'rb') as file:
        for offset, whence in ((-1, io.SEEK_SET), (-9, io.SEEK_CUR), (-9, io.SEEK_END)):
            file.seek(2)
            with pytest.raises(ValueError, match='cannot seek'):
                file.seek(offset, whence)
            assert file.read(1) == b'2'


class Breaking(io.BytesIO):
    """A stream whose closing fails after it was closed."""

    def close(self) -> None:
        super().close()
        raise fs.Unavailable


@pytest.mark.parametrize(
    'around',
    [lambda stream: BoundedReader(stream, 4), lambda stream: TranslatedStream(stream, (KeyError,), pytest.fail)],
)
def test_a_stream_whose_closing_fails_is_closed(around: Any) -> None:
    stream = around(Breaking(b'0123'))
    with pytest.raises(fs.Unavailable):
        stream.close()
    assert stream.closed
    stream.close()


@pytest.mark.parametrize('prefix', [None, 'a/b'])
@pytest.mark.parametrize('is_lazy', [True, False])
def test_a_listing_of_everything_that_fails_is_about_no_file(prefix: str | None, is_lazy: bool) -> None:
    class Unlisted(Least):
        errors = (KeyError,)

        def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
            def fail() -> Iterator[fs.FileInfo]:
                raise KeyError(prefix)
                yield

            return fail() if is_lazy else iter(list(fail()))

    backend = Unlisted('x', {'prefix': prefix})
    with pytest.raises(fs.BackendError) as raised:
        list(backend.scan())
    assert raised.value.filename is None
    with pytest.raises(fs.BackendError) as raised:
        list(backend.list_files('c/'))
    assert raised.value.filename == 'c/'


@pytest.mark.parametrize(
    'name',
    [
        'FileWriter',
        'Limited',
        'TextWriter',
        'Window',
        'as_bytes',
        'as_source',
        'buffered',
        'checksum_of',
        'chunks_of',
        'known_size',
        'limited',
        'media_type_of',
        'open_reader',
        'open_writer',
        'real_file',
        'rereadable',
        'source',
        'window',
    ],
)
def test_what_drivers_of_1_0_import_is_there(name: str) -> None:
    assert callable(getattr(streams, name))


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'flask_fs.backends.streams' has no attribute 'nothing'"):
        streams.nothing  # noqa: B018


def test_hooks_get_positions_of_64_bits_whatever_a_client_requests() -> None:
    asked: list[tuple[int, int | None]] = []

    class Noting(MemoryBackend):
        def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
            asked.append((start, stop))
            return super()._open(name, start, stop, etag=etag)

    backend = Noting('a')
    backend.write('x', b'0123456789')
    assert backend.read_range('x', 8, 10**30) == b'89'
    assert backend.read_range('x', -(10**30)) == b'0123456789'
    with pytest.raises(fs.RangeNotSatisfiable):
        backend.read_range('x', 10**30, 10**30 + 1)
    highest = 2**63 - 1
    assert asked == [(8, highest), (-highest, None), (highest - 1, highest)]
