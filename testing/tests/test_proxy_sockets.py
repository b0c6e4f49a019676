"""The sockets of the proxy, watched by one thread."""

from __future__ import annotations

import selectors
import socket

from flask_fs_testing.proxy.sockets import BufferedSocket, Poller, Waker


def test_of_a_wire_nothing_is_received_until_it_is_wanted() -> None:
    waker = Waker()
    watch = Poller(waker)
    with (
        socket.create_server(('127.0.0.1', 0)) as listener,
        socket.create_connection(listener.getsockname()) as other,
        listener.accept()[0] as accepted,
    ):
        side = BufferedSocket(accepted)
        other.sendall(b'hello')
        for wanted in (0, selectors.EVENT_WRITE, 0):
            watch.wait({side: wanted}, 0.01)
            assert side.inbox == b''
        watch.wait({side: selectors.EVENT_READ}, 10)
        assert side.inbox == b'hello'
    watch.close()
    waker.close()
