"""Resumable uploads over real connections that are cut, to real servers whose processes are killed, into real stores."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tus_server import BODY_TYPE, TusServer, make_app

from flask_fs.extension import by_name

MiB = 1024 * 1024

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != 'linux', reason='looks at /proc'),
]


def read(settings: dict[str, Any], headers: Any) -> bytes:
    """The content of the file that an upload has become."""
    app = make_app(settings)
    with app.app_context():
        content: bytes = by_name('files').read(headers['Upload-Filename'])
        return content


def test_what_has_arrived_before_the_connection_was_cut_stays(
    server: TusServer, settings: dict[str, Any], kind: str
) -> None:
    """Where it is closed, all that was sent has arrived. Where it is reset, some of that may be lost on the way.

    The request after one that was reset may come while that still stores what it has, and is refused then.
    """
    # 200 on every store take some five minutes.
    cuts = int(os.environ.get('FS_TEST_CUTS', '200' if kind == 'local' else '20'))
    chance = random.Random(kind)
    content = chance.randbytes(16 * MiB)
    path, offset, furthest = server.create(len(content)), 0, 0
    for turn in range(cuts):
        sent = chance.randrange(2 * (len(content) - offset) // (cuts - turn + 4))
        is_reset, is_next = turn % 4 == 2, turn % 4 == 3
        with server.begin(path, offset, len(content) - offset) as connection:
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.sendall(content[offset : offset + sent])
        deadline = time.monotonic() + (2 if is_reset or is_next else 30)
        while (arrived := server.offset(path)) < offset + sent and time.monotonic() < deadline:
            time.sleep(0.01)
        assert arrived >= offset + sent or is_reset or is_next, f'{arrived - offset} of {sent} bytes have arrived'
        # A slow store may have what was reset later.
        furthest = max(furthest, offset + sent)
        assert offset <= arrived <= furthest
        offset = arrived
    while True:
        status, headers = server.patch(path, offset, content[offset:])
        if status == 204:
            break
        assert status == 409
        offset = server.offset(path)
    assert read(settings, headers) == content


def test_what_was_stored_before_its_process_was_killed_stays(server: TusServer, settings: dict[str, Any]) -> None:
    content = os.urandom(20 * MiB)
    path = server.create(len(content))
    with server.begin(path, 0, len(content)) as connection:
        connection.sendall(content[: 17 * MiB])
        deadline = time.monotonic() + 60
        while server.offset(path) < 15 * MiB:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.kill_workers()
    deadline = time.monotonic() + 30
    while True:
        try:
            offset = server.offset(path)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert offset == 15 * MiB
    _, headers = server.patch(path, offset, content[offset:])
    assert read(settings, headers) == content


def test_of_two_who_send_the_same_at_once_both_end_with_the_file(server: TusServer, settings: dict[str, Any]) -> None:
    content = os.urandom(2 * MiB)
    path, failures, names = server.create(len(content)), [], set()

    def send() -> None:
        offset = 0
        while True:
            status, headers = server.patch(path, offset, content[offset : offset + 300_000])
            if status not in (204, 409, 423):
                failures.append(status)
                return
            if 'Upload-Filename' in headers:
                names.add(headers['Upload-Filename'])
                return
            offset = server.offset(path)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, len(names)) == ([], 1)
    assert read(settings, {'Upload-Filename': names.pop()}) == content


def test_of_two_who_send_something_else_at_once_one_is_refused(
    server: TusServer, settings: dict[str, Any], kind: str
) -> None:
    if kind == 'swift':
        pytest.skip('Swift lets two create one name.')
    for _ in range(5):
        path, statuses = server.create(3 * MiB), []
        contents = [bytes([number]) * 2 * MiB for number in range(2)]
        gate = threading.Barrier(2)

        def send(
            content: bytes, path: str = path, statuses: list[Any] = statuses, gate: threading.Barrier = gate
        ) -> None:
            gate.wait()
            statuses.append((server.patch(path, 0, content)[0], content))

        threads = [threading.Thread(target=send, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in statuses) == [204, 409]
        winner = next(content for status, content in statuses if status == 204)
        _, headers = server.patch(path, 2 * MiB, bytes(MiB))
        assert read(settings, headers) == winner + bytes(MiB)


def test_parts_of_any_size_become_one_file(server: TusServer, settings: dict[str, Any]) -> None:
    contents, paths = [os.urandom(size) for size in (6 * MiB, 5 * MiB + 1, 0, 3)], []
    for content in contents:
        how = {'Upload_Length': len(content), 'Upload_Concat': 'partial', 'Content_Type': BODY_TYPE}
        status, headers = server.request('POST', '/tus/files/', content, **how)
        assert (status, headers['Upload-Offset']) == (201, str(len(content)))
        paths.append(headers['Location'])
    final = {'Upload_Concat': f'final;{" ".join(paths)}', 'Upload_Metadata': 'filename YS5iaW4='}
    status, headers = server.request('POST', '/tus/files/', **final)
    assert status == 201
    assert read(settings, headers) == b''.join(contents)


def test_tuspy_sends_files(server: TusServer, settings: dict[str, Any], tmp_path: Path) -> None:
    client = pytest.importorskip('tusclient.client').TusClient(server.url)
    content = os.urandom(7 * MiB + 5)
    for how in ({}, {'upload_checksum': True}):
        uploader = client.uploader(
            file_stream=io.BytesIO(content), chunk_size=2 * MiB, metadata={'filename': 'ä.bin'}, **how
        )
        uploader.upload_chunk()
        # Another one goes on where this one has stopped.
        again = client.uploader(
            file_stream=io.BytesIO(content), chunk_size=3 * MiB, url=uploader.url, metadata={'filename': 'ä.bin'}, **how
        )
        assert again.offset == 2 * MiB
        again.upload()
        path = '/' + uploader.url.split('/', 3)[3]
        assert read(settings, _decoded(server.request('HEAD', path)[1])) == content


def _decoded(headers: Any) -> dict[str, str]:
    return {name: unquote(value) for name, value in headers.items()}
