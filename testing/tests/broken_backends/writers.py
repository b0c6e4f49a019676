"""Backends that are each broken in one way: files open for writing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, cast

from flask_fs.backends import Source
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import Mode
from flask_fs.backends.writers import FileWriter

from . import caught_by


class Opening(MemoryBackend):
    """Right itself: files open for writing are those of ``writer``."""

    writer: Callable[[Callable[[IO[bytes]], Any]], Any] = FileWriter

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        how, key = Mode(mode), self._key(filename)
        if how.reads:
            return super().open(filename, mode, **kwargs)
        writer = type(self).writer(lambda stream: self._put(key, Source(stream), create=how.creates))
        # As io gives files in text mode, whose finalizer closes them.
        return cast('IO[Any]', io.TextIOWrapper(writer, 'utf-8') if how.text else writer)


@caught_by('test_a_writer_that_is_dropped_stores_nothing')
class StoresTextThatIsDropped(Opening):
    """The finalizer of what is around the writer closes it."""


class ClosedByItsFinalizer(FileWriter):
    def __del__(self) -> None:
        self.close()


@caught_by('test_a_writer_that_is_dropped_stores_nothing')
class StoresWhatIsDropped(Opening):
    writer = ClosedByItsFinalizer


class KeepingPieces(FileWriter):
    def __init__(self, put: Callable[[IO[bytes]], Any]) -> None:
        super().__init__(put)
        self._pieces: list[Any] = []

    def write(self, data: Any, /) -> int:
        self._pieces.append(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().write(b''.join(self._pieces))
            super().close()


@caught_by('test_a_writer_stores_once_what_was_written')
class KeepsThePiecesOfTheCaller(Opening):
    writer = KeepingPieces


class StoringAtFlush(FileWriter):
    def flush(self) -> None:
        if not self.closed:
            self._spool.seek(0)
            self._put(cast('IO[bytes]', self._spool))


@caught_by('test_a_writer_stores_once_what_was_written')
class PublishesAtFlush(Opening):
    writer = StoringAtFlush


class StoringAtEachClose(io.BytesIO):
    def __init__(self, put: Callable[[IO[bytes]], Any]) -> None:
        super().__init__()
        self._put = put
        self._content = b''

    def close(self) -> None:
        self._content = self._content if self.closed else self.getvalue()
        super().close()
        self._put(io.BytesIO(self._content))

    def __del__(self) -> None:
        """Nothing."""


@caught_by('test_a_writer_stores_once_what_was_written')
class StoresAtEachClose(Opening):
    writer = StoringAtEachClose
