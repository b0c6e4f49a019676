"""A backend for the tests of your own."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_fs_NAME import NameBackend


@pytest.fixture
def backend(tmp_path: Path) -> NameBackend:
    """A fresh one."""
    return NameBackend('reports', {'folder': tmp_path / 'store'})
