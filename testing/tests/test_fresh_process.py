"""Code in a Python of its own: what it returns, and what is shown of one that fails or hangs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import in_another_process
import pytest
from in_another_process import Narrow, describe, fail, hang

from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing import fresh_process, fresh_python
from flask_fs_testing.fresh_process import in_fresh_process

# Each starts a Python.
pytestmark = pytest.mark.slow


def test_a_fresh_process_has_the_same_backend(tmp_path: Path) -> None:
    backend = Narrow('files', {'root': str(tmp_path), 'prefix': 'in/ner'})
    backend.write('x', b'content')
    *seen, pid = in_fresh_process(backend, describe)
    assert seen == ['Narrow', 7, 'files', b'content']
    assert pid != os.getpid()


def test_a_module_is_found_by_its_file_where_another_one_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'in_another_process.py').write_text('')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    assert fresh_python.load(Narrow.__module__, str(in_another_process.__file__), 'Narrow.__name__') == 'Narrow'
    backend = Narrow('files', {'root': str(tmp_path)})
    backend.write('x', b'content')
    monkeypatch.setattr(sys, 'path', [*sys.path[1:], str(tmp_path)])
    assert in_fresh_process(backend, describe)[0] == 'Narrow'


def test_a_failure_shows_its_traceback() -> None:
    with pytest.raises(pytest.fail.Exception, match=r'exit code 1\.\n(?s:.*)in fail\n(?s:.*)ValueError: as planned'):
        in_fresh_process(MemoryBackend('files'), fail)


def test_one_that_hangs_shows_its_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_process, 'TIMEOUT_S', 5)
    with pytest.raises(pytest.fail.Exception, match='in hang\n'):
        in_fresh_process(MemoryBackend('files'), hang)


def test_settings_that_cannot_be_sent_are_said_to_be_so() -> None:
    backend = MemoryBackend('files')
    backend.config['prefix'] = lambda: None
    with pytest.raises(pytest.fail.Exception, match='cannot be sent'):
        in_fresh_process(backend, describe)
