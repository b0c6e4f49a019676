"""Say what is left to do for a release, up to the upload itself, which stays with a person.

Reports what is not ready and exits with 1; else shows the commands that tag and publish, each distribution after those
that it requires, so that no one can install what is not there yet.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from check_wheels import problems as wrong_files
from members import IMPORT_PACKAGES, ROOT, Member, members, name_of

__all__ = ['in_order', 'main', 'problems', 'steps']


def in_order(found: list[Member]) -> list[Member]:
    """The members, each after those that it requires; without needs they go by name."""
    by_name = {member.name: member for member in found}
    required = {
        member.name: sorted({name_of(line) for line in member.requirements()} & by_name.keys()) for member in found
    }
    return [by_name[name] for name in TopologicalSorter(required).static_order()]


def problems(root: Path = ROOT) -> Iterator[str]:
    """What keeps the workspace from being released, one sentence each."""
    found = members(root)
    version = found[0].version
    if not re.search(rf'(?m)^## {re.escape(version)} ', (root / 'CHANGELOG.md').read_text(encoding='utf-8')):
        yield f'CHANGELOG.md has no entry for {version}: python3 dev.py changelog --version {version}'
    if fragments := sorted(file.name for file in (root / 'changes').glob('*.md') if file.name != 'README.md'):
        yield f'changes/ still holds {len(fragments)} fragments, such as {fragments[0]}: see above.'
    if _git(root, 'status', '--porcelain'):
        yield 'The working tree has changes that are not committed.'
    if _git(root, 'tag', '--list', f'v{version}'):
        yield f'There is a tag v{version} already: python3 scripts/check_members.py --set X.Y.Z'
    if not (root / 'dist').is_dir() or list(wrong_files(root / 'dist', found)):
        yield f'dist/ does not hold what {version} consists of: python3 dev.py all'


def steps(root: Path = ROOT) -> list[str]:
    """The commands that tag and publish."""
    found = in_order(members(root))
    version = found[0].version
    tag = ['git', 'tag', '--sign', '--message', f'Flask-FS {version}', f'v{version}']
    uploads = [['twine', 'upload', f'dist/{member.name.replace("-", "_")}-{version}*'] for member in found]
    return [shlex.join(tag), f'git push origin v{version}', *(' '.join(line) for line in uploads)]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(['git', *arguments], cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main(root: Path = ROOT) -> int:
    """The exit code: 0 if the release can be tagged and published."""
    found = list(problems(root))
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(f'All {len(IMPORT_PACKAGES)} distributions are ready. What is left:\n')
        for step in steps(root):
            print(step)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
