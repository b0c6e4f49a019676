"""Run the tests of the distributions on their wheels, with the oldest libraries that they allow, on the oldest Python here.

Arguments go to pytest. The other Pythons have the newest libraries and the sources (``test-all``, ``matrix``). A library is as
old as its lower bound says, or the oldest for which there is a wheel for that Python.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from members import ROOT, libraries, members
from run_matrix import oldest, settings

__all__ = ['main']

#: Made anew by each run. In one place, so that what is installed again is not compiled again.
FOLDER = ROOT / '.dev' / 'lowest'
#: What the tests use besides. mongomock is the last for the oldest PyMongo, and Flask-SQLAlchemy that for the oldest SQLAlchemy;
#: moto is what the kit's fixtures start.
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
#: Older libraries leave connections to the garbage collector, which may come during any later test.
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
    # Not `python -m pytest`, which would put the root of the sources in front of what is installed.
    line = [str(python.with_name(pytest + python.suffix)), '-W', LEFT_OPEN, *options, *arguments]
    # Servers would bring newer libraries along, so what needs them is skipped here, and required in `test-all`.
    variables = {name: value for name, value in os.environ.items() if name != 'FS_TEST_SERVICES'}
    return subprocess.run(line, cwd=ROOT, env=variables, check=False).returncode


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
