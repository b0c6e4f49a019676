"""One server for all processes of a test run: the first that needs it starts it, and it ends with its last user."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from .base import Server
from .connection import Address, Connection
from .errors import ServerDied

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no fcntl
    fcntl = None  # type: ignore[assignment]

__all__ = ['alone', 'shared']

S = TypeVar('S')


@contextlib.contextmanager
def shared(server: Server[S], service_type: Callable[..., S], folder: Path) -> Generator[S]:
    """The service of *server*, or of the one that another process with the same *folder* has already started."""
    note = folder / f'{server.name}.json'
    with contextlib.ExitStack() as stack:
        with alone(note.with_suffix('.lock')):
            if (joined := _join(note)) is None:
                stack.enter_context(server)
                service = server.service
                _write(note, server)
            else:
                connection, known = joined
                stack.callback(connection.leave)
                if ended := connection.ended():
                    raise ServerDied(f'{server.name}, which another process of this run started: {"; ".join(ended)}.')
                service = service_type(**known['service'])
        yield service


@contextlib.contextmanager
def alone(path: Path) -> Generator[None]:
    """Wait until no other process is in such a block. Without file locks, each process can start its own server, which also works."""
    with path.open('w') as lock:
        if fcntl is not None:  # pragma: no branch - Windows has no fcntl
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(note: Path, server: Server[Any]) -> None:
    # The folder belongs to one run, and only its user can read it.
    note.write_text(
        json.dumps({'port': server.address.port, 'token': server.address.token, 'service': asdict(server.service)}),
        encoding='utf-8',
    )


def _join(note: Path) -> tuple[Connection, dict[str, Any]] | None:
    """A connection to the server in *note*, if there is a note and the server still has users."""
    try:
        known = json.loads(note.read_text(encoding='utf-8'))
        return Connection(Address(known['port'], known['token'])), known
    except (OSError, ValueError):
        return None
