"""What every launcher does: say what went wrong, clean up, and be shared by the processes of a run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_servers import (
    RESPONDER,
    DyingServer,
    NotInstalled,
    SilentServer,
    SmallServer,
    SmallService,
    StartsAChild,
    UnknownProgram,
    is_alive,
    parent_of,
    until,
)

from flask_fs_testing.servers import ServerDied, ServerError, ServerMissing, ServerNotReady, base, shared, supervisor

pytestmark = pytest.mark.usefixtures('temporary_folder')


# Errors


def test_a_server_that_dies_shows_the_end_of_its_log(temporary_folder: Path) -> None:
    with pytest.raises(ServerDied) as raised:
        DyingServer().start()
    message = str(raised.value)
    assert message.startswith('Small did not start: small ended with exit code 1.\nThe end of its small.log:\n')
    assert {'loading', 'no license found'} <= set(message.splitlines())
    assert list(temporary_folder.iterdir()) == []


def test_a_server_that_never_responds_shows_the_end_of_its_log(temporary_folder: Path) -> None:
    server = SilentServer(deadline_s=3)
    with pytest.raises(ServerNotReady) as raised:
        server.start()
    assert str(raised.value) == 'Small was not ready after 3 s.\nThe end of its small.log:\nthinking'
    assert list(temporary_folder.iterdir()) == []


def test_a_program_that_cannot_be_run_is_named(temporary_folder: Path) -> None:
    with pytest.raises(ServerDied, match='no-such-program'):
        UnknownProgram().start()
    assert list(temporary_folder.iterdir()) == []


def test_a_server_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(ServerMissing, match='pip install small'):
        NotInstalled().start()


def test_a_port_used_in_the_meantime_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as occupied:
        occupied.bind(('127.0.0.1', 0))
        ports = iter([[occupied.getsockname()[1]], base.free_ports(1)])
        monkeypatch.setattr(base, 'free_ports', lambda _: next(ports))
        with SmallServer() as server:
            assert server.starts == 2


def test_a_server_that_is_not_running_says_so() -> None:
    with pytest.raises(ServerError, match='not running'):
        _ = SmallServer().folder
    with pytest.raises(ServerError, match='not running'):
        _ = SmallServer().address


# The supervisor


def test_stopping_twice_is_stopping_once() -> None:
    server = SmallServer()
    server.start()
    server.stop()
    server.stop()
    assert server.pids == {}


def test_what_a_server_started_goes_with_it() -> None:
    with StartsAChild() as server:
        child = int((server.folder / 'child.pid').read_text())
        assert is_alive(child)
    until(lambda: not is_alive(child), 'the child of the server gone')


def test_a_server_does_not_see_the_environment_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    class Telling(SmallServer):
        code = f'import os\nopen("variables", "w").write(" ".join(os.environ))\n{RESPONDER}'

    monkeypatch.setenv('AWS_PROFILE', 'production')
    monkeypatch.setenv('HTTP_PROXY', 'http://127.0.0.1:9')
    with Telling() as server:
        variables = (server.folder / 'variables').read_text().split()
    assert {'AWS_PROFILE', 'HTTP_PROXY'} & set(variables) == set()


on_linux = pytest.mark.skipif(sys.platform != 'linux', reason='the parent of a process is read from /proc')


@on_linux
def test_a_server_dies_with_its_supervisor() -> None:
    with SmallServer() as server:
        [pid] = server.pids.values()
        os.kill(parent_of(pid), signal.SIGKILL)
        until(lambda: not is_alive(pid), 'the server gone with its supervisor')


@on_linux
def test_a_supervisor_that_is_terminated_ends_its_server(temporary_folder: Path) -> None:
    with SmallServer() as server:
        [pid] = server.pids.values()
        os.kill(parent_of(pid), signal.SIGTERM)
        until(lambda: not is_alive(pid) and not any(temporary_folder.iterdir()), 'the server and its folder gone')


@pytest.mark.skipif(os.name == 'nt', reason='needs groups of processes')
def test_a_process_is_ended_although_a_look_at_it_was_interrupted() -> None:
    """SIGTERM may strike a supervisor when Popen.poll() has taken its lock, which it then never releases."""
    command = [sys.executable, '-c', 'import time; time.sleep(60)']
    with subprocess.Popen(command, start_new_session=True) as process, process._waitpid_lock:
        supervisor.kill(process)
        assert not is_alive(process.pid)


@pytest.mark.skipif(os.name == 'nt', reason='needs signals')
@pytest.mark.parametrize(('deaf', 'code'), [(False, 3), (True, -signal.SIGKILL)], ids=['heeds it', 'ignores it'])
def test_a_server_that_must_not_be_killed_is_killed_only_if_it_ignores_its_signal(
    deaf: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, 'END_S', 0.1 if deaf else 60)
    handler = 'signal.SIG_IGN' if deaf else 'lambda *_: os._exit(3)'
    program = f'import os, signal, time; signal.signal(signal.SIGQUIT, {handler}); print(flush=True); time.sleep(60)'
    command = [sys.executable, '-c', program]
    statuses: list[int] = []
    waitpid = os.waitpid

    def noted(pid: int, options: int) -> tuple[int, int]:
        ended = waitpid(pid, options)
        statuses.append(ended[1])
        return ended

    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with monkeypatch.context() as patching:
            patching.setattr(os, 'waitpid', noted)
            supervisor.kill(process, signal.SIGQUIT)
    assert os.waitstatus_to_exitcode(statuses[-1]) == code


# Sharing


def test_users_with_one_folder_share_a_server(tmp_path: Path) -> None:
    with shared(SmallServer(), SmallService, tmp_path) as one, shared(SmallServer(), SmallService, tmp_path) as other:
        assert one == other


def test_users_with_different_folders_have_their_own(tmp_path: Path) -> None:
    folders = [tmp_path / 'one', tmp_path / 'other']
    for folder in folders:
        folder.mkdir()
    with (
        shared(SmallServer(), SmallService, folders[0]) as one,
        shared(SmallServer(), SmallService, folders[1]) as other,
    ):
        assert one != other


def test_a_shared_server_outlives_the_user_who_started_it(tmp_path: Path, temporary_folder: Path) -> None:
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        service = first.enter_context(shared(SmallServer(), SmallService, tmp_path))
        second.enter_context(shared(SmallServer(), SmallService, tmp_path))
        first.close()
        assert responds(service)
    assert not responds(service)
    assert list(temporary_folder.iterdir()) == []


def test_a_user_after_the_last_gets_a_new_server(tmp_path: Path) -> None:
    with shared(SmallServer(), SmallService, tmp_path) as one:
        pass
    with shared(SmallServer(), SmallService, tmp_path) as other:
        assert responds(other)
        assert not responds(one)


def test_a_shared_server_that_died_is_an_error_for_those_who_come(tmp_path: Path) -> None:
    server = SmallServer()
    with shared(server, SmallService, tmp_path):
        [pid] = server.pids.values()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), 'the server gone')
        with pytest.raises(ServerDied, match=r'another process of this run started: small was ended by signal 9'):
            until(lambda: fails_to_join(tmp_path), 'an error, after the supervisor noticed')


def fails_to_join(folder: Path) -> bool:
    with shared(SmallServer(), SmallService, folder):
        return False


def test_an_unrelated_program_where_the_supervisor_was_is_not_trusted(tmp_path: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as unrelated:

        def respond() -> None:
            with unrelated.accept()[0] as connection:
                connection.sendall(b'{"token": "another", "pids": {}}\n')

        thread = threading.Thread(target=respond)
        thread.start()
        note = {'port': unrelated.getsockname()[1], 'token': 'ours', 'service': {'url': 'of the unrelated program'}}
        (tmp_path / 'Small.json').write_text(json.dumps(note))
        with shared(SmallServer(), SmallService, tmp_path) as service:
            assert responds(service)
        thread.join()


def test_users_who_come_at_once_share_a_server(tmp_path: Path) -> None:
    users = 6
    all_inside = threading.Barrier(users)

    def use(_: int) -> SmallService:
        with shared(SmallServer(), SmallService, tmp_path) as service:
            all_inside.wait()
            return service

    with ThreadPoolExecutor(users) as threads:
        assert len(set(threads.map(use, range(users)))) == 1


def responds(service: SmallService) -> bool:
    return base.http_status(int(service.url.rpartition(':')[2]), '/') == 200
