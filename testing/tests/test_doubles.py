from __future__ import annotations

import concurrent.futures
import copy
import io
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Attributes, BaseBackend, Capability, Opened, limited
from flask_fs.backends.hooks import Hooks
from flask_fs.backends.incoming import Incoming
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing.doubles import HOOKS, BackendWrapper, Call, FaultyBackend, RecordingBackend, wrap


class Shelf(BaseBackend):
    """A legacy backend: a few verbs, no capability, and errors of its own for what is not there."""

    def __init__(self, name: str, config: Any = None) -> None:
        super().__init__(name, config)
        self.files: dict[str, bytes] = {}

    def exists(self, filename: str) -> bool:
        return filename in self.files

    def read(self, filename: str) -> bytes:
        return self.files[filename]

    def write(self, filename: str, content: Any, **_: Any) -> None:
        self.files[filename] = self.as_binary(content)

    def delete(self, filename: str) -> None:
        self.files.pop(filename, None)

    def list_files(self, prefix: str = '') -> Iterator[str]:
        return iter([name for name in self.files if name.startswith(prefix)])


MakeBackend = Callable[[], BaseBackend]


@pytest.fixture(params=['local', 'memory', 'local under a prefix', 'memory under a prefix', 'shelf'])
def make_backend(request: pytest.FixtureRequest, tmp_path: Path) -> MakeBackend:
    kind, _, where = str(request.param).partition(' ')
    config = {'prefix': 'tenants/7'} if where else {}

    def make() -> BaseBackend:
        if kind == 'local':
            return LocalBackend('files', {'root': str(tmp_path), **config})
        return MemoryBackend('files', config) if kind == 'memory' else Shelf('files', config)

    return make


@pytest.fixture
def backend(make_backend: MakeBackend) -> BaseBackend:
    return make_backend()


@pytest.fixture
def faulty(backend: BaseBackend) -> FaultyBackend:
    return FaultyBackend(backend)


@pytest.fixture
def recording(backend: BaseBackend) -> RecordingBackend:
    return RecordingBackend(backend)


# --- Any wrapper.


@pytest.mark.parametrize('wrapper', [BackendWrapper, FaultyBackend, RecordingBackend])
def test_a_wrapper_does_what_the_backend_does(backend: BaseBackend, wrapper: type[BackendWrapper]) -> None:
    double = wrapper(wrapper(backend))
    double.write('a/b.txt', 'one')
    double.save(io.BytesIO(b'two'), 'c.txt', overwrite=True)
    with double.open('d.txt', 'w') as file:
        file.write('three')
    double.copy('d.txt', 'a/e.txt')
    double.move('c.txt', 'f.txt')
    assert {name: backend.read(name) for name in backend.list_files()} == {
        'a/b.txt': b'one',
        'd.txt': b'three',
        'a/e.txt': b'three',
        'f.txt': b'two',
    }
    assert sorted(double.list_files('a/')) == ['a/b.txt', 'a/e.txt']
    assert sorted(info.name for info in double.scan('a/')) == ['a/b.txt', 'a/e.txt']
    assert list(double.read_chunks('d.txt', 3)) == [b'thr', b'ee']
    assert (double.stat('f.txt').size, double.stat('f.txt').mime) == (3, 'text/plain')
    assert backend.metadata('f.txt')['checksum'] == double.metadata('f.txt')['checksum']
    with double.local_file('f.txt') as path:
        assert Path(path).read_bytes() == b'two'
    with pytest.raises(fs.FileExists):
        double.write('f.txt', '', overwrite=False)
    page = double.folder(limit=2)
    rest = double.folder(after=page.next)
    assert sorted(info.name for info in (*page.files, *rest.files)) == ['d.txt', 'f.txt']
    assert [*page.folders, *rest.folders] == ['a']
    double.delete('f.txt')
    assert (double.exists('f.txt'), double.exists('d.txt')) == (False, True)
    assert double.remove_many(['d.txt', 'missing']) == {}
    assert sorted(backend.list_files()) == ['a/b.txt', 'a/e.txt']
    for verb in (double.read, double.stat, double.open, double.metadata):
        with pytest.raises(fs.FileNotFound):
            verb('f.txt')


@pytest.mark.parametrize('wrapper', [BackendWrapper, FaultyBackend, RecordingBackend])
def test_a_wrapper_keeps_attributes_swaps_and_restores(wrapper: type[BackendWrapper]) -> None:
    double = wrapper(MemoryBackend('files', {'retention_days': 1}))
    double.write('a', 'one', attributes=Attributes(cache_control='no-store'))
    etag = double.stat('a').etag
    double.set_attributes('a', {'content_language': 'de'})
    assert double.stat('a').attributes == Attributes(cache_control='no-store', content_language='de')
    double.write('a', 'two', if_match=etag)
    with pytest.raises(fs.Changed):
        double.write('a', 'three', if_match=etag)
    double.remove('a')
    [deleted] = double.deleted()
    double.restore(deleted.name)
    assert double.read('a') == b'two'


def test_a_wrapper_passes_for_the_backend(backend: BaseBackend) -> None:
    double = FaultyBackend(backend)
    assert isinstance(double, type(backend))
    assert isinstance(double, FaultyBackend)
    assert (backend.name, backend.kind, backend.config, backend.settings, backend.capabilities) == (
        double.name,
        double.kind,
        double.config,
        double.settings,
        double.capabilities,
    )


def test_attributes_are_those_of_the_backend(tmp_path: Path) -> None:
    backend = LocalBackend('files', {'root': str(tmp_path)})
    double: Any = RecordingBackend(FaultyBackend(backend))
    assert (double.root, double.default_root, double.sweep()) == (str(tmp_path), str(tmp_path.parent), 0)
    assert str(tmp_path / 'a') == double.path('a')
    with pytest.raises(AttributeError, match="'LocalBackend' object has no attribute 'bucket'"):
        double.bucket  # noqa: B018


def test_capabilities_narrowed_later_are_seen() -> None:
    backend = MemoryBackend('files')
    double = FaultyBackend(backend)
    backend.capabilities &= ~Capability.ATOMIC_CREATE
    assert Capability.ATOMIC_CREATE not in double.capabilities


def test_a_wrapper_is_where_its_backend_is() -> None:
    class Somewhere(MemoryBackend):
        @property
        def location(self) -> tuple[str, ...]:
            return ('somewhere', self.name)

    assert FaultyBackend(RecordingBackend(Somewhere('kit'))).location == ('somewhere', 'kit')


def test_the_repr_tells_the_backend_inside() -> None:
    shown = repr(FaultyBackend(RecordingBackend(MemoryBackend('files'))))
    assert re.fullmatch(r'<FaultyBackend around <RecordingBackend around <.*MemoryBackend object at .*>>>', shown)


def test_a_wrapper_can_be_copied() -> None:
    double = copy.copy(RecordingBackend(MemoryBackend('files')))
    double.write('a', 'b')
    assert double.hooks() == ['put']


def test_links_are_those_that_the_backend_signs() -> None:
    class Signing(MemoryBackend):
        capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL

        def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
            return f'https://store/{name}?{method}={expires_s}&as={download_name}'

    double = RecordingBackend(Signing('x', {'prefix': 'tenant'}))
    assert double.signed_url('a', expires_s=60, method='PUT', download_name='b') == 'https://store/tenant/a?PUT=60&as=b'
    assert double.hooks() == ['signed_url']


def test_only_backends_can_be_wrapped() -> None:
    with pytest.raises(TypeError, match='FaultyBackend wraps backends made from BaseBackend, not dict'):
        FaultyBackend({})  # type: ignore[arg-type]


def test_every_hook_of_the_template_passes() -> None:
    """A hook that the template gains must be added to the wrapper."""
    hooks = {
        name
        for name, value in vars(Hooks).items()
        if callable(value) and re.fullmatch(r'_[a-z]\w*', name) and name not in NO_HOOKS
    }
    # Of many files, each is removed by a call of its own.
    hooks -= {'_remove_many', '_remove_batch', '_failures'}
    # These are about no file's content.
    assert hooks - {'_internal_location', '_sweep', '_allow_origins'} == {f'_{hook}' for hook in HOOKS}
    assert hooks <= set(vars(BackendWrapper))


NO_HOOKS = {
    '_open_translated',
    '_put_translated',
    # The wrapped backend translates its own errors.
    '_translate',
}


# --- Recording.


def test_calls_are_recorded_with_their_options(recording: RecordingBackend) -> None:
    recording.write('a.txt', 'one', overwrite=False)
    recording.read('a.txt')
    recording.copy('a.txt', 'b.txt')
    recording.delete('a.txt')
    assert recording.hooks() == ['put', 'open', 'copy', 'delete']
    assert recording.calls == [
        Call('put', 'a.txt', None, {'create': True, 'attributes': Attributes()}),
        Call('open', 'a.txt', None, {'start': 0, 'stop': None, 'etag': None}),
        Call('copy', 'a.txt', 'b.txt', {'create': False}),
        Call('delete', 'a.txt', None, {}),
    ]


def test_what_is_made_of_an_upload_is_recorded() -> None:
    recording = RecordingBackend(MemoryBackend('files'))
    upload = Incoming(recording, 'id')
    upload.put(io.BytesIO(b'x'))
    pieces = upload.pieces()
    recording.calls.clear()
    upload.create(pieces, 'a.txt', create=True)
    options = {'create': True, 'attributes': Attributes()}
    assert recording.calls == [Call('join', '.fs-incoming/id/0-0', 'a.txt', options)]


def test_versions_changes_and_pages_are_recorded() -> None:
    recording = RecordingBackend(MemoryBackend('files'))
    recording.write('a', '')
    etag = recording.stat('a').etag
    recording.calls.clear()
    recording.write('a', '1', if_match=etag)
    recording.set_attributes('a', {'mime': 'text/plain'})
    recording.folder('b', after='c', limit=2)
    recording.remove_many(['a', 'd'])
    assert recording.calls == [
        Call('swap', 'a', None, {'etag': etag, 'attributes': Attributes()}),
        Call('set_attributes', 'a', None, {'changes': {'mime': 'text/plain'}}),
        Call('folder', 'b/', None, {'after': 'c', 'limit': 2}),
        Call('remove', 'a', None, {}),
        Call('remove', 'd', None, {}),
    ]


def test_names_are_listed_by_hook(recording: RecordingBackend) -> None:
    for name in ('a', 'b'):
        recording.write(name, '')
    recording.exists('a')
    list(recording.list_files('a/'))
    assert tuple(recording.names(hook) for hook in ('put', 'stat', 'names', 'remove')) == (
        ['a', 'b'],
        ['a'],
        ['a/'],
        [],
    )


def test_a_range_is_recorded(recording: RecordingBackend) -> None:
    recording.write('a', '12345')
    recording.calls.clear()
    assert recording.read_range('a', 1, 3) == b'23'
    assert recording.calls == [Call('open', 'a', None, {'start': 1, 'stop': 3, 'etag': None})]


def test_what_fails_is_recorded_too(recording: RecordingBackend) -> None:
    recording.write('a', '')
    with pytest.raises(fs.FileExists):
        recording.write('a', '', overwrite=False)
    assert recording.hooks() == ['put', 'put']


def test_threads_record_everything() -> None:
    recording = RecordingBackend(MemoryBackend('files'))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: recording.write(f'{number}', ''), range(200)))
    assert set(recording.names('put')) == {str(number) for number in range(200)}


# --- Failing.


@pytest.mark.parametrize(
    ('hook', 'act'),
    [
        ('put', lambda backend: backend.write('a', 'new')),
        ('put', lambda backend: backend.save(io.BytesIO(b'new'), 'a', overwrite=True)),
        ('put', lambda backend: backend.open('a', 'w').close()),
        ('put', lambda backend: backend.copy('a', 'b')),
        ('open', lambda backend: backend.read('a')),
        ('open', lambda backend: backend.open('a').close()),
        ('open', lambda backend: list(backend.read_chunks('a'))),
        ('open', lambda backend: backend.copy('a', 'b')),
        ('open', lambda backend: backend.read_range('a', 0)),
        ('stat', lambda backend: backend.exists('a')),
        ('stat', lambda backend: backend.metadata('a')),
        ('scan', lambda backend: list(backend.scan())),
        ('scan', lambda backend: list(backend.list_files())),
        ('remove', lambda backend: backend.delete('a')),
        ('remove', lambda backend: backend.move('a', 'b')),
        ('any', lambda backend: backend.read('a')),
        ('delete', lambda backend: backend.delete('a')),
        ('copy', lambda backend: backend.move('a', 'b')),
    ],
)
def test_the_next_call_fails_and_the_one_after_works(
    faulty: FaultyBackend, hook: str, act: Callable[[FaultyBackend], object]
) -> None:
    faulty.write('a', 'old')
    failure = faulty.fail_next(hook)
    with pytest.raises(fs.Unavailable, match=r"'?.*'?is unavailable in storage 'files'.*planned"):
        act(faulty)
    assert (failure.struck, faulty.planned) == (1, [])
    assert faulty.read('a') == b'old'
    act(faulty)


def test_the_error_names_the_file_without_the_key_prefix(faulty: FaultyBackend) -> None:
    faulty.fail_next('put', fs.PermissionDenied)
    with pytest.raises(fs.PermissionDenied) as caught:
        faulty.write('a/b', '')
    assert (caught.value.filename, caught.value.storage) == ('a/b', 'files')
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), fs.PermissionDenied)


def test_any_error_can_be_planned(faulty: FaultyBackend) -> None:
    error = OSError('no more room')
    faulty.fail_next('put', error)
    faulty.fail_next('put', MemoryError)
    with pytest.raises(OSError, match='no more room') as caught:
        faulty.write('a', '')
    assert error is caught.value
    with pytest.raises(MemoryError):
        faulty.write('a', '')
    faulty.write('a', '')


def test_failures_strike_as_often_as_planned_in_the_order_planned(faulty: FaultyBackend) -> None:
    faulty.fail_next('put', fs.Unavailable, times=2)
    faulty.fail_next('put', fs.PermissionDenied)
    seen = []
    for _ in range(4):
        try:
            faulty.write('a', '')
            seen.append('stored')
        except fs.BackendError as error:
            seen.append(type(error).__name__)
    assert seen == ['Unavailable', 'Unavailable', 'PermissionDenied', 'stored']


def test_failures_without_end_last_until_recovery(faulty: FaultyBackend) -> None:
    failure = faulty.fail_next('any', times=None)
    for act in (lambda: faulty.exists('a'), lambda: faulty.write('a', ''), lambda: faulty.delete('a')):
        with pytest.raises(fs.Unavailable):
            act()
    assert (faulty.planned, failure.struck) == ([failure], 3)
    faulty.recover()
    assert not faulty.exists('a')


def test_only_the_files_meant_fail(faulty: FaultyBackend) -> None:
    faulty.fail_next('put', when=lambda name: name.startswith('thumbs/'))
    faulty.write('a.png', '')
    with pytest.raises(fs.Unavailable):
        faulty.write('thumbs/a.png', '')
    faulty.write('thumbs/a.png', '')


def test_a_failure_taken_back_while_its_condition_is_checked_does_not_strike(faulty: FaultyBackend) -> None:
    def take_back(_: str) -> bool:
        faulty.recover()
        return True

    faulty.write('a', b'content')
    faulty.fail_next('open', when=take_back)
    faulty.fail_next('open', when=take_back)
    [first, second] = faulty.planned
    assert faulty.read('a') == b'content'
    assert (first.struck, second.struck) == (0, 0)


def test_deleting_can_fail_half_way(faulty: FaultyBackend) -> None:
    for name in ('a/1', 'a/2', 'a/3', 'ab'):
        faulty.write(name, '')
    faulty.fail_next('remove', when=lambda name: name == 'a/2')
    with pytest.raises(fs.Unavailable):
        faulty.delete('a')
    left = set(faulty.list_files())
    assert {'a/2', 'ab'} <= left
    faulty.delete('a')
    assert list(faulty.list_files()) == ['ab']


def test_some_of_many_files_can_fail(faulty: FaultyBackend) -> None:
    for name in ('a', 'b', 'c'):
        faulty.write(name, '')
    faulty.fail_next('remove', fs.PermissionDenied, when=lambda name: name == 'b')
    failures = faulty.remove_many(['a', 'b', 'c'])
    assert {name: type(error) for name, error in failures.items()} == {'b': fs.PermissionDenied}
    assert list(faulty.list_files()) == ['b']


def test_a_swap_fails_half_way_and_keeps_the_old_content() -> None:
    faulty = FaultyBackend(MemoryBackend('files'))
    faulty.write('a', 'old')
    faulty.fail_next('swap', after_bytes=2)
    etag = faulty.stat('a').etag
    with pytest.raises(fs.Unavailable):
        faulty.write('a', 'new content', if_match=etag)
    assert faulty.read('a') == b'old'
    faulty.write('a', 'new content', if_match=etag)


def test_the_second_of_two_names_can_be_the_one_that_fails(faulty: FaultyBackend) -> None:
    faulty.write('a', '1')
    faulty.fail_next('put', when=lambda name: name == 'b')
    with pytest.raises(fs.Unavailable):
        faulty.move('a', 'b')
    assert (faulty.exists('a'), faulty.exists('b')) == (True, False)


@pytest.mark.parametrize('after_bytes', [0, 1, 1000, 3_000_000, 5_000_000])
def test_a_put_fails_half_way_and_stores_nothing(faulty: FaultyBackend, after_bytes: int) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)

    source = Source(bytes(4_000_000))
    faulty.fail_next('put', after_bytes=after_bytes)
    with pytest.raises(fs.Unavailable):
        faulty.save(source, 'a', overwrite=True)
    assert source.tell() == min(after_bytes, 4_000_000)
    assert (list(faulty.list_files()), source.closed) == ([], False)


def test_a_put_that_fails_half_way_keeps_the_old_content(faulty: FaultyBackend) -> None:
    faulty.write('a', 'old')
    faulty.fail_next('put', after_bytes=2)
    with pytest.raises(fs.Unavailable):
        faulty.write('a', 'new content')
    assert faulty.read('a') == b'old'


def test_reading_breaks_in_the_middle(faulty: FaultyBackend) -> None:
    faulty.write('a', bytes(range(256)) * 40)
    faulty.fail_next('open', after_bytes=1000)
    chunks = faulty.read_chunks('a', 100)
    seen = [next(chunks) for _ in range(10)]
    with pytest.raises(fs.Unavailable):
        next(chunks)
    assert b''.join(seen) == (bytes(range(256)) * 40)[:1000]


@pytest.mark.parametrize('size', [0, 10, 100_000])
def test_reading_breaks_at_the_end_of_the_file_at_the_latest(faulty: FaultyBackend, size: int) -> None:
    faulty.write('a', bytes(size))
    for act in (faulty.read, lambda name: faulty.open(name, 'r').read(), lambda name: list(faulty.read_chunks(name))):
        faulty.fail_next('open', after_bytes=200_000)
        with pytest.raises(fs.Unavailable):
            act('a')
    assert faulty.read('a') == bytes(size)


def test_a_stream_that_broke_is_closed() -> None:
    closed = []

    class Stream(io.BytesIO):
        def close(self) -> None:
            closed.append(1)
            super().close()

    class Backend(MemoryBackend):
        def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Any:
            info, stream = super()._open(name, start, stop, etag=etag)
            return Opened(info, Stream(stream.read()))

    faulty = FaultyBackend(Backend('files'))
    faulty.write('a', 'content')
    faulty.fail_next('open', after_bytes=1)
    with faulty.open('a', 'rb') as file, pytest.raises(fs.Unavailable):
        file.read()
    assert closed[:1] == [1]


def test_threads_share_the_failures() -> None:
    faulty = FaultyBackend(MemoryBackend('files'))
    faulty.fail_next('put', times=7)

    def write(number: int) -> bool:
        try:
            faulty.write(f'{number}', '')
        except fs.Unavailable:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(100))).count(False) == 7


@pytest.mark.parametrize(
    ('plan', 'message'),
    [
        ({'hook': 'save'}, r"'save' is not a hook \(known: open, put, .*any\)"),
        ({'hook': 'stat', 'after_bytes': 1}, "after_bytes= is for put, swap, open, which move content, not for 'stat'"),
        ({'hook': 'put', 'times': 0}, 'times must be 1 or more'),
        ({'hook': 'put', 'after_bytes': -1}, 'after_bytes must be 0 or more'),
    ],
)
def test_impossible_plans_are_refused(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaultyBackend(MemoryBackend('files')).fail_next(**plan)


# --- In an application.


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('files', fs.ALL)


@pytest.fixture(params=['local', 'memory', Shelf], ids=str)
def app(request: pytest.FixtureRequest, storage: fs.Storage, tmp_path: Path) -> Flask:
    app = Flask('app', instance_path=str(tmp_path))
    app.config.update(FS_BACKEND=request.param, FS_SERVE=True)
    fs.init_app(app, storage)
    return app


def test_a_wrapper_is_used_while_the_block_lasts(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        before = storage.backend
        with wrap(storage, FaultyBackend) as faulty:
            assert faulty is storage.backend
            assert isinstance(storage.backend, type(before))
            faulty.fail_next('put', fs.Unavailable)
            with pytest.raises(fs.Unavailable):
                storage.save(io.BytesIO(b'1'), 'a')
            storage.save(io.BytesIO(b'2'), 'a')
        assert storage.backend is before
        assert storage.read('a') == b'2'


def test_a_wrapper_is_removed_after_an_exception(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        before = storage.backend
        with pytest.raises(ZeroDivisionError), wrap(storage, FaultyBackend):
            raise ZeroDivisionError
        assert storage.backend is before


def test_requests_meet_the_wrapper(app: Flask, storage: fs.Storage) -> None:
    with wrap(storage, FaultyBackend, app=app) as faulty:
        storage.write('a.txt', '0123456789')
        client = app.test_client()
        assert client.get('/files/a.txt').text == '0123456789'
        faulty.fail_next('open')
        assert client.get('/files/a.txt').status_code == 503
        faulty.fail_next('stat')
        assert client.head('/files/a.txt').status_code == 503
        faulty.fail_next('open', after_bytes=4)
        with pytest.raises(fs.Unavailable), client.get('/files/a.txt') as response:
            response.get_data()
        assert client.get('/files/a.txt').data == b'0123456789'


def test_wrappers_nest(app: Flask, storage: fs.Storage) -> None:
    with app.app_context(), wrap(storage, RecordingBackend) as recording, wrap(storage, FaultyBackend) as faulty:
        faulty.fail_next('put')
        with pytest.raises(fs.Unavailable):
            storage.write('a', '')
        storage.write('a', '')
        assert recording.names('put') == ['a']


def test_a_storage_configured_anew_keeps_its_new_backend(app: Flask, storage: fs.Storage) -> None:
    with app.app_context():
        with wrap(storage, FaultyBackend):
            fs.init_app(app, storage)
            newest = storage.backend
        assert newest is storage.backend


def test_only_the_application_meant_gets_the_wrapper(app: Flask, storage: fs.Storage, tmp_path: Path) -> None:
    other = Flask('other', instance_path=str(tmp_path / 'other'))
    fs.init_app(other, storage)
    with wrap(storage, FaultyBackend, app=app) as faulty:
        faulty.fail_next('any', times=None)
        with other.app_context():
            storage.write('a', '')
        with app.app_context(), pytest.raises(fs.Unavailable):
            storage.write('a', '')


def test_wrapping_needs_an_application_that_has_the_storage(app: Flask, storage: fs.Storage) -> None:
    with (
        pytest.raises(fs.ConfigurationError, match=r'wrap\(\) needs app.app_context\(\)'),
        wrap(storage, FaultyBackend),
    ):
        pass
    unconfigured = fs.Storage('unconfigured')
    with (
        pytest.raises(fs.ConfigurationError, match="Storage 'unconfigured' is not configured for 'app'"),
        wrap(unconfigured, FaultyBackend, app=app),
    ):
        pass


# --- Backends that open remote files in a way of their own.


class OpensByRanges(MemoryBackend):
    """Streams cannot seek."""

    seekable_streams = False

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, limited(stream, 1000))


class WantsHeaders(MemoryBackend):
    signed_put_headers: ClassVar[Mapping[str, str]] = {'x-kind': 'file'}


def test_a_wrapper_says_what_links_have_to_be_followed_with() -> None:
    assert RecordingBackend(WantsHeaders('files')).signed_put_headers == {'x-kind': 'file'}
    assert RecordingBackend(MemoryBackend('files')).signed_put_headers == {}


def test_a_wrapped_file_can_be_read_from_anywhere() -> None:
    recording = RecordingBackend(OpensByRanges('files'))
    recording.write('x', b'0123456789')
    with recording.open('x', 'rb') as file:
        file.seek(-3, 2)
        assert file.read() == b'789'
    assert recording.names('open') == ['x']
    faulty = FaultyBackend(OpensByRanges('files'))
    faulty.write('x', b'0123456789')
    faulty.fail_next('open', fs.Unavailable)
    with pytest.raises(fs.Unavailable):
        faulty.open('x', 'rb')
