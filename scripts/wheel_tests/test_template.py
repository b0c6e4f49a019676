"""What the author of a new backend gets from the template in the wheel of the kit."""

from __future__ import annotations

import json
import re


def test_what_is_made_is_installed_and_passes_the_kit_and_keeps_what_its_readme_says(environment, tmp_path):
    folder = tmp_path / 'my store'
    environment.add('flask-fs-testing')
    shown = environment.program('python', '-I', '-m', 'flask_fs_testing', 'new-backend', 'my-store', str(folder))
    assert "pip install -e '.[dev]'" in shown
    readme = (folder / 'README.md').read_text(encoding='utf-8')
    assert '$ pytest --fs-report=report\n' in readme

    environment.add(f'{folder}[dev]')
    # One test of the template finds the backend by its entry point.
    environment.program('pytest', '--fs-report=report', folder=folder)
    [(name, report)] = json.loads((folder / 'report.json').read_text(encoding='utf-8')).items()
    assert (name, report['backend'], report['failed']) == ('TestMyStore', 'MyStoreBackend', {})
    # All checks ran: one that fails before it runs would be missing.
    assert (report['passed'], report['not_run']) == (report['checks'], [])
    assert set(report['declared']) == {'ATOMIC_CREATE', 'MIME', 'RANGE', 'NESTED_NAMES'}
    # The first table, without the counts: newer kits have more checks.
    _, _, table = (folder / 'report.md').read_text(encoding='utf-8').partition('\n\n')
    assert table.split('| checks passed')[0] in readme

    environment.run('\n'.join(re.findall(r'(?ms)^```python\n(.*?)^```$', readme)))
    environment.program('mypy', folder=folder, MYPYPATH='src')
    environment.program('ruff', 'check', folder=folder)
    environment.program('ruff', 'format', '--check', folder=folder)
