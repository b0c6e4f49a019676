"""Legacy backends and test doubles: called only through the documented methods."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from typing import IO, Any
from unittest.mock import MagicMock, call, patch

import pytest
from flask import Flask, Response
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability
from flask_fs.backends.memory import MemoryBackend
from flask_fs.config import STORAGE_SETTINGS, from_mapping

PAGE = '<script>alert(1)</script>'


@pytest.fixture
def double(make_app: Callable[..., Flask]) -> Iterator[tuple[fs.Storage, MagicMock]]:
    """A storage whose backend is a double, as the tests of older applications make it."""
    with patch('flask_fs.backends.mock.MockBackend') as mock:
        storage = fs.Storage('test', fs.ALL)
        with make_app(storage, FS_BACKEND='mock').app_context():
            yield storage, mock.return_value


def test_the_double_is_made_with_name_and_settings(make_app: Callable[..., Flask]) -> None:
    with patch('flask_fs.backends.mock.MockBackend') as mock:
        storage = fs.Storage('test')
        with make_app(storage, FS_BACKEND='mock', TEST_FS_COLOR='red').app_context():
            assert storage.backend is mock.return_value
        (name, config), _ = mock.call_args
        assert (name, config.color) == ('test', 'red')


@pytest.mark.parametrize(
    ('act', 'exists', 'calls'),
    [
        (lambda s: s.read('x'), True, [call.exists('x'), call.read('x')]),
        (lambda s: s.open('x', 'r'), True, [call.exists('x'), call.open('x', 'r')]),
        (lambda s: s.open('x', 'rb'), True, [call.exists('x'), call.open('x', 'rb')]),
        (lambda s: s.open('x', 'w'), True, [call.open('x', 'w')]),
        (lambda s: s.open('x', 'x'), False, [call.exists('x'), call.open('x', 'x')]),
        (lambda s: s.write('x', 'text'), False, [call.exists('x'), call.write('x', 'text')]),
        (lambda s: s.write('x', 'text', overwrite=True), True, [call.write('x', 'text')]),
        (lambda s: s.remove('x'), True, [call.list_files(), call.delete('x')]),
        (lambda s: s.delete('x'), True, [call.delete('x')]),
        (lambda s: s.list_files(), True, [call.list_files()]),
        (lambda s: s.metadata('x'), True, [call.metadata('x')]),
        (lambda s: s.exists('x'), True, [call.exists('x')]),
        (lambda s: s.copy('x', 'y', overwrite=True), True, [call.exists('x'), call.copy('x', 'y')]),
        (lambda s: s.move('x', 'y', overwrite=True), True, [call.exists('x'), call.move('x', 'y')]),
        (lambda s: s.path('x'), True, [call.path('x')]),
    ],
)
def test_a_double_is_called_with_exactly_the_documented_arguments(
    double: tuple[fs.Storage, MagicMock], act: Any, exists: bool, calls: list[Any]
) -> None:
    storage, backend = double
    backend.exists.return_value = exists
    act(storage)
    assert [
        made for made in backend.mock_calls if not made[0].startswith(('metadata()', 'list_files()', '__'))
    ] == calls


def test_a_double_is_given_the_very_object_that_was_saved(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    backend.exists.return_value = False
    for file in (
        FileStorage(io.BytesIO(b'x'), 'a.txt'),
        FileStorage(io.StringIO('x'), 'a.txt'),  # type: ignore[arg-type]  # as older tests make it
        io.BytesIO(b'x'),
        io.StringIO('x'),
    ):
        backend.reset_mock()
        storage.save(file, 'b.txt')
        assert [call.exists('b.txt'), call.save(file, 'b.txt')] == backend.mock_calls


def test_what_reads_is_not_opened_as_a_path(double: tuple[fs.Storage, MagicMock]) -> None:
    """A mock of a file is path-like too; opened as one it would be the file with the number 1, and close that."""

    class ReadableAndPathLike(io.BytesIO):
        def __fspath__(self) -> str:
            pytest.fail('it was opened')

    storage, backend = double
    file = ReadableAndPathLike(b'x')
    assert storage.save(file, 'b.bin', overwrite=True) == 'b.bin'
    backend.save.assert_called_once_with(file, 'b.bin')


def test_a_double_is_not_asked_about_a_name_that_may_be_replaced(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    upload = io.BytesIO(b'upload')
    storage.save(upload, 'x', overwrite=True)
    assert [call.save(upload, 'x')] == backend.method_calls


def test_a_save_that_refuses_unless_told_is_told(make_app: Callable[..., Flask]) -> None:
    class Refusing(Old):
        def save(self, file_or_wfs: Any, filename: str, overwrite: bool = False) -> None:  # type: ignore[override]
            if not overwrite and self.exists(filename):
                raise fs.FileExists(filename)
            self.write(filename, file_or_wfs.read())

    class Unable(Old):
        def save(self, file: Any, filename: str) -> None:  # type: ignore[override]  # without the documented parameter
            self.write(filename, file.read())

    for kind in (Old, Refusing, Unable):
        storage = fs.Storage('old', fs.ALL)
        with make_app(storage, FS_BACKEND=kind, OLD_FS_COLOR='red').app_context():
            storage.save(io.BytesIO(b'first'), 'x')
            with pytest.raises(fs.FileExists):
                storage.save(io.BytesIO(b'second'), 'x')
            assert storage.read('x') == b'first'
            storage.save(io.BytesIO(b'second'), 'x', overwrite=True)
            assert storage.read('x') == b'second'


def test_a_double_serves_what_it_likes(double: tuple[fs.Storage, MagicMock], make_app: Callable[..., Flask]) -> None:
    storage, backend = double
    assert storage.serve('x') is backend.serve.return_value
    backend.serve.assert_called_once_with('x')


def test_a_double_that_says_taken_or_missing_is_believed(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    backend.exists.return_value = True
    for act in (
        lambda: storage.write('x', ''),
        lambda: storage.save(io.BytesIO(), 'x'),
        lambda: storage.open('x', 'x'),
    ):
        with pytest.raises(fs.FileExists):
            act()
    backend.exists.return_value = False
    for look in (storage.read, storage.open, storage.stat, storage.read_chunks):
        with pytest.raises(fs.FileNotFound):
            look('x')
    assert not backend.save.called
    assert not backend.read.called


def test_names_are_checked_before_a_double_sees_them(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    with pytest.raises(fs.InvalidFilename):
        storage.read('../x')
    assert backend.mock_calls == []


def test_an_unpatched_mock_backend_keeps_files_in_memory(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    with make_app(storage, FS_BACKEND='mock').app_context():
        storage.write('x', '1')
        assert storage.read('x') == b'1'


class Old(BaseBackend):
    """A custom backend as the older documentation taught to write one."""

    def __init__(self, name: str, config: Any) -> None:
        super().__init__(name, config)
        self.files: dict[str, bytes] = {}
        self.color = config.color

    def exists(self, filename: str) -> bool:
        return filename in self.files

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        content = self.files[filename]
        return io.BytesIO(content) if 'b' in mode else io.StringIO(content.decode())

    def read(self, filename: str) -> bytes:
        return self.files[filename]

    def write(self, filename: str, content: Any) -> None:  # type: ignore[override]  # as it used to be
        self.files[filename] = self.as_binary(content)

    def delete(self, filename: str) -> None:
        self.files.pop(filename, None)


class Listing(Old):
    """One that tells and lists, too."""

    def list_files(self) -> Iterator[str]:  # type: ignore[override]  # as it used to be
        return iter(self.files)

    def metadata(self, filename: str) -> dict[str, Any]:
        return {'size': len(self.files[filename]), 'mime': 'text/x-old', 'checksum': 'md5:0', 'modified': None}


MODIFIED = datetime.datetime(2020, 2, 2)  # noqa: DTZ001  # as older backends tell it


class Told(Old):
    """One that tells what older packages built their ``metadata`` on."""

    def get_metadata(self, filename: str) -> dict[str, Any]:
        return {
            'checksum': 'sha1:0',
            'size': len(self.files[filename]),
            'mime': 'text/x-old',
            'modified': MODIFIED,
            'owner': 'Ada',
        }

    def _checksum_of(self, key: str) -> str:
        pytest.fail('the file was read')


@pytest.fixture(params=[Old, Listing])
def old(request: pytest.FixtureRequest, make_app: Callable[..., Flask]) -> Iterator[fs.Storage]:
    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=request.param, OLD_FS_COLOR='red').app_context():
        yield storage


def test_an_old_style_backend_does_all_it_can(old: fs.Storage) -> None:
    old.write('a/x.txt', 'text')
    assert old.save(FileStorage(io.BytesIO(b'upload'), 'y.txt')) == 'y.txt'
    with pytest.raises(fs.FileExists):
        old.save(io.BytesIO(b''), 'y.txt')
    with pytest.raises(fs.FileNotFound):
        old.read('none')
    assert old.read('a/x.txt') == b'text'
    with old.open('a/x.txt') as file:
        assert file.read() == 'text'
    assert list(old.read_chunks('y.txt', 2)) == [b'up', b'lo', b'ad']
    old.copy('y.txt', 'z.txt')
    old.move('z.txt', 'w.txt')
    assert old.read('w.txt') == b'upload'
    assert not old.exists('z.txt')
    assert old.stat('w.txt').size == 6
    assert old.metadata('w.txt')['size'] == 6
    assert old.resolve_conflict('', 'w.txt') == 'w_1.txt'
    with old.local_file('w.txt') as path, open(path, 'rb') as copy:
        assert copy.read() == b'upload'
    old.delete('w.txt')
    assert 'w.txt' not in old
    old.remove('y.txt')
    assert 'y.txt' not in old
    with pytest.raises(fs.OperationNotSupported):
        old.path('y.txt')


def test_a_file_that_an_old_style_backend_lacks_is_a_404(make_app: Callable[..., Flask]) -> None:
    """Its serve need not know what to say of it: exists is asked first."""

    class Serves(Old):
        def serve(self, filename: str) -> Any:
            return self.files[filename]

    storage = fs.Storage('old', fs.ALL)
    app = make_app(storage, FS_BACKEND=Serves, OLD_FS_COLOR='red')
    with app.app_context():
        storage.write('x.txt', 'text')
        assert [app.test_client().get(storage.url(name)).status_code for name in ('x.txt', 'y.txt')] == [200, 404]
        with pytest.raises(fs.FileNotFound):
            storage.serve('y.txt')


def test_a_file_that_a_double_lacks_is_a_404(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    backend.exists.return_value = False
    client = storage._bound().app.test_client()
    assert client.get(storage.url('x')).status_code == 404
    assert not backend.serve.called


def test_the_read_chunks_of_an_old_style_backend_is_used(make_app: Callable[..., Flask]) -> None:
    class Chunked(Old):
        def read_chunks(self, filename: str, chunks_size: int = 4) -> Any:  # type: ignore[override]  # as it used to be
            content = self.files[filename]
            for start in range(0, len(content), chunks_size):
                yield b'own', content[start : start + chunks_size]

    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=Chunked, OLD_FS_COLOR='red').app_context():
        storage.write('x', '012345')
        assert list(storage.read_chunks('x')) == [(b'own', b'0123'), (b'own', b'45')]
        for chunks in (storage.read_chunks('x', 5), storage.read_chunks('x', chunks_size=5)):
            assert list(chunks) == [(b'own', b'01234'), (b'own', b'5')]
        with pytest.raises(fs.FileNotFound):
            storage.read_chunks('none')


def test_the_path_of_a_double_is_in_its_root(double: tuple[fs.Storage, MagicMock], tmp_path: Any) -> None:
    storage, backend = double
    for root in (str(tmp_path), tmp_path):
        backend.root = root
        assert str(tmp_path / 'a' / 'x.txt') == storage.path('a/x.txt')
        with storage.local_file('a/x.txt') as path:
            assert str(tmp_path / 'a' / 'x.txt') == path
    assert not backend.path.called


def test_a_double_without_a_root_has_no_paths(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    backend.root = None
    with pytest.raises(fs.OperationNotSupported, match='have no path on this machine'):
        storage.path('x.txt')
    backend.open.return_value = io.BytesIO(b'content')
    with storage.local_file('x.txt') as path, open(path, 'rb') as copy:
        assert (path.endswith('.txt'), copy.read()) == (True, b'content')
    backend.open.assert_called_once_with('x.txt', 'rb')


def test_the_path_of_an_old_style_backend_is_its_own_or_in_its_root(make_app: Callable[..., Flask]) -> None:
    class Rooted(Old):
        root: Any = '/data'

    class Rootless(Old):
        root = None

    class Path(Rooted):
        def path(self, filename: str) -> str:
            return f'/own/{filename}'

    class Hooked(Rooted):
        def _local_path(self, name: str) -> str:
            return f'/hook/{name}'

    for kind, path in ((Rooted, '/data/x'), (Path, '/own/x'), (Hooked, '/hook/x'), (Rootless, None), (Old, None)):
        storage = fs.Storage('old', fs.ALL)
        with make_app(storage, FS_BACKEND=kind, OLD_FS_COLOR='red').app_context():
            if path:
                assert storage.path('x') == path
            else:
                with pytest.raises(fs.OperationNotSupported):
                    storage.path('x')


def test_a_double_needs_no_more_than_the_documented_verbs(make_app: Callable[..., Flask]) -> None:
    """Those of the documentation's BaseBackend; what else a storage can do says so."""
    names = 'as_binary delete exists open read save serve write'
    for backend in (MagicMock(spec=names.split()), MagicMock(spec=BaseBackend)):
        with patch('flask_fs.backends.mock.MockBackend', return_value=backend):
            storage = fs.Storage('test', fs.ALL)
            app = make_app(storage, FS_BACKEND='mock')
        with app.app_context():
            backend.exists.return_value = False
            storage.save(io.BytesIO(b'x'), 'a')
            backend.exists.return_value = True
            storage.write('a', 'x', overwrite=True)
            assert storage.read('a') is backend.read.return_value
            storage.remove('a')
            backend.delete.assert_called_once_with('a')
            if hasattr(backend, 'copy'):
                continue
            verbs = (
                (storage.list_files, ()),
                (storage.metadata, ('a',)),
                (storage.path, ('a',)),
                (storage.copy, ('a', 'b')),
            )
            backend.exists.side_effect = lambda name: name == 'a'
            for verb, arguments in verbs:
                with pytest.raises(fs.OperationNotSupported):
                    verb(*arguments)


def test_a_file_is_written_to_an_old_style_backend(old: fs.Storage) -> None:
    """As older packages do it, it is given the very object, which its as_binary understands."""
    for content in (io.BytesIO(b'0123'), io.StringIO('0123'), FileStorage(io.BytesIO(b'0123'), 'x')):
        old.write('x', content, overwrite=True)
        assert old.read('x') == b'0123'
        assert content.tell() == 0


def test_a_double_is_given_the_very_file_that_was_written(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    file = io.BytesIO(b'x')
    storage.write('x', file, overwrite=True)
    backend.write.assert_called_once_with('x', file)


def test_remove_never_goes_further_than_one_file_on_an_old_style_backend(make_app: Callable[..., Flask]) -> None:
    """Its delete may take folders along, so it is not called where there is one."""

    class DeletesFolders(Listing):
        def delete(self, filename: str) -> None:
            for name in [name for name in self.files if f'{name}/'.startswith(f'{filename}/')]:
                del self.files[name]

    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=DeletesFolders, OLD_FS_COLOR='red').app_context():
        for name in ('a', 'a/b', 'ab', 'c'):
            storage.write(name, '')
        for act in (storage.remove, storage.backend.remove, lambda name: storage.move(name, 'moved')):
            with pytest.raises(fs.OperationNotSupported, match="there are files under 'a/'"):
                act('a')
        storage.remove('c')
        storage.remove('never')
        assert set(storage.list_files()) - {'moved'} == {'a', 'a/b', 'ab'}
        storage.remove('a/b')
        storage.remove('a')
        assert set(storage.list_files()) - {'moved'} == {'ab'}


def test_a_double_that_lists_files_under_a_name_is_not_told_to_delete_it(double: tuple[fs.Storage, MagicMock]) -> None:
    storage, backend = double
    backend.list_files.return_value = ['a', 'a/b']
    with pytest.raises(fs.OperationNotSupported, match="there are files under 'a/'"):
        storage.remove('a')
    assert not backend.delete.called
    del backend.list_files
    storage.remove('a')
    backend.delete.assert_called_once_with('a')


def test_an_old_style_backend_is_served(old: fs.Storage, make_app: Callable[..., Flask]) -> None:
    app = make_app(old, FS_BACKEND=type(old.backend), OLD_FS_COLOR='blue')
    with app.app_context():
        old.write('x.txt', '0123456789')
        client = app.test_client()
        assert client.get('/old/x.txt').text == '0123456789'
        part = client.get('/old/x.txt', headers={'Range': 'bytes=3-4'})
        assert (part.status_code, part.text) == (206, '34')
        with app.test_request_context():
            link = old.signed_url('x.txt')
        assert client.get(link).text == '0123456789'


@pytest.mark.parametrize(
    'served',
    [
        lambda: PAGE,
        PAGE.encode,
        lambda: bytearray(PAGE, 'ascii'),
        lambda: (PAGE, 200),
        lambda: (letter for letter in PAGE),
        lambda: io.BytesIO(PAGE.encode()),
        lambda: Response(PAGE),
        lambda: {'page': PAGE},
        lambda: [PAGE],
    ],
)
def test_whatever_a_backend_serves_runs_no_scripts(make_app: Callable[..., Flask], served: Callable[[], Any]) -> None:
    class Serving(MemoryBackend):
        capabilities = fs.Capability.NONE

        def serve(self, filename: str) -> Any:
            return served()

    storage = fs.Storage('files', fs.ALL)
    app = make_app(storage, FS_BACKEND=Serving)
    with app.app_context():
        storage.write('x', '')
    response = app.test_client().get('/files/x')
    assert 'alert' in response.text
    assert response.headers['X-Content-Type-Options'] == 'nosniff'
    if response.mimetype != 'application/json':
        assert response.headers['Content-Security-Policy'].startswith('sandbox;')


def test_only_what_lists_can_be_listed(old: fs.Storage) -> None:
    old.write('a/x', '')
    old.write('b', '')
    if isinstance(old.backend, Listing):
        assert list(old.list_files()) == ['a/x', 'b']
        assert list(old.list_files('a')) == ['a/x']
        assert [(info.name, info.mime) for info in old.scan('a')] == [('a/x', 'text/x-old')]
    else:
        with pytest.raises(fs.OperationNotSupported, match="doesn't implement _scan"):
            list(old.list_files())


def test_an_old_style_backend_lists_no_name_that_no_verb_takes(make_app: Callable[..., Flask]) -> None:
    class ListsAtOnce(Listing):
        def list_files(self) -> list[str]:  # type: ignore[override]  # as it used to be
            return list(self.files)

    for kind in (Listing, ListsAtOnce):
        storage = fs.Storage('old', fs.ALL)
        with make_app(storage, FS_BACKEND=kind, OLD_FS_COLOR='red').app_context():
            storage.backend.files.update({'/lead': b'', 'a//b': b'', 'a/x': b'', 'b': b''})
            assert list(storage.list_files()) == [info.name for info in storage.scan()] == ['a/x', 'b']
            assert list(storage.list_files('a')) == ['a/x']
            assert isinstance(storage.list_files(), list) == (kind is ListsAtOnce)


def test_a_file_that_goes_during_a_scan_of_an_old_style_backend_is_left_out(make_app: Callable[..., Flask]) -> None:
    class ListsAtOnce(Listing):
        def list_files(self) -> Iterator[str]:
            return iter(list(self.files))

    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=ListsAtOnce, OLD_FS_COLOR='red').app_context():
        storage.backend.files.update({'a': b'', 'b': b'', 'c': b''})
        scanned = storage.scan()
        assert next(scanned).name == 'a'
        del storage.backend.files['b']
        assert [info.name for info in scanned] == ['c']


def test_an_old_style_backend_lists_by_itself_too() -> None:
    backend = Listing('x', from_mapping('x', '', {'color': 'red'}, STORAGE_SETTINGS))
    backend.files.update({'a/x': b'1', 'ab': b'', 'b': b''})
    assert [(info.name, info.size, info.mime) for info in backend.scan('a')] == [
        ('a/x', 1, 'text/x-old'),
        ('ab', 0, 'text/x-old'),
    ]
    BaseBackend._delete(backend, 'a')
    assert list(backend.list_files()) == ['ab', 'b']


def test_what_get_metadata_tells_is_told(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=Told, OLD_FS_COLOR='red', SERVER_NAME='site.test').app_context():
        storage.write('a/x.png', 'text')
        expected = {
            'checksum': 'sha1:0',
            'size': 4,
            'mime': 'text/x-old',
            'modified': MODIFIED,
            'owner': 'Ada',
            'filename': 'x.png',
            'url': 'http://site.test/old/a/x.png',
        }
        assert storage.metadata('a/x.png') == expected
        info = storage.stat('a/x.png')
        assert (info.size, info.mime, info.checksum) == (4, 'text/x-old', 'sha1:0')
        for look in (storage.metadata, storage.stat):
            with pytest.raises(fs.FileNotFound):
                look('none')


def test_what_get_metadata_tells_is_served(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('old', fs.ALL)
    app = make_app(storage, FS_BACKEND=Told, OLD_FS_COLOR='red')
    with app.app_context():
        storage.write('x.png', 'text')
        answer = app.test_client().get('/old/x.png')
        assert (answer.text, answer.content_type) == ('text', 'text/x-old; charset=utf-8')
        assert answer.headers['Last-Modified'] == 'Sun, 02 Feb 2020 00:00:00 GMT'


def test_what_get_metadata_leaves_out_is_found_in_other_ways(make_app: Callable[..., Flask]) -> None:
    class Sparing(Old):
        def get_metadata(self, filename: str) -> dict[str, Any]:
            return {'size': len(self.files[filename])}

    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=Sparing, OLD_FS_COLOR='red', FS_CHECKSUM='md5').app_context():
        storage.write('x.png', '')
        facts = storage.metadata('x.png')
        assert (facts['size'], facts['mime'], facts['modified']) == (0, 'image/png', None)
        assert facts['checksum'] == 'md5:d41d8cd98f00b204e9800998ecf8427e'


def test_get_metadata_is_passed_over_where_newer_ways_are_there(make_app: Callable[..., Flask]) -> None:
    class Both(Listing):
        def get_metadata(self, filename: str) -> dict[str, Any]:
            pytest.fail('it was asked')

    class Hooked(MemoryBackend):
        get_metadata = Both.get_metadata

    for kind in (Both, Hooked):
        storage = fs.Storage('old', fs.ALL)
        with make_app(storage, FS_BACKEND=kind, OLD_FS_COLOR='red').app_context():
            storage.write('x', 'four')
            assert (storage.metadata('x')['size'], storage.stat('x').size) == (4, 4)


def test_a_link_that_a_driver_promises_and_cannot_make_is_said_so() -> None:
    class Promising(BaseBackend):
        capabilities = Capability.SIGNED_URL

    with pytest.raises(fs.OperationNotSupported, match="Promising doesn't implement _signed_url"):
        Promising('x').signed_url('a')


def test_a_hook_that_a_driver_lacks_is_named() -> None:
    class Empty(BaseBackend):
        pass

    backend = Empty('x')
    for act, hook in (
        (lambda: backend.read('x'), '_open'),
        (lambda: backend.write('x', ''), '_put'),
        (lambda: backend.remove('x'), '_remove'),
        (lambda: backend.delete('x'), '_scan'),
        (lambda: list(backend.list_files()), '_scan'),
    ):
        with pytest.raises(fs.OperationNotSupported, match=f"Empty doesn't implement {hook}"):
            act()


class Forgetful(BaseBackend):
    """A mixin for drivers: it declares no capability, and is no legacy backend."""

    forgotten: tuple[str, ...] = ()

    def remove(self, filename: str) -> None:
        self.forgotten += (filename,)
        super().remove(filename)

    def list_files(self, prefix: str = '') -> Iterator[str]:
        return iter(sorted(super().list_files(prefix)))


class ForgetfulMemory(Forgetful, MemoryBackend):
    pass


def test_a_mixin_does_not_hide_the_hooks_of_a_driver() -> None:
    backend = ForgetfulMemory('x')
    backend.write('b.txt', 'b')
    backend.write('a.txt', 'text')
    assert backend.read('a.txt') == b'text'
    assert list(backend.list_files()) == ['a.txt', 'b.txt']
    backend.remove('a.txt')
    assert [info.name for info in backend.scan()] == ['b.txt']
    assert backend.forgotten == ('a.txt',)


class Plain:
    """A stream that can be read and closed, and nothing else."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Opening(BaseBackend):
    """A legacy backend that opens files, and whose metadata is not to be had."""

    opened = 0

    def exists(self, filename: str) -> bool:
        return filename == 'x'

    def open(self, filename: str, mode: str = 'r', **_: Any) -> Any:
        self.opened += 1
        return Plain(b'text')

    def metadata(self, filename: str) -> dict[str, Any]:
        pytest.fail('nobody needs it')


def test_reading_with_a_legacy_backend_opens_the_file_once_and_needs_no_metadata() -> None:
    backend = Opening('x')
    assert backend.read('x') == backend.read_range('x', 0) == b'text'
    assert backend.opened == 2


def test_a_legacy_stream_without_a_size_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Opening, 'metadata')
    assert Opening('x').stat('x').size == 4


@pytest.mark.parametrize('is_double', [True, False])
@pytest.mark.parametrize(
    ('start', 'stop', 'expected'),
    [
        (0, None, b'text'),
        (1, 3, b'ex'),
        (-2, None, b'xt'),
        (-9, None, b'text'),
        (2, 2, b''),
        (3, 99, b't'),
        (4, None, fs.RangeNotSatisfiable),
        (3, 1, ValueError),
        (-3, 1, ValueError),
    ],
)
def test_ranges_of_a_legacy_backend_are_those_of_every_other(
    start: int, stop: int | None, expected: Any, is_double: bool, make_app: Callable[..., Flask]
) -> None:
    class Double:
        def __init__(self, *_: Any) -> None:
            self.exists = 'x.txt'.__eq__

        def read(self, _: str) -> bytes:
            return b'text'

    class Legacy(Told):
        """Its metadata has no size."""

        def get_metadata(self, _: str) -> dict[str, Any]:
            return {}

    storage = fs.Storage('old', fs.ALL)
    with make_app(storage, FS_BACKEND=Double if is_double else Legacy, OLD_FS_COLOR='red').app_context():
        if not is_double:
            storage.write('x.txt', 'text')
        if isinstance(expected, bytes):
            assert storage.read_range('x.txt', start, stop) == expected
        else:
            with pytest.raises(expected):
                storage.read_range('x.txt', start, stop)
        with pytest.raises(fs.FileNotFound):
            storage.read_range('none', 0)


def test_backends_are_found_by_their_entry_points(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    from flask_fs import registry

    points = {
        group: metadata.EntryPoint(f'by-{group[:2]}', f'{__name__}:Old', group) for group in registry.ENTRY_POINT_GROUPS
    }
    monkeypatch.setattr(metadata, 'entry_points', lambda group: [points[group]])
    monkeypatch.setattr(metadata.EntryPoint, 'load', lambda _: Old)
    registry._announced.cache_clear()
    try:
        for kind in ('by-fs', 'by-st'):
            storage = fs.Storage('old')
            with make_app(storage, FS_BACKEND=kind, OLD_FS_COLOR='red').app_context():
                assert isinstance(storage.backend, Old)
    finally:
        registry._announced.cache_clear()
