"""List what is missing for a release, or the last steps, which only a person takes.

If something is missing, it is reported, and the exit code is 1. Otherwise the commands that tag and publish are printed.
Each distribution is published after those it requires, so that users can always install it. With ``--tagged``, the
release must be tagged already: the workflow that publishes runs this check.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from check_wheels import problems as wrong_files
from members import ROOT, Member, members, name_of

__all__ = ['in_order', 'main', 'problems', 'tag_commands', 'upload_commands']


def in_order(found: list[Member]) -> list[Member]:
    """The members, each after those it requires, and otherwise by name."""
    by_name = {member.name: member for member in found}
    required = {
        member.name: sorted({name_of(line) for line in member.requirements()} & by_name.keys()) for member in found
    }
    return [by_name[name] for name in TopologicalSorter(required).static_order()]


def problems(root: Path = ROOT, *, tagged: bool = False) -> Iterator[str]:
    """What is missing for a release, one sentence each; its tag too if it must be *tagged* already."""
    found = members(root)
    version = found[0].version
    if not re.search(rf'(?m)^## {re.escape(version)} ', (root / 'CHANGELOG.md').read_text(encoding='utf-8')):
        yield f'CHANGELOG.md has no entry for {version}: python3 dev.py changelog --version {version}'
    if fragments := sorted(file.name for file in (root / 'changes').glob('*.md') if file.name != 'README.md'):
        yield f'changes/ still has fragments ({len(fragments)}, such as {fragments[0]}): python3 dev.py changelog --version {version}'
    listed = json.loads((root / 'docs' / 'versions.json').read_text(encoding='utf-8'))
    if version not in (entry['name'] for entry in listed):
        yield f'docs/versions.json, the version switch of the documentation, does not list {version}: add it there'
    if _git(root, 'status', '--porcelain'):
        yield 'The working tree has uncommitted changes: git commit'
    if tagged and f'v{version}' not in _git(root, 'tag', '--points-at', 'HEAD').split():
        yield f'This commit does not have the tag v{version}. Tag the commit that sets this version.'
    if not tagged and _git(root, 'tag', '--list', f'v{version}'):
        yield f'The tag v{version} already exists: python3 dev.py set-version X.Y.Z'
    if not (root / 'dist').is_dir() or list(wrong_files(root / 'dist', found)):
        yield f'dist/ does not have exactly the files of {version}: python3 dev.py all'


def tag_commands(version: str) -> list[str]:
    """The commands that tag and so start the workflow that publishes."""
    tag = ['git', 'tag', '--sign', '--message', f'Flask-FS {version}', f'v{version}']
    return [shlex.join(tag), f'git push origin v{version}']


def upload_commands(found: list[Member]) -> list[str]:
    """The commands that publish without the workflow."""
    return [f'twine upload dist/{member.name.replace("-", "_")}-{member.version}*' for member in in_order(found)]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(['git', *arguments], cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The exit code: 0 if the release can be tagged, or else published."""
    parser = argparse.ArgumentParser(prog='dev.py release', description='List what is missing for a release.')
    parser.add_argument('--tagged', action='store_true', help='require the tag of the release, to publish it')
    tagged = parser.parse_args(arguments).tagged
    missing = list(problems(root, tagged=tagged))
    for problem in missing:
        print(problem, file=sys.stderr)
    if missing:
        return 1
    found = members(root)
    print(f'All {len(found)} distributions of {found[0].version} are ready.')
    if not tagged:
        print('A person takes the last steps. Tag the release:\n')
        print(*tag_commands(found[0].version), sep='\n')
        print(
            '\nThe tag starts the workflow "Release", which builds and checks everything again, and then waits for you to'
        )
        print('approve each distribution. To publish without the workflow:\n')
        print(*upload_commands(found), sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
