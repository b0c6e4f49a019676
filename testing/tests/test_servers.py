"""The launchers: each server does what it is for, and nothing of it is left behind, however it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from round_trips import round_trip, s3_client
from small_servers import is_alive, is_gone, until

from flask_fs_testing.servers import (
    AzuriteServer,
    FakeGCSServer,
    MariadbServer,
    MotoServer,
    PostgresServer,
    SeaweedServer,
    SecantusServer,
    Server,
    ServerDied,
    SwiftServer,
    base,
    sql,
)

SERVERS: list[type[Server[Any]]] = [
    SeaweedServer,
    AzuriteServer,
    SwiftServer,
    SecantusServer,
    MotoServer,
    FakeGCSServer,
    PostgresServer,
    MariadbServer,
]

each_server = pytest.mark.parametrize('server_class', SERVERS, ids=lambda server_class: server_class.name)


pytestmark = pytest.mark.usefixtures('temporary_folder')


def needs(server_class: type[Server[Any]]) -> None:
    if lack := server_class.missing():
        if os.environ.get('FS_TEST_SERVICES') == 'required':
            pytest.fail(lack)
        pytest.skip(lack)


@pytest.mark.slow
@each_server
def test_two_servers_at_once_serve_their_clients_and_leave_nothing(
    server_class: type[Server[Any]], temporary_folder: Path
) -> None:
    needs(server_class)
    with server_class() as one, server_class() as other:
        pids = [*one.pids.values(), *other.pids.values()]
        stray_files = [*one.stray_files(), *other.stray_files()]
        assert one.service != other.service
        # Each is empty before its own round trip.
        assert [round_trip(one.service), round_trip(other.service)] == [b'hello', b'hello']
        assert all(map(is_alive, pids))
    assert [pid for pid in pids if is_alive(pid)] == []
    assert list(temporary_folder.iterdir()) == []
    assert [path for path in stray_files if os.path.lexists(path)] == []


KILLED = """
import json, sys, time
from flask_fs_testing.servers import *
server = globals()[sys.argv[1]]()
server.start()
print(json.dumps([list(server.pids.values()), str(server.folder), server.stray_files()]), flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@each_server
def test_a_server_is_gone_after_its_parent_was_killed(server_class: type[Server[Any]], temporary_folder: Path) -> None:
    needs(server_class)
    with subprocess.Popen(
        [sys.executable, '-c', KILLED, server_class.__name__], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids, folder, stray_files = json.loads(parent.stdout.readline())
        assert all(map(is_alive, pids))
        parent.kill()
    until(lambda: is_gone(pids, Path(folder)), 'the server gone with its parent')
    assert [path for path in stray_files if os.path.lexists(path)] == []


@pytest.fixture(scope='module')
def seaweed() -> Iterator[Server[Any]]:
    """One for what only these tests need."""
    needs(SeaweedServer)
    with SeaweedServer() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize('name', ['s3_service', 'swift_s3_service'])
def test_a_real_s3_refuses_a_wrong_secret(name: str, request: pytest.FixtureRequest) -> None:
    exceptions = pytest.importorskip('botocore.exceptions')
    service = dataclasses.replace(request.getfixturevalue(name), secret_key='wrong')
    with (
        contextlib.closing(s3_client(service)) as client,
        pytest.raises(exceptions.ClientError, match='SignatureDoesNotMatch'),
    ):
        client.list_buckets()


@pytest.mark.slow
def test_seaweedfs_has_one_winner_for_each_conditional_put(seaweed: Server[Any]) -> None:
    rivals = 4
    with contextlib.closing(s3_client(seaweed.service)) as client:
        client.create_bucket(Bucket='races')
        for number in range(3):
            outcomes = race_to_create(client, f'{number}.txt', rivals)
            assert sorted(outcomes) == ['PreconditionFailed'] * (rivals - 1) + ['stored']


def race_to_create(client: Any, key: str, rivals: int) -> list[str]:
    exceptions = pytest.importorskip('botocore.exceptions')
    start = threading.Barrier(rivals)

    def create(rival: int) -> str:
        start.wait()
        try:
            client.put_object(Bucket='races', Key=key, Body=f'{rival}'.encode(), IfNoneMatch='*')
        except exceptions.ClientError as error:
            return str(error.response['Error']['Code'])
        return 'stored'

    with ThreadPoolExecutor(rivals) as threads:
        return list(threads.map(create, range(rivals)))


@pytest.mark.slow
def test_seaweedfs_has_room_for_many_buckets(seaweed: SeaweedServer) -> None:
    """Each bucket takes a volume, of which there are some seventy by default."""
    with urllib.request.urlopen(f'http://127.0.0.1:{seaweed._ports["master.port"]}/dir/status') as response:
        volumes = json.load(response)['Topology']['Max']
    assert volumes >= 10_000


@pytest.mark.slow
def test_seaweedfs_makes_no_bucket_by_itself(seaweed: Server[Any]) -> None:
    exceptions = pytest.importorskip('botocore.exceptions')
    with (
        contextlib.closing(s3_client(seaweed.service)) as client,
        pytest.raises(exceptions.ClientError, match='NoSuchBucket'),
    ):
        client.put_object(Bucket='missing', Key='a.txt', Body=b'hello')


# Errors


@each_server
def test_each_server_says_which_extra_brings_it(
    server_class: type[Server[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('shutil.which', lambda *_, **__: None)
    monkeypatch.setattr('importlib.util.find_spec', lambda _: None)
    lack = server_class.missing()
    assert lack is not None
    assert server_class.install in lack


@pytest.mark.skipif(not hasattr(os, 'setxattr'), reason='there is no call to be refused')
def test_swift_says_so_if_the_file_system_has_no_extended_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    needs(SwiftServer)

    def refuse(*_: object) -> None:
        raise OSError(95, 'Operation not supported')

    monkeypatch.setattr('os.setxattr', refuse)
    assert 'set TMPDIR to a folder on one that does' in str(SwiftServer.missing())


@pytest.mark.parametrize(('platform', 'can_run'), [('darwin', True), ('win32', False)])
def test_swift_needs_extended_attributes_where_python_cannot_ask_for_them(
    monkeypatch: pytest.MonkeyPatch, platform: str, can_run: bool
) -> None:
    needs(SwiftServer)
    monkeypatch.delattr('os.setxattr', raising=False)
    monkeypatch.setattr('sys.platform', platform)
    assert (SwiftServer.missing() is None) == can_run


@pytest.mark.slow
def test_swift_that_cannot_make_its_rings_says_why(monkeypatch: pytest.MonkeyPatch, temporary_folder: Path) -> None:
    needs(SwiftServer)
    monkeypatch.setattr('flask_fs_testing.servers.swift.MAKE_RINGS', 'raise SystemExit("no room for rings")')
    with pytest.raises(ServerDied, match=r'its rings could not be created\.\nno room for rings'):
        SwiftServer().start()
    assert list(temporary_folder.iterdir()) == []


as_root = pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='not run as root')


@as_root
@pytest.mark.slow
@pytest.mark.parametrize('server_class', [PostgresServer, MariadbServer], ids=lambda server_class: server_class.name)
def test_what_refuses_root_runs_as_nobody(server_class: type[Server[Any]]) -> None:
    pwd = pytest.importorskip('pwd')
    needs(server_class)
    with server_class() as server:
        [pid] = server.pids.values()
        assert Path(f'/proc/{pid}').stat().st_uid == pwd.getpwnam('nobody').pw_uid


@as_root
@pytest.mark.parametrize('server_class', [PostgresServer, MariadbServer], ids=lambda server_class: server_class.name)
def test_what_refuses_root_needs_a_folder_that_others_can_enter(
    server_class: type[Server[Any]], temporary_folder: Path
) -> None:
    needs(server_class)
    temporary_folder.chmod(0o700)
    assert f"the user 'nobody' cannot enter {temporary_folder}" in str(server_class.missing())


@pytest.mark.parametrize('server_class', [PostgresServer, MariadbServer], ids=lambda server_class: server_class.name)
def test_a_database_that_cannot_be_made_says_why(
    server_class: type[Server[Any]], monkeypatch: pytest.MonkeyPatch, temporary_folder: Path
) -> None:
    needs(server_class)
    failed = subprocess.CompletedProcess([], 1, 'no space left')
    monkeypatch.setattr(sql, 'run_as', lambda *_: failed)
    with pytest.raises(ServerDied, match=r'could not create its data\.\nno space left'):
        server_class().start()
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.slow
@each_server
def test_a_port_that_stays_occupied_is_an_error_with_the_log(
    server_class: type[Server[Any]], monkeypatch: pytest.MonkeyPatch, temporary_folder: Path
) -> None:
    needs(server_class)
    with socket.socket() as occupying:
        occupying.bind(('127.0.0.1', 0))
        used, free_ports = occupying.getsockname()[1], base.free_ports
        monkeypatch.setattr(
            sys.modules[server_class.__module__], 'free_ports', lambda count: [used, *free_ports(count - 1)]
        )
        monkeypatch.setattr(server_class, 'attempts', 1)
        with pytest.raises(
            ServerDied,
            match=r'did not start: \w+ (ended|was ended)[\s\S]*The end of its [\s\S]*(in use|not bind|not available)',
        ):
            server_class().start()
    assert list(temporary_folder.iterdir()) == []
