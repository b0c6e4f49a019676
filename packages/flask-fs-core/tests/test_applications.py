from __future__ import annotations

import copy
import gc
import subprocess
import sys
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from flask import Flask, g

import flask_fs as fs
from flask_fs.backends.memory import MemoryBackend
from flask_fs.settings import Setting, text


def test_one_storage_stays_apart_in_two_applications(make_app: Callable[..., Flask], kind: str) -> None:
    storage = fs.Storage()
    one, two = make_app(storage, FS_BACKEND=kind), make_app(storage, FS_BACKEND=kind)
    with one.app_context():
        storage.write('x.txt', 'one')
    with two.app_context():
        assert not storage.exists('x.txt')
        storage.write('x.txt', 'two')
        with one.app_context():
            assert storage.read('x.txt') == b'one'
        assert storage.read('x.txt') == b'two'
    assert one.test_client().get('/files/x.txt').text == 'one'
    assert two.test_client().get('/files/x.txt').text == 'two'


def test_a_storage_may_have_another_backend_in_each_application(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    with make_app(storage, FS_BACKEND='memory').app_context():
        assert storage.backend.kind == 'memory'
    with make_app(storage).app_context():
        assert storage.backend.kind == 'local'


def test_outside_a_context_the_only_application_is_used(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    app = make_app(storage)
    storage.write('x', '1')
    assert storage.url('x') == '/files/x'
    del app
    gc.collect()


def test_with_several_applications_and_none_current_the_choice_is_refused(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    apps = [make_app(storage), make_app(storage)]
    with pytest.raises(fs.ConfigurationError, match=r'configured for 2 applications.* app.app_context\(\)'):
        storage.read('x')
    assert len(apps) == 2


def test_an_application_that_is_gone_is_no_choice() -> None:
    storage = fs.Storage()
    for _ in range(2):
        app = Flask(__name__)
        app.config['FS_BACKEND'] = 'memory'
        fs.init_app(app, storage)
    storage.write('x', '1')


def test_an_unconfigured_storage_says_what_to_do(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('lonely')
    with pytest.raises(
        fs.ConfigurationError, match=r"'lonely' is not configured for any application\. Pass it to fs.init_app"
    ):
        storage.exists('x')
    with make_app().app_context(), pytest.raises(fs.ConfigurationError, match="is not configured for 'app1'"):
        storage.exists('x')


@pytest.mark.parametrize(
    'arguments',
    [(Flask('x'), 'photos'), (Flask('x'), [fs.Storage('photos')]), (fs.Storage('photos'), Flask('x'))],
    ids=['a name', 'a list', 'exchanged'],
)
def test_init_app_says_what_it_needs(arguments: Any) -> None:
    with pytest.raises(TypeError, match='needs a Flask application and storages'):
        fs.init_app(*arguments)


def test_no_context_is_pushed_so_the_callers_own_survives(make_app: Callable[..., Flask]) -> None:
    torn_down = []
    storage = fs.Storage()
    app = make_app(storage)
    app.teardown_appcontext(lambda _: torn_down.append(1))
    with app.app_context():
        g.session = 'open'
        storage.write('x', '1')
        storage.save(Path(storage.path('x')), 'y.txt')
        list(storage.list_files())
        storage.url('x')
        assert g.session == 'open'
        assert torn_down == []
    assert torn_down == [1]
    storage.read('x')
    assert torn_down == [1]


def test_init_app_may_be_called_again_also_after_a_request(make_app: Callable[..., Flask]) -> None:
    first, second = fs.Storage('first'), fs.Storage('second')
    app = make_app(first)
    fs.init_app(app, first)
    assert app.test_client().get('/first/x').status_code == 404
    fs.init_app(app, second, first)
    with app.app_context():
        second.write('x.txt', 'x')
        assert fs.by_name('second') is second
        assert fs.by_name('first') is first
    assert app.test_client().get('/second/x.txt').text == 'x'


def test_a_second_storage_of_a_name_is_refused_and_the_first_stays(make_app: Callable[..., Flask]) -> None:
    private, public = fs.Storage('s', authorize=lambda _: False), fs.Storage('s')
    app = make_app(private)
    with app.app_context():
        private.write('x.txt', 'x')
    for again in (lambda: fs.init_app(app, public), lambda: public.configure(app)):
        with pytest.raises(fs.ConfigurationError, match="'app1' already has another storage named 's'"):
            again()
    with app.app_context():
        assert fs.by_name('s') is private
    assert app.test_client().get('/s/x.txt').status_code == 403


def test_two_storages_of_a_name_at_once_are_refused(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.ConfigurationError, match='already has another storage'):
        make_app(fs.Storage('s'), fs.Storage('s'))


def test_the_same_storage_may_come_again_and_each_application_may_have_its_own(
    make_app: Callable[..., Flask],
) -> None:
    storage = fs.Storage('s')
    first = make_app(storage)
    fs.init_app(first, storage, copy.deepcopy(storage))
    second = make_app(fs.Storage('s'))
    with first.app_context():
        assert fs.by_name('s') is storage
    with second.app_context():
        assert fs.by_name('s') is not storage


class Rooms(MemoryBackend):
    """Keeps the files of storages that are given one room in one place."""

    kind = 'rooms'
    settings = (Setting('room', text, 'hall'),)

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        return (self.kind, self.config.room, self._prefix)


def test_two_storages_in_one_place_are_refused_and_both_named(make_app: Callable[..., Flask]) -> None:
    expected = r"Storages 'a' and 'b-c' \(rooms\) would store their files in the same location\. .* A_FS_PREFIX or B_C_FS_PREFIX\.$"
    with pytest.raises(fs.ConfigurationError, match=expected):
        make_app(fs.Storage('a'), fs.Storage('b-c'), FS_BACKEND=Rooms)
    with pytest.raises(fs.ConfigurationError, match=r'both begin with B_C_FS_: rename one of them\.$'):
        make_app(fs.Storage('b_c'), fs.Storage('B-c'), FS_BACKEND=Rooms)


@pytest.mark.parametrize('settings', [{'A_FS_ROOM': 'attic'}, {'A_FS_PREFIX': 'a'}, {'A_FS_BACKEND': 'memory'}])
def test_storages_apart_are_taken(make_app: Callable[..., Flask], settings: dict[str, Any]) -> None:
    one, two = fs.Storage('a'), fs.Storage('b')
    app = make_app(one, two, FS_BACKEND=Rooms, **settings)
    fs.init_app(app, two, one)
    make_app(one, FS_BACKEND=Rooms)
    make_app(two, FS_BACKEND=Rooms)


def test_storages_may_change_places(make_app: Callable[..., Flask]) -> None:
    one, two = fs.Storage('a'), fs.Storage('b')
    app = make_app(one, two, FS_BACKEND=Rooms, A_FS_ROOM='attic', B_FS_ROOM='cellar')
    app.config.update(A_FS_ROOM='cellar', B_FS_ROOM='attic')
    fs.init_app(app, one, two)
    fs.init_app(app, two, one)
    app.config.update(A_FS_ROOM='attic')
    for order in ((one, two), (two, one), (one,)):
        with pytest.raises(fs.ConfigurationError, match='would store their files in the same location'):
            fs.init_app(app, *order)


def test_local_storages_may_share_a_folder_on_purpose(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    one, two = fs.Storage('a'), fs.Storage('b')
    with make_app(one, two, A_FS_ROOT=str(tmp_path), B_FS_ROOT=str(tmp_path)).app_context():
        one.write('x', '1')
        assert two.read('x') == b'1'


def test_before_a_storage_is_configured_it_has_no_backend_and_no_settings(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage('x', fs.IMAGES)
    with make_app().app_context():
        assert storage.backend is None
    assert storage.backend is None
    assert storage.root is None
    assert storage.config == {}
    assert not storage.has_url
    assert (storage.extension_allowed('PNG'), storage.extension_allowed('exe')) == (True, False)
    app = make_app(storage)
    assert storage.backend.kind == 'local'
    with make_app().app_context(), pytest.raises(fs.ConfigurationError, match='is not configured for'):
        _ = storage.backend
    del app


def test_an_unknown_name_is_answered_with_those_found(make_app: Callable[..., Flask]) -> None:
    with (
        make_app(fs.Storage('avatars')).app_context(),
        pytest.raises(fs.UnknownStorage, match=r"^No storage named 'avatar' in 'app1' \(found: avatars\)"),
    ):
        fs.by_name('avatar')


def test_starting_an_application_touches_no_disk(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    make_app(fs.Storage())
    assert list(tmp_path.iterdir()) == []


def test_commands_list_and_sweep_storages(make_app: Callable[..., Flask]) -> None:
    disk, memory = fs.Storage('disk'), fs.Storage('memory')
    app = make_app(disk, memory, MEMORY_FS_BACKEND='memory')
    runner = app.test_cli_runner()
    listed = runner.invoke(args=['fs', 'list']).output
    assert 'disk\tlocal\t' in listed
    assert 'LOCAL_PATH' in listed
    assert 'memory\tmemory\t' in listed
    assert runner.invoke(args=['fs', 'sweep']).output == 'disk\t0 removed\n'


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_loads_no_sdk_and_no_sibling() -> None:
    heavy = (
        'azure',
        'boto3',
        'google',
        'pymongo',
        'gridfs',
        'swiftclient',
        'PIL',
        'mongoengine',
        'sqlalchemy',
        'flask_fs_',
    )
    code = f'import sys, flask_fs; print([m for m in sys.modules if m.startswith({heavy!r})])'
    assert run_python(code) == '[]'


def test_a_missing_distribution_is_named_with_its_pip_command() -> None:
    distributions = {
        'backends.s3': 'flask-fs-s3',
        'backends.gridfs': 'flask-fs-gridfs',
        'backends.swift': 'flask-fs-swift',
        'images': 'flask-fs-images',
        'mongo': 'flask-fs-mongo',
    }
    code = f"""
import importlib, sys
for module, distribution in {distributions!r}.items():
    sys.modules[distribution.replace('-', '_')] = None  # as if it were not installed
    try:
        importlib.import_module('flask_fs.' + module)
    except ImportError as error:
        print(type(error).__name__, error)
"""
    assert run_python(code).splitlines() == [
        f'ImportError this import needs {distribution}: pip install {distribution}'
        for distribution in distributions.values()
    ]


def test_a_library_missing_inside_a_distribution_is_not_masked(tmp_path: Path) -> None:
    (tmp_path / 'flask_fs_s3.py').write_text('import boto_that_is_not_there\n')
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
try:
    import flask_fs.backends.s3
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run_python(code) == 'boto_that_is_not_there'


def test_any_module_may_be_imported_first() -> None:
    modules = ['storage', 'errors', 'backends.local', 'names', 'views', 'settings']
    code = f"""
import importlib, sys
for module in {modules!r}:
    for loaded in [name for name in sys.modules if name.partition('.')[0] == 'flask_fs']:
        del sys.modules[loaded]
    importlib.import_module('flask_fs.' + module)
    import flask_fs
    print(module, flask_fs.Storage.__name__)
"""
    assert run_python(code).splitlines() == [f'{module} Storage' for module in modules]


def test_every_public_name_is_there() -> None:
    assert set(fs.__all__) <= set(dir(fs))
    documented: list[Any] = [
        fs.TEXT,
        fs.DOCUMENTS,
        fs.IMAGES,
        fs.AUDIO,
        fs.DATA,
        fs.SCRIPTS,
        fs.ARCHIVES,
        fs.EXECUTABLES,
    ]
    assert fs.DEFAULTS == fs.TEXT + fs.DOCUMENTS + fs.IMAGES + fs.DATA
    assert all(documented)


class LazySet:
    """Contains something, and is false: its length is not known yet."""

    def __contains__(self, ext: object) -> bool:
        return ext == 'zip'

    def __len__(self) -> int:
        return 0


def test_types_of_a_container_that_is_false_count(make_app: Callable[..., Flask]) -> None:
    denying, allowing = fs.Storage('denying', fs.ALL), fs.Storage('allowing', fs.NONE)
    with make_app(denying, allowing, DENYING_FS_DENY=LazySet(), ALLOWING_FS_ALLOW=LazySet()).app_context():
        assert not denying.extension_allowed('zip')
        assert denying.extension_allowed('txt')
        assert allowing.extension_allowed('zip')
        assert not allowing.extension_allowed('txt')


@pytest.mark.parametrize('location', [None, 'a text', MagicMock()])
def test_a_location_that_is_no_tuple_says_nothing(make_app: Callable[..., Flask], location: Any) -> None:
    class Located(MemoryBackend):
        pass

    Located.location = location
    storages = [fs.Storage('a'), fs.Storage('b')]
    assert list(make_app(*storages, FS_BACKEND=Located).extensions['fs']) == ['a', 'b']
