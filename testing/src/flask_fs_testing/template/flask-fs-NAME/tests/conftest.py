"""A backend for your own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_fs_NAME import NameBackend


@pytest.fixture
def backend(tmp_path: Path) -> NameBackend:
    """A new backend, on an empty store."""
    return NameBackend('reports', {'folder': tmp_path / 'store'})
