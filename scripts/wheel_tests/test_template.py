"""What becomes of template/flask-fs-NAME, for the author of a new backend."""

from __future__ import annotations

import json
import re

from members import ROOT
from new_backend import main


def test_what_is_made_is_installed_and_passes_the_kit_and_keeps_what_its_readme_says(environment, tmp_path):
    folder = tmp_path / 'my store'
    assert main(['my-store', str(folder)]) == 0
    readme = (folder / 'README.md').read_text(encoding='utf-8')
    assert '$ pytest --fs-report=report\n' in readme

    environment.add(f'{folder}[dev]')
    # One of its own tests finds the backend by its entry point.
    environment.program('pytest', '--fs-report=report', folder=folder)
    [(name, report)] = json.loads((folder / 'report.json').read_text(encoding='utf-8')).items()
    assert (name, report['backend'], report['failed']) == ('TestMyStore', 'MyStoreBackend', {})
    # As many as in the kit's own runs, all passed: a check that errs before it runs would be missing.
    assert len(re.findall(r'(?m)^    def (test_\w+)', '\n'.join(sources_of_checks()))) == report['passed']
    assert set(report['declared']) == {'ATOMIC_CREATE', 'MIME', 'RANGE', 'NESTED_NAMES'}
    table = (folder / 'report.md').read_text(encoding='utf-8').split('| checks passed')[0]
    assert table in readme

    environment.run('\n'.join(re.findall(r'(?ms)^```python\n(.*?)^```$', readme)))
    environment.program('mypy', folder=folder, MYPYPATH='src')
    environment.program('ruff', 'check', folder=folder)
    environment.program('ruff', 'format', '--check', folder=folder)


def sources_of_checks() -> list[str]:
    """The modules with the checks of every backend; those of faults are for networks."""
    folder = ROOT / 'testing' / 'src' / 'flask_fs_testing' / 'checks'
    return [path.read_text(encoding='utf-8') for path in sorted(folder.glob('*.py')) if path.name != 'faults.py']
