from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from members import ROOT, tomllib


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A dev.py whose environments lie in the test's own folder."""
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
    """What dev.py would have installed; nothing is."""
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


def test_an_old_python_is_told_so(dev, monkeypatch):
    monkeypatch.setattr(dev.sys, 'version_info', (3, 9, 1, 'final', 0))
    with pytest.raises(dev.Failed, match=r'needs Python 3\.10 or newer, and this is 3\.9'):
        dev.main(['test'])


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
