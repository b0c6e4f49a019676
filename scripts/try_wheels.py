"""Install the built wheels into throw-away environments, as a user would, and import what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from members import IMPORT_PACKAGES, members

__all__ = ['main']

#: Run by the throw-away Python: the package comes from there, and so do the backends that it announces.
TRY_BACKENDS = """
import importlib.metadata
import sys

import flask_fs

assert flask_fs.__file__.startswith(sys.prefix), flask_fs.__file__
for point in importlib.metadata.entry_points(group='fs.backend'):
    print('  backend', point.name, point.load().__name__)
"""


def try_wheels(dist: Path, requirements: list[str], code: str) -> None:
    """Install *requirements*, our own from *dist*, in a new environment, and run *code* there."""
    with tempfile.TemporaryDirectory() as folder:
        _run('uv', 'venv', '--quiet', '--python', sys.executable, folder)
        python = Path(folder) / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
        # By file, so that nothing of the same name can come from an index.
        _run('uv', 'pip', 'install', '--quiet', '--python', str(python), *requirements)
        _run('uv', 'pip', 'check', '--quiet', '--python', str(python))
        _run(str(python), '-I', '-W', 'error', '-c', code, cwd=folder)


def _run(*line: str, cwd: str | None = None) -> None:
    subprocess.run(line, cwd=cwd, check=True)


def main(dist: Path) -> int:
    """The exit code: 0 if the wheels can be installed and imported."""
    wheels = {member.name: _wheel(dist, member.name) for member in members()}
    packages = [package for package in IMPORT_PACKAGES.values() if package]
    try:
        print('flask-fs-core alone', flush=True)
        try_wheels(dist, [wheels['flask-fs-core']], TRY_BACKENDS)
        print('all distributions together', flush=True)
        try_wheels(dist, list(wheels.values()), TRY_BACKENDS + ''.join(f'import {package}\n' for package in packages))
    except subprocess.CalledProcessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _wheel(dist: Path, name: str) -> str:
    [wheel] = dist.resolve().glob(f'{name.replace("-", "_")}-*.whl')
    return str(wheel)


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
