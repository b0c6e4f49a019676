"""What several tests of the kit share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_harness import store
from score import pytest_terminal_summary

__all__ = ['pytest_terminal_summary']


@pytest.fixture
def temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers make their folders, so that a test can see all of them."""
    # Not in a folder of pytest, which only its user may enter: some servers run as another.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        monkeypatch.setenv('TMPDIR', folder)
        monkeypatch.setattr('tempfile.tempdir', folder)
        yield Path(folder)


@pytest.fixture(scope='session')
def http_store_port() -> Iterator[int]:
    """The port of a store over HTTP, in a process of its own."""
    with store() as port:
        yield port
