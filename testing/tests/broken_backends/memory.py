"""Backends that are each broken in one way: memory."""

from __future__ import annotations

import io
from typing import Any

from flask_fs.backends import Source
from flask_fs.backends.local import LocalBackend

from . import caught_by


@caught_by('test_a_large_file_goes_in_and_out_in_bounded_memory')
class ReadsEverythingIntoMemory(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(b''.join(iter(lambda: stream.read(1 << 20), b'')))), **options)
