"""The program that :mod:`.fresh_process` runs on gevent, without the kit, and only after the standard library was patched."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

GREENLETS = 6
TURNS = 2
#: The time after which it counts as stuck.
TIMEOUT_S = 60


class Yielding:
    """A source that lets other greenlets run before each piece, as one on a socket does."""

    def __init__(self, content: bytes, let_others_go_on: Callable[[float], None]) -> None:
        self._content = content
        self._let_others_go_on = let_others_go_on

    def read(self, size: int = -1) -> bytes:
        self._let_others_go_on(0)
        piece, self._content = self._content[:50_000], self._content[50_000:]
        return piece


def work(backend: Any) -> list[str]:
    """The faults after several greenlets have used *backend* concurrently; the last one is killed while it stores a file."""
    # Not a dependency of the kit, which works without it.
    gevent: Any = importlib.import_module('gevent')
    wrong: list[str] = []

    def use(number: int) -> None:
        for turn in range(TURNS):
            name, content = f'g{number}/{turn}', bytes([number]) * 200_000
            backend.save(Yielding(content, gevent.sleep), name, overwrite=False)
            if backend.read(name) != content:
                wrong.append(f'{name} has the content of another file')
            if name not in set(backend.list_files(f'g{number}/')):
                wrong.append(f'{name} is not listed')
            if b''.join(backend.read_chunks(name, 70_000)) != content or backend.stat(name).size != 200_000:
                wrong.append(f'{name} is incomplete')
        backend.delete(f'g{number}')

    with gevent.Timeout(TIMEOUT_S):
        greenlets = [gevent.spawn(use, number) for number in range(GREENLETS)]
        killed = gevent.spawn(backend.save, Yielding(bytes(10_000_000), gevent.sleep), 'killed')
        # It has started when this one continues.
        gevent.sleep(0)
        gevent.sleep(0)
        killed.kill()
        gevent.joinall(greenlets, raise_error=True)
    return wrong + [f'{name} is left' for name in backend.list_files()]
