"""Check that each member declares exactly the libraries that it imports.

deptry checks one distribution at a time. Exceptions are in the distribution's pyproject.toml, with their reasons.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from members import IMPORT_PACKAGES, ROOT, members

__all__ = ['main']

# deptry cannot find these in an editable installation, which does not record modules.
MODULES = ','.join(f'{name}={package}' for name, package in IMPORT_PACKAGES.items() if package)


def main(root: Path = ROOT) -> int:
    """The exit code: 0 if there are no problems."""
    wrong = False
    for member in members(root):
        if IMPORT_PACKAGES.get(member.name) is None:
            continue
        line = [sys.executable, '-m', 'deptry', 'src', '--no-ansi', '--package-module-name-map', MODULES]
        checked = subprocess.run(line, cwd=member.folder, capture_output=True, text=True, check=False)
        if checked.returncode:
            print(f'{member.name}:\n{checked.stdout}{checked.stderr}', file=sys.stderr)
            wrong = True
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
