"""Backends that are each broken in one way: memory that reading takes."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from flask import Response

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
