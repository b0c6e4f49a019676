"""The files for contributors, and the CI workflows, refer to commands, files, and fields that exist."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from members import ROOT, tomllib

TEXTS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'changes/README.md', '.github/PULL_REQUEST_TEMPLATE.md']
SETTINGS = [
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / '.github').rglob('*.yml'))),
    '.pre-commit-config.yaml',
    'compose.yaml',
]
COMMANDS = runpy.run_path(str(ROOT / 'dev.py'))['COMMANDS']
COMMAND = re.compile(r'python3 dev\.py ([\w-]+)')


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


@pytest.mark.parametrize('name', [*TEXTS, *SETTINGS])
def test_commands_are_there(name):
    assert set(COMMAND.findall(read(name))) <= COMMANDS.keys()


@pytest.mark.parametrize('name', TEXTS)
def test_links_lead_to_files(name):
    links = re.findall(r'\]\(([^)#:]+)[^):]*\)', read(name))
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize('name', TEXTS)
def test_paths_are_there(name):
    paths = re.findall(r'`((?:docs|scripts|changes|template|testing|packages|examples)/[^`*\s]*)`', read(name))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_each_claim_of_the_readme_links_to_a_test_or_a_benchmark():
    section = read('README.md').partition('## What you can rely on\n')[2].partition('\n## ')[0]
    claims = section.split('\n- ')[1:]
    assert claims
    assert [claim for claim in claims if not re.search(r'\]\(\S*\b(tests|benchmarks)/', claim)] == []


def test_the_readme_sets_up_with_two_commands():
    lines = re.findall(r'^\$ (.*)$', read('README.md'), re.MULTILINE)
    assert lines == ['python3 dev.py demo', 'python3 dev.py test']


@pytest.mark.parametrize('name', SETTINGS)
def test_settings_are_yaml(name):
    assert yaml.safe_load(read(name))


def test_every_command_that_is_no_script_of_hatch_is_of_dev_itself():
    scripts = tomllib.loads(read('hatch.toml'))['envs']['default']['scripts']
    assert COMMANDS.keys() - scripts.keys() == {'hatch'}
    # For the environments of the matrix, and not for people.
    assert scripts.keys() - COMMANDS.keys() == {'unit'}


def test_the_jobs_run_nothing_but_the_commands_of_everybody():
    jobs = yaml.safe_load(read('.github/workflows/ci.yml'))['jobs'].values()
    lines = [step['run'] for job in jobs for step in job['steps'] if 'run' in step]
    assert lines
    assert [line for line in lines if line != '.ci/run' and not COMMAND.match(line)] == []


@pytest.mark.parametrize(
    'path', sorted((ROOT / '.github' / 'ISSUE_TEMPLATE').glob('[!c]*.yml')), ids=lambda path: path.stem
)
def test_an_issue_form_has_what_it_needs(path: Path):
    form = yaml.safe_load(path.read_text(encoding='utf-8'))
    assert {'name', 'description', 'body'} <= form.keys()
    asked = [field for field in form['body'] if field['type'] != 'markdown']
    assert len(asked) == len({field['id'] for field in asked})
    assert all(field['attributes']['label'] for field in asked)


def test_no_file_has_the_marks_of_an_unfinished_merge():
    found = subprocess.run(
        ['git', 'grep', '-nE', '^(<{7}|>{7}) '], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert found.stdout == ''
