from __future__ import annotations

import importlib.metadata
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flask_fs_testing.new_backend import OWN, TEMPLATE, Refused, check, instantiate, main, version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The kit in a clone, and the module as the file that is run there.
KIT = Path(__file__).parents[1]
SCRIPT = KIT / 'src' / 'flask_fs_testing' / 'new_backend.py'
pytestmark = pytest.mark.once
#: What tools that were run in the template leave there.
LEFT_OVER = re.compile(r'__pycache__/|_cache/|^(dist|report\.|\.venv)')
#: Every word of the template in which a placeholder stands, and what becomes of it.
WORDS = {
    'FS_NAME_FOLDER': 'FS_MY_STORE_FOLDER',
    'NAME': 'my-store',
    'NameBackend': 'MyStoreBackend',
    'NameHarness': 'MyStoreHarness',
    'TestName': 'TestMyStore',
    'VERSION': version(),
    'flask_fs_NAME': 'flask_fs_my_store',
}


def files(folder: Path) -> dict[str, str]:
    """The content of every file below *folder*, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding='utf-8')
        for path in folder.rglob('*')
        if path.is_file() and not LEFT_OVER.search(path.relative_to(folder).as_posix())
    }


def words_with_placeholders(text: str) -> set[str]:
    return {word for word in re.findall(r'\w+', text) if re.search('NAME|Name|VERSION', word)}


# --- Names


@pytest.mark.parametrize('name', ['r', 'redis', 'my-store', 'b2', 'a-1-b', 'classes', 'zodb', 'filename', 'x' * 30])
def test_a_good_name_is_taken_as_it_is(name):
    assert check(name) == name


@pytest.mark.parametrize(
    'name',
    [
        '', ' ', '-', 'Redis', 'my_store', 'my store', '-x', 'x-', 'a--b', '2go', '../x', 'a/b', 'a.b', 'a\n', 'é', 'x;y',
        '{x}', 'x"', "x'", '\\1', '\0', 'ﬁ', '٣x', 'x٣',
    ],
)  # fmt: skip
def test_a_name_that_python_configuration_or_pip_would_not_take_is_refused(name):
    with pytest.raises(Refused, match='is not a valid backend name'):
        check(name)


@pytest.mark.parametrize(
    ('name', 'better'),
    [('Redis', 'redis'), ('my_store', 'my-store'), ('My Store', 'my-store'), ('flask_fs_redis', 'redis')],
)
def test_a_name_that_is_nearly_good_gets_a_hint(name, better):
    with pytest.raises(Refused, match=rf"such as '{better}'\.$"):
        check(name)


def test_the_name_of_the_distribution_is_not_the_name_of_the_backend():
    with pytest.raises(Refused, match="as in 'redis'"):
        check('flask-fs-redis')


@pytest.mark.parametrize(
    'name', ['s3', 'azure', 'gcs', 'gridfs', 'swift', 'images', 'mongo', 'core', 'testing', 'local', 'memory', 'mock']
)
def test_names_of_our_own_are_refused(name):
    with pytest.raises(Refused, match=f"Flask-FS itself uses '{name}'"):
        check(name)


def test_every_member_is_one_of_our_own():
    assert {folder.name.removeprefix('flask-fs-') for folder in (KIT.parent / 'packages').glob('flask-fs-*')} <= OWN


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('class', "'class' is a Python keyword"),
        ('none', "'none' is a Python keyword"),
        ('match', "'match' is a Python keyword"),
        ('open', "'open' is a Python builtin, which a variable with that name would shadow"),
        ('sqlite3', "'sqlite3' is a module of the standard library"),
        ('xml', "'xml' is a module of the standard library"),
    ],
)
def test_words_of_python_are_refused(name, reason, tmp_path, capsys):
    assert main([name, str(tmp_path / 'made')]) == 1
    assert capsys.readouterr().err == f'new-backend: {reason}: use another name.\n'
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_distribution_that_is_installed_is_refused(tmp_path, monkeypatch):
    info = tmp_path / 'flask_fs_taken-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: flask-fs-taken\nVersion: 1.0\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Refused, match='flask-fs-taken is already installed here'):
        check('taken')


@pytest.mark.parametrize('name', ['base', 'test', 'testrail', 'x' * 31])
def test_names_that_would_break_what_is_made_are_refused(name):
    with pytest.raises(Refused):
        check(name)


def test_the_version_is_that_of_the_kit():
    assert version() == tomllib.loads((KIT / 'pyproject.toml').read_text())['project']['version']
    # As where it is installed.
    assert version(Path('/nowhere/at/all')) == importlib.metadata.version('flask-fs-testing')


# --- What is made


def test_every_placeholder_of_the_template_is_one_that_is_meant():
    """A word such as FileName would be torn apart."""
    template = files(TEMPLATE)
    words = set().union(*(words_with_placeholders(f'{path}\n{text}') for path, text in template.items()))
    assert words == {*WORDS, 'NESTED_NAMES'}


def test_every_placeholder_is_filled_in_and_nothing_else_changes(tmp_path):
    instantiate('my-store', tmp_path / 'made', version=version())

    made = files(tmp_path / 'made')
    # Longer words first: a shorter one may be a part of them.
    expected = {}
    for path, text in files(TEMPLATE).items():
        for word in sorted(WORDS, key=len, reverse=True):
            path = re.sub(rf'\b{word}\b', WORDS[word], path)
            text = re.sub(rf'\b{word}\b', WORDS[word], text)
        expected[path] = text
    assert made == expected
    for path, text in made.items():
        assert words_with_placeholders(f'{path}\n{text}') <= {'NESTED_NAMES'}


def test_it_depends_on_the_version_of_the_kit(tmp_path):
    instantiate('redis', tmp_path / 'made', version=version())

    project = tomllib.loads((tmp_path / 'made' / 'pyproject.toml').read_text())['project']
    assert project['name'] == 'flask-fs-redis'
    assert f'flask-fs-core>={version()}' in project['dependencies']
    assert f'flask-fs-testing>={version()}' in project['optional-dependencies']['test']
    assert project['entry-points']['fs.backend'] == {'redis': 'flask_fs_redis:RedisBackend'}


def test_a_name_that_looks_like_a_placeholder_is_filled_in_once(tmp_path):
    instantiate('name', tmp_path / 'made', version=version())
    assert 'class NameBackend(' in (tmp_path / 'made' / 'src' / 'flask_fs_name' / 'backend.py').read_text()


def test_the_readme_has_the_headings_of_every_backend():
    headings = re.findall(r'(?m)^## (.*)$', (TEMPLATE / 'README.md').read_text())
    assert headings[1:] == ['Install', 'Settings', 'Capabilities', 'Limits', 'Run one locally']


def test_what_tools_leave_in_the_template_stays_there(tmp_path):
    template = tmp_path / 'template'
    shutil.copytree(TEMPLATE, template, ignore=shutil.ignore_patterns('__pycache__'))
    wanted = set(files(template))
    for left in ('src/flask_fs_NAME/__pycache__/x.pyc', '.mypy_cache/x.json', 'dist/x.whl', 'report.json'):
        (template / left).parent.mkdir(parents=True, exist_ok=True)
        (template / left).touch()

    instantiate('NAME', tmp_path / 'made', template, version='VERSION')
    assert set(files(tmp_path / 'made')) == wanted


def test_others_may_read_what_is_made_as_far_as_the_template(tmp_path):
    """The passing folder is private; what it held must not stay so."""
    instantiate('redis', tmp_path / 'made', version=version())
    assert stat.S_IMODE((tmp_path / 'made').stat().st_mode) == stat.S_IMODE(TEMPLATE.stat().st_mode)


# --- What is refused


@pytest.mark.parametrize('kind', ['folder', 'empty folder', 'file', 'dangling link'])
def test_what_is_there_already_is_left_alone(tmp_path, kind, capsys):
    there = tmp_path / 'there'
    if kind == 'file':
        there.write_text('mine')
    elif kind == 'dangling link':
        there.symlink_to('nowhere')
    else:
        there.mkdir()
        if kind == 'folder':
            (there / 'mine').touch()
    before = sorted(tmp_path.rglob('*'))

    assert main(['redis', str(there)]) == 1
    assert f'{there} already exists' in capsys.readouterr().err
    assert sorted(tmp_path.rglob('*')) == before


def test_a_folder_in_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(['redis', str(tmp_path / 'not' / 'there')]) == 1
    assert f'There is no folder {tmp_path / "not"}: create it first.' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_name_makes_nothing(tmp_path, capsys):
    assert main(['s3', str(tmp_path / 'made')]) == 1
    assert capsys.readouterr().err == "new-backend: Flask-FS itself uses 's3': use another name.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('failure', [OSError('No space left on device'), KeyboardInterrupt()])
@pytest.mark.parametrize(('step', 'time'), [('write_bytes', 1), ('write_bytes', 3), ('rename', 1), ('rename', 2)])
def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch, capsys, step, time, failure):
    real, calls = getattr(Path, step), []

    def failing(self, *arguments):
        calls.append(self)
        if len(calls) == time:
            raise failure
        return real(self, *arguments)

    monkeypatch.setattr(Path, step, failing)
    if isinstance(failure, OSError):
        assert main(['redis', str(tmp_path / 'made')]) == 1
        assert capsys.readouterr().err == 'new-backend: No space left on device\n'
    else:
        with pytest.raises(KeyboardInterrupt):
            main(['redis', str(tmp_path / 'made')])
    assert len(calls) == time
    assert list(tmp_path.iterdir()) == []


# --- The command


def test_it_works_from_any_folder_and_tells_the_next_commands(tmp_path):
    line = [sys.executable, str(SCRIPT), 'my-store', 'my files']
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)

    steps = [line.strip() for line in result.stdout.splitlines() if line.startswith('  ')]
    assert steps[0] == f"cd '{tmp_path / 'my files'}'"
    assert steps[1].startswith('pip install -e ')
    assert steps[1].endswith('packages/flask-fs-core -e ' + str(KIT) + " -e '.[dev]'")
    assert steps[2:] == ['pytest --fs-report=report']
    assert (tmp_path / 'my files' / 'src' / 'flask_fs_my_store' / 'backend.py').is_file()


def test_it_needs_the_standard_library_alone(tmp_path):
    """-S and -I: no installed distributions, and nothing of the folder of the script but itself."""
    line = [sys.executable, '-I', '-S', str(SCRIPT), 'redis', str(tmp_path / 'made')]
    subprocess.run(line, capture_output=True, check=True)
    assert (tmp_path / 'made' / 'pyproject.toml').is_file()


def test_where_it_is_installed_the_next_commands_install_from_the_index(tmp_path, capsys):
    assert main(['redis', str(tmp_path / 'made')], tmp_path) == 0
    assert "  pip install -e '.[dev]'\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'code', 'shown'),
    [
        (['new-backend', 'redis', 'made'], 0, 'README.md there lists the next steps.'),
        (['new-backend', 'class', 'made'], 1, "'class' is a Python keyword"),
        (['new-backend'], 2, 'the following arguments are required: NAME, FOLDER'),
        (['--help'], 0, 'usage: python -m flask_fs_testing new-backend NAME FOLDER'),
        ([], 2, 'usage: python -m flask_fs_testing new-backend NAME FOLDER'),
        (['old-backend', 'redis', 'made'], 2, 'usage: python -m flask_fs_testing new-backend NAME FOLDER'),
    ],
)
def test_the_package_runs_it(tmp_path, arguments, code, shown):
    line = [sys.executable, '-m', 'flask_fs_testing', *arguments]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / 'made').exists()) == (code, code == 0 and 'made' in arguments)
    assert shown in done.stdout + done.stderr
