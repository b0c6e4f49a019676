"""Check the name and the first words of each changelog fragment in changes/."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from members import IMPORT_PACKAGES, ROOT

__all__ = ['main', 'problems']

KINDS = ('security', 'removed', 'changed', 'added', 'fixed')
NAME = re.compile(rf'(\d+|\+[a-z0-9-]+)\.({"|".join(KINDS)})(\.\d+)?\.md')
TEXT = re.compile(r'`(?P<name>[a-z0-9-]+)`: (?=\S)')


def problems(folder: Path) -> list[str]:
    """The problems of the fragments in *folder*, one sentence each."""
    found = []
    for file in sorted(folder.iterdir()):
        if file.name == 'README.md':
            continue
        if not NAME.fullmatch(file.name):
            kinds = ', '.join(KINDS)
            found.append(f'{file.name}: rename it to NUMBER.KIND.md or +topic.KIND.md. KIND is one of {kinds}.')
            continue
        start = TEXT.match(file.read_text(encoding='utf-8'))
        if start is None or start['name'] not in IMPORT_PACKAGES:
            found.append(f'{file.name}: start the text with the name of a distribution, such as `flask-fs-core`: ...')
    return found


def main() -> int:
    """The exit code: 0 if there are no problems."""
    found = problems(ROOT / 'changes')
    for problem in found:
        print(f'changes/{problem}', file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
