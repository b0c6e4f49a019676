"""Run the package tests on each Python of the matrix that is on PATH, except this one and the oldest.

This Python runs all tests (``test-all``), and the oldest tests the oldest libraries (``lowest``). hatch stops with a
traceback if a Python is missing; this script reports and skips it. Arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from members import ROOT, tomllib

__all__ = ['command', 'find', 'main', 'matrix', 'oldest', 'others', 'settings']


def settings() -> dict[str, Any]:
    """The environments in hatch.toml."""
    environments: dict[str, Any] = tomllib.loads((ROOT / 'hatch.toml').read_text(encoding='utf-8'))['envs']
    return environments


def matrix() -> list[str]:
    """The Python versions in hatch.toml, such as ``3.12``."""
    [table] = settings()['test']['matrix']
    return [str(version) for version in table['python']]


def find(version: str, folders: list[str]) -> str | None:
    """The first Python in *folders* that works and has *version*; a pyenv shim might not work."""
    for folder in folders:
        program = os.path.join(folder, f'python{version}')
        if os.access(program, os.X_OK) and _version_of(program) == version:
            return program
    return None


def oldest() -> str:
    """The oldest Python of the matrix that is installed, or else the one that runs this script."""
    found = (find(version, os.get_exec_path()) for version in matrix())
    return next(filter(None, found), sys.executable)


def _version_of(program: str) -> str | None:
    code = 'import sys; print("%d.%d" % sys.version_info[:2])'
    try:
        done = subprocess.run([program, '-c', code], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def others() -> list[str]:
    """The installed Pythons of the matrix, except this one and the oldest; print which are missing."""
    elsewhere = {'{}.{}'.format(*sys.version_info[:2]), _version_of(oldest())}
    wanted = [version for version in matrix() if version not in elsewhere]
    found = [version for version in wanted if find(version, os.get_exec_path())]
    if missing := [version for version in wanted if version not in found]:
        print(f'Skipped, because not installed: Python {", ".join(missing)}', flush=True)
    return found


def command(versions: list[str]) -> list[str]:
    """The command that runs the tests on these Pythons."""
    return ['hatch', 'run', f'+py={",".join(versions)}', 'test:unit']


def main(arguments: list[str]) -> int:
    """The exit code of the tests; 0 if no other Python is installed."""
    if not (found := others()):
        print('No other Python of the matrix is installed.')
        return 0
    return subprocess.run([*command(found), *arguments], check=False).returncode


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
