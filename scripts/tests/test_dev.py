from __future__ import annotations

import ast
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from members import ROOT, tomllib
from run_all import STEPS


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A dev.py whose environments are in the test's own folder."""
    spec = importlib.util.spec_from_file_location('dev', ROOT / 'dev.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    monkeypatch.setattr(module, 'DEV', tmp_path / '.dev')
    return module


@pytest.fixture
def installs(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The requirements that dev.py would install; nothing is installed."""
    calls: list[list[str]] = []

    def install(folder: Path, python: Path, requirements: list[str]) -> None:
        python.parent.mkdir(parents=True)
        python.touch()
        calls.append(requirements)

    monkeypatch.setattr(dev, 'install', install)
    return calls


def test_every_command_is_a_script_of_hatch(dev):
    scripts = tomllib.loads((ROOT / 'hatch.toml').read_text())['envs']['default']['scripts']
    assert set(dev.COMMANDS) - {'hatch'} <= set(scripts)


def test_without_a_command_the_commands_are_listed():
    line = [sys.executable, str(ROOT / 'dev.py')]
    output = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert '\n  demo ' in output
    assert '\n  all ' in output


def test_an_unknown_command_is_an_error_that_lists_the_commands():
    line = [sys.executable, str(ROOT / 'dev.py'), 'tset']
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "There is no command 'tset'." in result.stderr
    assert '\n  test ' in result.stderr


def test_an_old_python_is_an_error_that_names_a_newer_one(monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 6, 8, 'final', 0))
    with pytest.raises(
        SystemExit, match=r'needs Python 3\.10 or newer, and this is Python 3\.6 .*\n.*python3\.12 dev\.py'
    ):
        runpy.run_path(str(ROOT / 'dev.py'), run_name='__main__')


def test_an_old_python_can_read_as_far_as_its_error():
    source = (ROOT / 'dev.py').read_text()
    ast.parse(source, feature_version=(3, 6))
    # Python 3.6 rejects it before it runs anything.
    assert 'from __future__ import annotations' not in source


def test_an_environment_is_made_once(dev, installs):
    assert dev.environment('tools', ['hatch']) == dev.environment('tools', ['hatch'])
    assert installs == [['hatch']]


def test_other_requirements_make_it_anew(dev, installs):
    dev.environment('tools', ['hatch==1'])
    dev.environment('tools', ['hatch==2'])
    assert installs == [['hatch==1'], ['hatch==2']]


def test_a_changed_file_makes_it_anew(dev, installs, tmp_path):
    file = tmp_path / 'pyproject.toml'
    file.write_text('one')
    dev.environment('demo', ['core'], depends_on=[file])
    file.write_text('two')
    dev.environment('demo', ['core'], depends_on=[file])
    assert len(installs) == 2


def test_an_installation_that_was_broken_off_is_done_again(dev, installs, monkeypatch):
    whole = dev.install

    def broken_off(folder, python, requirements):
        whole(folder, python, requirements)
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, 'install', broken_off)
    with pytest.raises(KeyboardInterrupt):
        dev.environment('tools', ['hatch'])
    monkeypatch.setattr(dev, 'install', whole)
    dev.environment('tools', ['hatch'])
    assert len(installs) == 2


def test_an_environment_whose_python_is_gone_is_made_anew(dev, installs):
    folder = dev.environment('tools', ['hatch'])
    dev.program(folder, 'python').unlink()
    dev.environment('tools', ['hatch'])
    assert len(installs) == 2


def test_without_pip_and_ensurepip_it_says_what_to_install(dev, tmp_path, monkeypatch):
    monkeypatch.setattr(dev, 'can_import', lambda module: False)
    with pytest.raises(dev.Failed, match='apt install python3-venv'):
        dev.install(tmp_path / 'tools', tmp_path / 'tools' / 'python', ['hatch'])


def test_without_venv_it_says_what_to_install(dev, tmp_path, monkeypatch):
    monkeypatch.setattr(dev, 'can_import', lambda module: module != 'venv')
    with pytest.raises(dev.Failed, match='apt install python3-venv'):
        dev.install(tmp_path / 'tools', tmp_path / 'tools' / 'python', ['hatch'])


def test_a_failed_installation_shows_the_output_and_the_fix(dev, monkeypatch):
    monkeypatch.setattr(dev, 'run_with_status', lambda line, variables: (1, 'dns error: no host'))
    with pytest.raises(dev.Failed) as caught:
        dev.run(['pip', 'install', 'flask'], {})
    command, output, fix = str(caught.value).split('\n\n')
    assert command == 'This command failed with exit code 1:\n  pip install flask'
    assert output == 'dns error: no host'
    assert fix.startswith('The package index cannot be reached.')


def test_an_installation_that_fails_for_an_unknown_reason_shows_its_output(dev, monkeypatch):
    monkeypatch.setattr(dev, 'run_with_status', lambda line, variables: (1, 'strange'))
    with pytest.raises(dev.Failed, match='strange\n\nThe lines above say why'):
        dev.run(['pip'], {})


def test_making_an_environment_says_so_and_how_long_it_took(dev, installs, capfd):
    dev.environment('tools', ['hatch'])
    created, done = capfd.readouterr().err.splitlines()
    assert created == f'Creating the environment {Path(".dev", "tools")} (first run only) ...'
    assert re.fullmatch(r'Created in \d+ s\.', done)


@pytest.fixture
def hatch_runs(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that dev.py would run to install hatch's environments; none is run."""
    for file in ('hatch.toml', 'testing/pyproject.toml'):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text('one')
    calls: list[list[str]] = []
    monkeypatch.setattr(dev, 'run', lambda line, variables: calls.append(line))
    return calls


def test_an_environment_of_hatch_is_installed_once_and_after_a_change(dev, hatch_runs, tmp_path):
    dev.prepare(tmp_path, ('default', 'lint'), {})
    dev.prepare(tmp_path, ('default', 'lint'), {})
    assert [line[1:] for line in hatch_runs] == [
        ['run', 'default:python', '--version'],
        ['run', 'lint:python', '--version'],
    ]

    (tmp_path / 'hatch.toml').write_text('two')
    dev.prepare(tmp_path, ('lint',), {})
    assert len(hatch_runs) == 3


def test_each_command_prepares_the_environments_that_its_script_uses(dev):
    environments = tomllib.loads((ROOT / 'hatch.toml').read_text())['envs']
    scripts = environments['default']['scripts']

    def used(script: str) -> set[str]:
        """The environments that a script uses, directly or through other scripts."""
        lines = scripts[script] if isinstance(scripts[script], list) else [scripts[script]]
        found = {name for line in lines for name in re.findall(r'hatch run (\w+):', line)}
        return found.union(*(used(line) for line in lines if line in scripts))

    steps = {name.partition(':')[0] for name, _ in STEPS if ':' in name}
    expected = {command: used(command) for command in scripts} | {'all': steps}
    assert {command: set(names) for command, names in dev.ENVIRONMENTS.items()} == {
        command: names for command, names in expected.items() if names
    }


def test_a_command_that_passed_ends_with_one_line_that_names_the_next_step(dev):
    line = dev.summary('format', [], 0, 125)
    assert line == 'dev.py: format passed in 2 min 5 s. Next: python3 dev.py qa'


def test_a_command_that_failed_ends_with_one_line_that_names_how_to_repeat_it(dev):
    line = dev.summary('test', ['-k', 'two words'], 3, 12.4)
    assert line == (
        'dev.py: test failed after 12 s (exit code 3). '
        "Fix what is reported above, then run: python3 dev.py test -k 'two words'"
    )


def test_an_interrupted_command_says_so(dev):
    assert dev.summary('test', [], 130, 9) == '\ndev.py: test interrupted after 9 s.'


def test_what_comes_next_is_said_of_commands_that_are_there(dev):
    assert dev.NEXT.keys() <= dev.COMMANDS.keys()


@pytest.mark.parametrize(
    ('error', 'code', 'shown'),
    [
        ('KeyboardInterrupt', 130, 'dev.py: interrupted. Run the same command again to continue.'),
        ("OSError(28, 'No space left on device')", 1, 'The disk is full.'),
        ("PermissionError(13, 'Permission denied')", 1, 'The folder .dev/ cannot be written.'),
    ],
    ids=['Ctrl+C', 'full disk', 'read-only folder'],
)
def test_what_stops_the_installation_is_a_sentence_and_no_traceback(tmp_path, error, code, shown):
    (tmp_path / 'scripts').mkdir()
    for name in ('install_errors.py', 'progress.py'):
        shutil.copy(ROOT / 'scripts' / name, tmp_path / 'scripts')
    lines = (
        (ROOT / 'dev.py')
        .read_text()
        .replace(
            '\nif __name__ ==',
            f"""
def install(*_):
    raise {error}


if __name__ ==""",
        )
    )
    (tmp_path / 'dev.py').write_text(lines)

    line = [sys.executable, str(tmp_path / 'dev.py'), 'test']
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert shown in result.stderr
    assert 'Traceback' not in result.stderr


def test_a_user_setting_of_uv_beats_that_of_pip(dev, tmp_path, monkeypatch):
    (tmp_path / '.dev').mkdir()
    monkeypatch.setenv('PIP_CERT', '/pip.pem')
    monkeypatch.setenv('SSL_CERT_FILE', '/uv.pem')
    assert dev.settings(tmp_path)['SSL_CERT_FILE'] == '/uv.pem'

    monkeypatch.delenv('SSL_CERT_FILE')
    assert dev.settings(tmp_path)['SSL_CERT_FILE'] == '/pip.pem'


def test_what_is_compiled_is_kept_and_lies_beside_no_source(dev, tmp_path, monkeypatch):
    (tmp_path / '.dev').mkdir()
    monkeypatch.setenv('PYTHONDONTWRITEBYTECODE', '1')
    settings = dev.settings(tmp_path)
    assert str(tmp_path / '.dev' / 'pycache') == settings['PYTHONPYCACHEPREFIX']
    assert 'PYTHONDONTWRITEBYTECODE' not in settings


@pytest.mark.skipif(os.name == 'nt', reason='pyenv is for Unix')
def test_shims_of_pyenv_give_way_to_its_pythons(dev, tmp_path, monkeypatch):
    for version in ('3.9.1', '3.10.2', '3.12.1'):
        (tmp_path / 'versions' / version / 'bin').mkdir(parents=True)
    (tmp_path / 'shims').mkdir()
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path))
    monkeypatch.setenv('PATH', os.pathsep.join([str(tmp_path / 'shims'), '/usr/bin']))

    versions = [str(tmp_path / 'versions' / version / 'bin') for version in ('3.12.1', '3.10.2')]
    assert dev.search_path() == ['/usr/bin', *versions]


def test_clean_deletes_what_was_made_and_nothing_else(dev, tmp_path):
    (tmp_path / 'dist').mkdir()
    (tmp_path / '.coverage.host.1').touch()
    (tmp_path / 'dev.py').touch()

    assert dev.clean() == 0
    assert [file.name for file in tmp_path.iterdir()] == ['dev.py']
