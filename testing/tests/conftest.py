"""What several tests of the kit share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_harness import store
from score import pytest_terminal_summary

__all__ = ['pytest_terminal_summary']


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where servers make their folders, so that a test can see all of them."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setenv('TMPDIR', str(folder))
    monkeypatch.setattr('tempfile.tempdir', str(folder))
    return folder


@pytest.fixture(scope='session')
def http_store_port() -> Iterator[int]:
    """The port of a store over HTTP, in a process of its own."""
    with store() as port:
        yield port
