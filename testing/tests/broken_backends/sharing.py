"""Backends that are each broken in one way: threads, processes and streams."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_threads_share_a_backend')
class SharesOneTemporaryFile(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(self.root, '.fs-tmp-shared')
        with temporary.open('wb') as file:
            shutil.copyfileobj(stream, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)


@caught_by('test_threads_share_a_backend')
class RemembersTheNameOnItself(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        self._current = name
        content = b''.join(iter(lambda: stream.read(1 << 20), b''))
        time.sleep(0.001)
        return super()._put(self._current, Source(io.BytesIO(content)), **options)


@caught_by('test_one_storage_stays_apart_in_two_applications')
class RemembersOnItsClass(LocalBackend):
    """What is there, by names alone."""

    known: ClassVar[set[str]] = set()

    def write(self, filename: str, content: Any, overwrite: bool = True, **options: Any) -> Any:
        self.known.add(filename)
        return super().write(filename, content, overwrite, **options)

    def exists(self, filename: str) -> bool:
        return filename in self.known or super().exists(filename)


@caught_by('test_a_backend_works_on_both_sides_of_a_fork')
class WritesBehind(LocalBackend):
    """Keeps the last file in memory until the next one comes; a process that ends loses it."""

    last: tuple[str, bytes] | None = None

    def write(self, filename: str, content: Any, overwrite: bool = True, **options: Any) -> None:
        if self.last is not None:
            super().write(*self.last)
        self.last = (filename, content)

    def read(self, filename: str) -> bytes:
        return self.last[1] if self.last is not None and self.last[0] == filename else super().read(filename)


@caught_by('test_a_backend_works_on_both_sides_of_a_fork')
class WorksInOneProcess(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._process = os.getpid()

    def _refuse_others(self) -> None:
        if os.getpid() != self._process:
            raise self.error(fs.Unavailable, reason='the connection belongs to another process')

    def read(self, filename: str) -> bytes:
        self._refuse_others()
        return super().read(filename)


@caught_by('test_nothing_is_connected_to_before_it_is_needed')
class ConnectsAsItIsCreated(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        with socket.socket() as connection, contextlib.suppress(OSError):
            connection.connect(('127.0.0.1', 9))


@caught_by('test_nothing_is_connected_to_before_it_is_needed')
class ConnectsInTheBackground(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        thread = threading.Thread(target=self._connect)
        thread.start()
        thread.join()

    def _connect(self) -> None:
        with socket.socket() as connection, contextlib.suppress(OSError, AssertionError):
            connection.connect(('127.0.0.1', 9))


class ThroughATemporaryFile(LocalBackend):
    """Replaces files as a recipe says: write beside, then rename."""

    def _temporary(self, folder: str) -> str:
        raise NotImplementedError

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        folder, base = os.path.split(self._local_path(name))
        if create or not os.path.isdir(folder):
            super()._put(name, stream, create=create, **options)
            return
        temporary = self._temporary(folder)
        with open(temporary, 'wb') as file:
            shutil.copyfileobj(stream, file)
        os.replace(temporary, os.path.join(folder, base))


@caught_by('test_processes_that_store_at_once_keep_apart')
class NumbersItsTemporaryFiles(ThroughATemporaryFile):
    _numbers = itertools.count()

    def _temporary(self, folder: str) -> str:
        return os.path.join(folder, f'.fs-tmp-{next(self._numbers)}')


@caught_by('test_processes_that_store_at_once_keep_apart')
class NamesTemporaryFilesByTheThread(ThroughATemporaryFile):
    def _temporary(self, folder: str) -> str:
        return os.path.join(folder, f'.fs-tmp-{threading.get_ident()}')
