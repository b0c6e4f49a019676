"""Run the package tests on the wheels, with the oldest libraries they allow, on the oldest Python installed.

Arguments go to pytest. Other Pythons test the source with the newest libraries (``test-all``, ``matrix``). The version of
each library is its lower bound, or the oldest later one that has a wheel for this Python.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from members import ROOT, libraries, members
from run_matrix import oldest, settings

__all__ = ['main']

#: Recreated by each run. In a fixed folder, so that modules are not compiled again.
FOLDER = ROOT / '.dev' / 'lowest'
#: Further requirements of the tests: the last mongomock for the oldest PyMongo, the last Flask-SQLAlchemy for the oldest
#: SQLAlchemy, and moto, which the kit's fixtures start.
TOOLS = [
    'aiosqlite',
    'alembic',
    'flask-sqlalchemy<3.1',
    'gevent',
    'hypothesis',
    'mongomock<4.3',
    'moto[server]',
    'pytest-timeout',
    'pytest-xdist',
    'sybil',
]
#: Older libraries leave connections open until garbage collection, which can happen during any later test.
LEFT_OPEN = 'ignore:unclosed <socket:ResourceWarning'


def main(arguments: list[str]) -> int:
    """The exit code of the tests."""
    wheels = [str(wheel) for wheel in sorted((ROOT / 'dist').glob('*.whl'))]
    if len(wheels) != len(members()):
        print('Build the wheels first: python3 dev.py dist', file=sys.stderr)
        return 1
    python = FOLDER / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    install = ['uv', 'pip', 'install', '--quiet', '--python', str(python)]
    steps = [
        ['uv', 'venv', '--quiet', '--clear', '--python', oldest(), str(FOLDER)],
        [*install, '--resolution', 'lowest-direct', '--no-build', *wheels, *libraries(members()), 'pytest>=8.4'],
        [*install, *TOOLS],
        ['uv', 'pip', 'list', '--python', str(python)],
    ]
    for step in steps:
        subprocess.run(step, check=True)
    pytest, *options = shlex.split(settings()['default']['scripts']['unit'].replace('{args}', ''))
    # Not `python -m pytest`, which would import the source instead of the installed packages.
    line = [str(python.with_name(pytest + python.suffix)), '-W', LEFT_OPEN, *options, *arguments]
    # Servers would install newer libraries, so their tests are skipped here; `test-all` requires them.
    variables = {name: value for name, value in os.environ.items() if name != 'FS_TEST_SERVICES'}
    return subprocess.run(line, cwd=ROOT, env=variables, check=False).returncode


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
