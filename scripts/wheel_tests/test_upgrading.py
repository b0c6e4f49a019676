"""Upgrading from flask-fs 0.6.1, which owns files with the same names as flask-fs-core (docs/how-to/upgrade.md)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from members import libraries, members

USE = "import flask_fs; flask_fs.Storage('files'); import flask_fs.backends.local"


@pytest.fixture(scope='session')
def unchanged_old(new_environment):
    """An environment with the last release of the original flask-fs, and all requirements of the new one."""
    environment = new_environment()
    environment.add(*libraries(members()))
    environment.pip('install', '--no-deps', 'flask-fs==0.6.1')
    return environment


@pytest.fixture(scope='session')
def unchanged_broken(unchanged_old, dist, tmp_path_factory):
    environment = unchanged_old.copy(tmp_path_factory.mktemp('broken') / 'environment')
    upgrade(environment, dist)
    return environment


@pytest.fixture
def old(unchanged_old, tmp_path):
    """An environment with the original flask-fs, which the test can change."""
    return unchanged_old.copy(tmp_path / 'environment')


@pytest.fixture
def broken(unchanged_broken, tmp_path):
    """The environment after the obvious upgrade: pip installs core, and then removes the files that the old one owned."""
    return unchanged_broken.copy(tmp_path / 'environment')


def upgrade(environment, dist: Path, *options: str) -> None:
    """Upgrade with pip, which can choose between an index and the wheels."""
    # Constrained by version, because pip treats a constraint with a URL differently.
    file = environment.folder / 'versions.txt'
    file.write_text(''.join(f'{member.name}=={member.version}\n' for member in members()))
    places = ['--find-links', str(dist), '--constraint', str(file)]
    environment.pip('install', '--upgrade', *places, *options, 'flask-fs')


def works(environment) -> bool:
    result = subprocess.run([str(environment.python), '-I', '-c', USE], capture_output=True, text=True, check=False)
    return result.returncode == 0


def test_upgrading_in_place_removes_files_of_core_and_pip_does_not_see_it(broken, dist):
    assert not works(broken)
    assert 'flask-fs-core' in broken.pip('list')
    assert 'No broken requirements found' in broken.pip('check')

    upgrade(broken, dist)
    assert not works(broken)


def test_reinstalling_everything_cures_it(broken, dist):
    upgrade(broken, dist, '--force-reinstall')
    assert works(broken)


def test_reinstalling_core_alone_cures_it(broken, constraints):
    broken.pip('install', '--force-reinstall', '--no-deps', '--constraint', str(constraints), 'flask-fs-core')
    assert works(broken)


def test_uninstalling_first_needs_no_cure(old, dist):
    old.pip('uninstall', '--yes', 'flask-fs')
    upgrade(old, dist)
    assert works(old)
