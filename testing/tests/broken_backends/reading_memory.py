"""Backends that are each broken in one way: memory that reading takes."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from flask import Response

from flask_fs.backends import Opened, Source
from flask_fs.backends.local import LocalBackend

from . import caught_by


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class OpensACopyInMemory(LocalBackend):
    """Of a stream that cannot seek, a file in memory can."""

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        return io.BytesIO(self.read(filename)) if mode == 'rb' else super().open(filename, mode, **kwargs)


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class ServesOneString(LocalBackend):
    """As the first response in a tutorial is made."""

    def serve(self, filename: str) -> Any:
        return Response(self.read(filename), mimetype=self.stat(filename).mime)


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class LendsWhatItHasRead(LocalBackend):
    @contextlib.contextmanager
    def local_file(self, filename: str) -> Iterator[str]:
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(self.read(filename))
            copy.flush()
            yield copy.name


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class HoldsTheRestOfAFile(LocalBackend):
    """Ranges are short, its author thought."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        opened = super()._open(name, start, stop, etag=etag)
        if not start:
            return opened
        with opened.stream as stream:
            return Opened(opened.info, io.BytesIO(stream.read()))


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class HoldsWhatItCreates(LocalBackend):
    """Creating takes one request, and so a body that can be sent again."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        body = Source(io.BytesIO(stream.read())) if create else stream
        super()._put(name, body, create=create, **options)


@caught_by('test_a_large_file_is_opened_served_and_lent_in_bounded_memory')
class OpensTextAsAString(LocalBackend):
    def open(self, filename: str, mode: str = 'r', *, encoding: str | None = None, **options: Any) -> IO[Any]:
        if 'b' in mode or mode[:1] != 'r':
            return super().open(filename, mode, encoding=encoding, **options)
        return io.StringIO(self.read(filename).decode(encoding or 'utf-8'), options.get('newline'))
