"""The page that writes a backend from nothing, done as it says: files written, distribution installed, commands run.

``pip install -e .`` is done without pip and without the network: hatchling builds the wheel, and a wheel without scripts is
installed by unpacking it into a folder that Python looks into.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from pages import DOCS, Project, without_numbers

PAGE = DOCS / 'how-to' / 'write-a-backend.md'
INSTALL = 'pip install -e .'


def install(project: Project) -> None:
    project.do('hatchling build -t wheel')
    [wheel] = (project.folder / 'dist').glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(project.variables['PYTHONPATH'])


@pytest.mark.slow
# All checks of the kit are run, each transaction of them synchronized to the disk.
@pytest.mark.timeout(600)
def test_the_page_writes_a_backend_and_proves_it(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding='utf-8')
    project = Project(tmp_path, PYTHONPATH=str(tmp_path / 'installed'))
    done = project.follow(page, {INSTALL: lambda: install(project)})
    assert INSTALL in done
    assert 'pytest --fs-report=report' in done

    table = (tmp_path / 'report.md').read_text(encoding='utf-8').split('\n\n')[1]
    assert without_numbers(table) in without_numbers(page)
    facts = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))['TestSQLite']
    assert facts['failed'] == {}
    assert set(facts['declared']) == {'ATOMIC_CREATE', 'CHECKSUM', 'MIME', 'NESTED_NAMES'}
    assert set(facts['declared']) <= {name for name, proven in facts['proven'].items() if proven}
