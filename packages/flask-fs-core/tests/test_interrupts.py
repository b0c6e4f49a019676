"""Interrupts, such as KeyboardInterrupt, strike a local backend between two of its calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flask_fs.backends import filesystem, local
from flask_fs.backends.local import LocalBackend


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def open_files() -> int:
    return len(os.listdir('/proc/self/fd'))


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    backend = LocalBackend('files', {'root': str(tmp_path)})
    backend.write('a', b'1')
    return backend


needs_proc = pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='open files are counted in /proc')


@needs_proc
@pytest.mark.parametrize('content', [b'short', bytes(3_000_000)], ids=len)
def test_one_while_it_looks_at_the_file_system_leaves_no_file_and_is_made_up_for(
    tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend('files', {'root': str(tmp_path)})
    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(filesystem, 'type_of', interrupt)
        with pytest.raises(KeyboardInterrupt):
            backend.write('a', content)
    assert list(tmp_path.iterdir()) == []
    assert open_files() == before
    # As on a network, where errors may be reported by close() alone.
    monkeypatch.setattr(filesystem, 'type_of', lambda _: 'nfs')
    backend.write('a', content)
    assert not backend._filesystem.unnamed


@needs_proc
def test_one_before_the_stream_has_the_file_leaves_it_closed(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    monkeypatch.setattr(local, 'TranslatingFile', interrupt)
    with pytest.raises(KeyboardInterrupt):
        backend.read_chunks('a')
    assert open_files() == before


@needs_proc
def test_one_while_it_sets_the_mode_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend('files', {'root': str(tmp_path), 'file_mode': '640'})
    before = open_files()
    monkeypatch.setattr(os, 'fchmod', interrupt)
    with pytest.raises(KeyboardInterrupt):
        backend.write('a', b'1')
    assert list(tmp_path.iterdir()) == []
    assert open_files() == before
