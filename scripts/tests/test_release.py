from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

import release
from members import ROOT, members
from release import in_order, main, problems, tag_commands, upload_commands


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(['git', '-c', 'user.name=A', '-c', 'user.email=a@example.org', *arguments], cwd=folder, check=True)


@pytest.fixture
def ready(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace where only the tag and the upload are missing."""
    version = members(workspace)[0].version
    (workspace / 'CHANGELOG.md').write_text(f'# Changelog\n\n## {version} (2030-01-01)\n')
    (workspace / 'docs').mkdir()
    (workspace / 'docs' / 'versions.json').write_text(json.dumps([{'name': version, 'url': '/'}]))
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
    assert main([], ready) == 0

    found = members(ready)
    version = found[0].version
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith('git ')] == tag_commands(version)
    uploads = [line for line in shown if line.startswith('twine ')]
    assert uploads == upload_commands(found)
    assert uploads[0] == f'twine upload dist/flask_fs_core-{version}*'
    assert len(uploads) == len(found)


def test_each_thing_that_is_missing_is_told(ready, monkeypatch, capsys):
    version = members(ready)[0].version
    git(ready, 'tag', f'v{version}')
    (ready / 'CHANGELOG.md').write_text('# Changelog\n')
    (ready / 'changes' / '+new.added.md').touch()
    monkeypatch.setattr(release, 'wrong_files', lambda dist, found: ['one is missing'])

    assert main([], ready) == 1
    assert [line.split(':')[0] for line in capsys.readouterr().err.splitlines()] == [
        f'CHANGELOG.md has no entry for {version}',
        'changes/ still has fragments (1, such as +new.added.md)',
        'The working tree has uncommitted changes',
        f'The tag v{version} already exists',
        f'dist/ does not have exactly the files of {version}',
    ]


def test_publishing_requires_the_tag_on_this_commit(ready, capsys):
    version = members(ready)[0].version
    assert main(['--tagged'], ready) == 1
    assert capsys.readouterr().err.startswith(f'This commit does not have the tag v{version}.')

    git(ready, 'tag', f'v{version}')
    assert main(['--tagged'], ready) == 0

    git(ready, 'commit', '--quiet', '--allow-empty', '--message', 'later')
    assert main(['--tagged'], ready) == 1


def test_a_tag_of_another_version_does_not_publish_this_one(ready):
    git(ready, 'tag', f'v{members(ready)[0].version}rc1')
    assert main(['--tagged'], ready) == 1


def test_the_workflow_publishes_every_distribution_after_those_that_it_requires():
    text = (ROOT / '.github' / 'workflows' / 'release.yml').read_text(encoding='utf-8')
    jobs = yaml.safe_load(text)['jobs']
    assert jobs['publish']['strategy']['matrix']['distribution'] == [member.name for member in in_order(members())]
    assert jobs['publish']['needs'] == 'build'


def test_only_the_jobs_that_publish_get_an_identity_and_each_waits_for_its_environment():
    text = (ROOT / '.github' / 'workflows' / 'release.yml').read_text(encoding='utf-8')
    workflow = yaml.safe_load(text)
    assert workflow['permissions'] == {'contents': 'read'}
    assert 'permissions' not in workflow['jobs']['build']
    publish = workflow['jobs']['publish']
    assert publish['permissions'] == {'id-token': 'write'}
    assert publish['environment'] == '${{ matrix.distribution }}'


def test_a_version_that_begins_like_another_is_not_taken_for_it(ready):
    version = members(ready)[0].version
    (ready / 'CHANGELOG.md').write_text(f'# Changelog\n\n## {version}rc1 (2030-01-01)\n')
    assert any('has no entry' in problem for problem in problems(ready))


def test_the_version_switch_of_the_documentation_lists_the_version(ready):
    version = members(ready)[0].version
    (ready / 'docs' / 'versions.json').write_text(json.dumps([{'name': f'{version}.1', 'url': '/'}]))
    git(ready, 'commit', '--quiet', '--all', '--message', 'another version')

    (problem,) = problems(ready)
    assert problem.startswith('docs/versions.json')
    assert f' {version}:' in problem
