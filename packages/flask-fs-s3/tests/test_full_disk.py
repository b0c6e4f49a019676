"""Large files that must not overwrite pass through a temporary file, for which there may be no room."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

import flask_fs as fs

MiB = 1024 * 1024


class Stream:
    """So many bytes, which cannot be read twice."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = min(self._left, size if size >= 0 else self._left)
        self._left -= size
        return bytes(size)


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Full(io.BytesIO):
    write = full


class FullAtTheEnd(io.BytesIO):
    flush = full


@pytest.mark.slow
@pytest.mark.parametrize('make', [full, Full, FullAtTheEnd])
@pytest.mark.parametrize(
    'act',
    [
        lambda backend: backend.save(Stream(6 * MiB), 'new', overwrite=False),
        lambda backend: backend.copy('large', 'new', overwrite=False),
    ],
    ids=['save', 'copy'],
)
def test_a_full_disk_is_an_error_that_names_it_and_leaves_nothing(
    store: Any, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any], act: Callable[[Any], None]
) -> None:
    backend = store.make()
    store.put_raw('large', bytes(6 * MiB))
    monkeypatch.setattr(tempfile, 'TemporaryFile', make)
    with pytest.raises(fs.BackendError, match=r'temporary file .* cannot be written: No space left') as caught:
        act(backend)
    assert isinstance(caught.value.__cause__, OSError)
    assert store.names_raw() == ['large']
