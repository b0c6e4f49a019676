from __future__ import annotations

import os
from pathlib import Path

import pytest

from services import main


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake Docker with compose. It records its calls, and exits with the code in the file ``exit``."""
    program = tmp_path / 'docker'
    program.write_text(
        f'#!/bin/sh\n[ "$2" = version ] && exit 0\necho "$@" >> {tmp_path}/calls\nexit $(cat {tmp_path}/exit)\n'
    )
    program.chmod(0o755)
    (tmp_path / 'exit').write_text('0')
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    return tmp_path


def test_start_waits_for_the_servers_and_tells_how_tests_find_them(docker, capfd):
    assert main(['start']) == 0

    assert (docker / 'calls').read_text() == 'compose up --detach --wait\n'
    shown = capfd.readouterr().out
    for variable in ('FS_TEST_MONGO_URL', 'FS_TEST_S3_ENDPOINT', 'FS_TEST_S3_SECRET_KEY', 'FS_TEST_SWIFT_AUTHURL'):
        assert f'export {variable}=' in shown


def test_stop_removes_what_the_servers_kept(docker):
    assert main(['stop']) == 0
    assert (docker / 'calls').read_text() == 'compose down --volumes\n'


def test_servers_that_do_not_start_fail_the_command(docker, capfd):
    (docker / 'exit').write_text('17')

    assert main(['start']) == 17
    assert 'export' not in capfd.readouterr().out


def test_a_missing_docker_is_said_in_a_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv('PATH', str(tmp_path))

    assert main(['start']) == 1
    assert capsys.readouterr().err.startswith('Docker with its plugin compose is not installed. ')


def test_a_docker_without_compose_is_said_in_a_sentence(docker, capsys):
    (docker / 'docker').write_text('#!/bin/sh\necho unknown command >&2\nexit 125\n')

    assert main(['start']) == 1
    assert capsys.readouterr().err.startswith('Docker with its plugin compose is not installed. ')


@pytest.mark.parametrize('arguments', [[], ['restart'], ['start', 'now']])
def test_other_words_are_refused(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == 'Pass one of: start, stop\n'
