from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import release
from members import members
from release import in_order, main, problems, steps


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(['git', '-c', 'user.name=A', '-c', 'user.email=a@example.org', *arguments], cwd=folder, check=True)


@pytest.fixture
def ready(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of which everything is done but the tag and the upload."""
    version = members(workspace)[0].version
    (workspace / 'CHANGELOG.md').write_text(f'# Changelog\n\n## {version} (2030-01-01)\n')
    (workspace / 'changes').mkdir()
    (workspace / 'changes' / 'README.md').touch()
    (workspace / 'dist').mkdir()
    (workspace / '.gitignore').write_text('/dist/\n')
    monkeypatch.setattr(release, 'wrong_files', lambda dist, found: [])
    git(workspace, 'init', '--quiet')
    git(workspace, 'add', '.')
    git(workspace, 'commit', '--quiet', '--message', 'all of it')
    return workspace


def test_a_distribution_comes_after_those_that_it_requires(workspace):
    order = [member.name for member in in_order(members(workspace))]
    assert sorted(order) == [member.name for member in members(workspace)]
    assert order[0] == 'flask-fs-core'
    assert order.index('flask-fs-images') < order.index('flask-fs-mongo') < order.index('flask-fs')


def test_what_is_ready_is_tagged_and_published_core_first(ready, capsys):
    assert main(ready) == 0

    version = members(ready)[0].version
    shown = capsys.readouterr().out.splitlines()
    assert steps(ready) == shown[2:]
    assert shown[2].startswith('git tag ')
    assert shown[4] == f'twine upload dist/flask_fs_core-{version}*'
    assert len(shown) == 2 + 2 + len(members(ready))


def test_each_thing_that_is_missing_is_told(ready, monkeypatch, capsys):
    version = members(ready)[0].version
    git(ready, 'tag', f'v{version}')
    (ready / 'CHANGELOG.md').write_text('# Changelog\n')
    (ready / 'changes' / '+new.added.md').touch()
    monkeypatch.setattr(release, 'wrong_files', lambda dist, found: ['one is missing'])

    assert main(ready) == 1
    assert [line.split(':')[0] for line in capsys.readouterr().err.splitlines()] == [
        f'CHANGELOG.md has no entry for {version}',
        'changes/ still holds 1 fragments, such as +new.added.md',
        'The working tree has changes that are not committed.',
        f'There is a tag v{version} already',
        f'dist/ does not hold what {version} consists of',
    ]


def test_a_version_that_begins_like_another_is_not_taken_for_it(ready):
    version = members(ready)[0].version
    (ready / 'CHANGELOG.md').write_text(f'# Changelog\n\n## {version}rc1 (2030-01-01)\n')
    assert any('has no entry' in problem for problem in problems(ready))
