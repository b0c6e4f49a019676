"""The page that writes a backend from nothing, done as it says: files written, distribution installed, commands run.

A block with a caption is a file, of the name in the caption. A ``console`` block has commands, and what they show; ``...``
stands for anything there, and numbers are not compared, because times differ and checks are added. ``pip install -e .``
is done without pip and without the network: hatchling builds the wheel, and a wheel without scripts is installed by
unpacking it into a folder that Python looks into. Other distributions are installed already.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / 'docs' / 'how-to' / 'write-a-backend.md'
FILE = re.compile(r'^```\{code-block\} \w+\n:caption: ([^\n]+)\n\n(.*?)^```$', re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r'^```console\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PROGRAMS = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get('PATH', os.defpath)])


def commands(page: str) -> Iterator[tuple[list[str], str]]:
    """Each command of the page, and what it is said to show."""
    for block in CONSOLE.findall(page):
        for step in block.removeprefix('$ ').split('\n$ '):
            line, _, shown = step.partition('\n')
            yield shlex.split(line), shown


def do(line: list[str], folder: Path) -> str:
    """What *line* prints in *folder*, where it has to succeed."""
    program = shutil.which(line[0], path=PROGRAMS)
    assert program, f'{line[0]} is not installed: the environment of the tests has to have it'
    variables = {name: value for name, value in os.environ.items() if not name.startswith('PYTEST_')}
    variables.update(PYTHONPATH=str(folder / 'installed'), COLUMNS='80')
    line = [program, *line[1:]]
    result = subprocess.run(line, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def install(folder: Path) -> None:
    do(['hatchling', 'build', '-t', 'wheel'], folder)
    [wheel] = (folder / 'dist').glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / 'installed')


def without_numbers(text: str) -> str:
    # The line around a summary is as long as the summary leaves room.
    return re.sub(r'=+', '=', re.sub(r'\d+(\.\d+)?', '0', text))


@pytest.mark.slow
def test_the_page_writes_a_backend_and_proves_it(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding='utf-8')
    for name, content in FILE.findall(page):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding='utf-8')
    done = []
    for line, shown in commands(page):
        done.append(' '.join(line))
        if done[-1] == 'pip install -e .':
            install(tmp_path)
        elif line[0] != 'pip':
            seen = do(line, tmp_path)
            expected, got = without_numbers(shown), without_numbers(seen)
            assert doctest.OutputChecker().check_output(expected, got, doctest.ELLIPSIS), seen
    assert 'pip install -e .' in done
    assert 'pytest --fs-report=report' in done

    table = (tmp_path / 'report.md').read_text(encoding='utf-8')
    assert without_numbers(table) in without_numbers(page)
    facts = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))['TestSQLite']
    assert {} == facts['failed']
    assert {'ATOMIC_CREATE', 'CHECKSUM', 'MIME', 'NESTED_NAMES'} == set(facts['declared'])
    assert set(facts['declared']) <= {name for name, proven in facts['proven'].items() if proven}
