"""The backends of core pass the whole kit, each in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_fs.backends import BaseBackend
from flask_fs_testing import BackendConformance, Harness, LocalHarness, MemoryHarness


class TestLocal(BackendConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return LocalHarness(tmp_path)


class NamedDrafts(LocalHarness):
    """A file system without O_TMPFILE, as NFS is."""

    def make(self, **more: Any) -> BaseBackend:
        backend = super().make(**more)
        backend._disk.unnamed = False  # type: ignore[attr-defined]  # of LocalBackend
        return backend


class TestLocalWithoutUnnamedFiles(BackendConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return NamedDrafts(tmp_path)


class TestMemory(BackendConformance):
    @pytest.fixture
    def harness(self) -> Harness:
        return MemoryHarness()
