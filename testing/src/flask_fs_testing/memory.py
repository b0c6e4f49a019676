"""All storages of an application in memory, for one test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest
from flask import Flask

from flask_fs.backends.memory import MemoryBackend
from flask_fs.bindings import Binding, state_of
from flask_fs.config import complete

from .doubles.wrapping import still_valid

#: The type of the fixture ``fs_memory``: moves the storages of an application to memory, and returns the application.
FSMemory = Callable[[Flask], Flask]


@pytest.fixture
def fs_memory() -> Generator[FSMemory]:
    """Moves every storage of an application to memory, empty, until the end of the test.

    ``fs_memory(app)`` returns *app*. See :func:`in_memory`.
    """
    with contextlib.ExitStack() as stack:

        def swap(app: Flask) -> Flask:
            return stack.enter_context(in_memory(app))

        yield swap


@contextlib.contextmanager
def in_memory(app: Flask) -> Generator[Flask]:
    """Keep the files of every storage of *app* in memory during a ``with`` block, without access to its real files.

    Each storage is empty at first and keeps its settings: types, limits, key prefix, URLs, serving. The same is true for
    storages that ``init_app`` adds in the block. After the block, each storage has its configured backend again, with its
    files unchanged.
    """
    state = state_of(app)
    memory, replace = InMemory(dict(state.bindings)), state.replace

    def swap(storage: Any, binding: Binding) -> Binding:
        memory[storage] = replace(storage, binding)
        return memory[storage]

    state.bindings.update(memory)
    state.replace = swap
    try:
        yield app
    finally:
        state.replace = replace
        state.bindings.update({storage: still_valid(binding) for storage, binding in memory.configured.items()})


class InMemory(dict[Any, Binding]):
    """The bindings of an application, each with a memory backend instead of its own.

    :param configured: The bindings with the configured backends; a binding that is added here is added there too.
    """

    def __init__(self, configured: dict[Any, Binding]) -> None:
        super().__init__()
        self.configured = configured
        for storage, binding in configured.items():
            self[storage] = binding

    def __setitem__(self, storage: Any, binding: Binding) -> None:
        self.configured[storage] = binding
        settings: Mapping[str, Any] = {**binding.config, 'backend': MemoryBackend.kind}
        config = complete(settings, binding.config.explicit_keys or ())
        backend = MemoryBackend(storage.name, config)
        super().__setitem__(storage, binding._replace(config=config).with_backend(backend, storage.name))
