"""The store that broken backends share: what one of them leaves open delays no other."""

from __future__ import annotations

import socket
import time

from http_harness import TOKEN, HTTPHarness
from http_store import TIMEOUT_S

from flask_fs_testing.concurrency import Background


def test_idle_connections_do_not_delay_a_look_behind_the_scenes(http_store_port: int) -> None:
    harness = HTTPHarness(http_store_port)
    with socket.create_connection((harness.host, harness.port)):
        begun = time.monotonic()
        assert harness.names_raw() == []
        assert time.monotonic() - begun < TIMEOUT_S / 2


def test_a_look_behind_the_scenes_waits_for_requests_in_progress(http_store_port: int) -> None:
    harness = HTTPHarness(http_store_port)
    head = f'PUT /{harness.bucket}/x HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 7\r\n\r\n'
    with socket.create_connection((harness.host, harness.port)) as connection:
        connection.sendall(f'{head}con'.encode())
        names = Background(harness.names_raw)
        names.wait(0.2)
        connection.sendall(b'tent')
        assert names.result() == ['x']
