"""Documents and files after their process was killed, at every step there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')]


def test_files_and_documents_agree_after_a_kill_at_any_step(
    mongo_service: Any, fresh_name: str, tmp_path: Path
) -> None:
    script = Path(__file__).with_name('killed_documents.py')
    url = f'{mongo_service.url}/{fresh_name}'
    done = subprocess.run(
        [sys.executable, str(script), url, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 20
    for number, step in enumerate(steps):
        assert (step['found'], step['left']) == ([], 0), (number, step)
        assert step['contents'] in (['kept'], ['kept', 'one'], ['kept', 'two'], ['kept', 'three']), (number, step)
        assert set(step['actions']) <= {'removed', 'kept'}, (number, step)
    seen = [content for content in ('one', 'two', 'three') if any(content in step['contents'] for step in steps)]
    assert seen == ['one', 'two', 'three']
    assert any('removed' in step['actions'] for step in steps)
