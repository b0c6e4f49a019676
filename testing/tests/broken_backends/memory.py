"""Backends that are each broken in one way: memory."""

from __future__ import annotations

import io
from typing import Any

from flask_fs.backends import Opened, Source
from flask_fs.backends.local import LocalBackend

from . import caught_by


@caught_by('test_a_large_file_goes_in_and_out_in_bounded_memory')
class ReadsEverythingIntoMemory(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(b''.join(iter(lambda: stream.read(1 << 20), b'')))), **options)


@caught_by('test_a_large_file_goes_in_and_out_in_bounded_memory')
class ReadsWholeFiles(LocalBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        with stream:
            return Opened(info, io.BytesIO(stream.read()))


@caught_by('test_a_large_file_goes_in_and_out_in_bounded_memory')
class CopiesThroughMemory(LocalBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self._put(target, Source(io.BytesIO(self.read(name))), create=create)
