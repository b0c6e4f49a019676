from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from members import members
from run_matrix import find, matrix, others

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='the programs made here are shell scripts')


def program(folder: Path, version: str, script: str) -> str:
    folder.mkdir()
    file = folder / f'python{version}'
    file.write_text(f'#!/bin/sh\n{script}\n')
    file.chmod(0o755)
    return str(file)


def test_the_matrix_starts_at_the_lowest_python_that_the_members_allow():
    assert {member.project['requires-python'] for member in members()} == {f'>={matrix()[0]}'}


def test_a_shim_that_fails_does_not_hide_a_python_that_works(tmp_path):
    program(tmp_path / 'shims', '3.12', 'echo "command not found" >&2; exit 127')
    works = program(tmp_path / 'bin', '3.12', 'echo 3.12')

    assert find('3.12', [str(tmp_path / 'shims'), str(tmp_path / 'bin')]) == works


def test_a_program_of_another_version_is_passed_over(tmp_path):
    program(tmp_path / 'bin', '3.12', 'echo 3.9')
    assert find('3.12', [str(tmp_path / 'bin')]) is None


def test_a_folder_that_is_not_there_is_passed_over(tmp_path):
    assert find('3.12', [str(tmp_path / 'gone')]) is None


def test_every_other_python_is_found_or_named_as_missing(tmp_path, monkeypatch, capsys):
    here = '{}.{}'.format(*sys.version_info[:2])
    programs = [program(tmp_path / version, version, f'echo {version}') for version in ('3.91', '3.93')]
    folders = [str(Path(name).parent) for name in [sys.executable, *programs]]
    monkeypatch.setattr('os.get_exec_path', lambda: folders)
    # The first one is the oldest.
    monkeypatch.setattr('run_matrix.matrix', lambda: [here, '3.91', '3.92', '3.93'])

    assert others() == ['3.91', '3.93']
    assert capsys.readouterr().out == 'Skipped, because not installed: Python 3.92\n'


def test_a_real_python_is_found():
    version = '{}.{}'.format(*sys.version_info[:2])
    assert find(version, [str(Path(sys.executable).parent)]) is not None
