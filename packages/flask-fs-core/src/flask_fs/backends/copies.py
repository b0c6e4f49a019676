"""Temporary copies of files, for programs that need a path."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from typing import IO

from ..files import extension
from .contract import CHUNK_BYTES

_MAX_EXTENSION_BYTES = 100


@contextlib.contextmanager
def temporary_copy(stream: IO[bytes], filename: str) -> Generator[str]:
    """The path of a temporary copy of *stream*, which is closed. The copy is removed after the ``with`` block.

    :param filename: The copy gets the same extension, which programs might check.
    """
    ext = extension(filename)
    # An extension that is too long for the file system is left out: no program uses it.
    suffix = f'.{ext}' if 0 < len(ext.encode()) <= _MAX_EXTENSION_BYTES else ''
    with stream:
        number, path = tempfile.mkstemp(suffix=suffix)
        try:
            with open(number, 'wb') as copy:
                shutil.copyfileobj(stream, copy, CHUNK_BYTES)
            yield path
        finally:
            os.unlink(path)
