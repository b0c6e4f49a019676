"""Fixture: a small workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from members import IMPORT_PACKAGES, ROOT, members


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the real members' pyproject.toml and LICENSE files, with empty packages."""
    shutil.copy(ROOT / 'LICENSE', tmp_path)
    for member in members():
        folder = tmp_path / member.folder.relative_to(ROOT)
        folder.mkdir(parents=True)
        shutil.copy(member.file, folder)
        shutil.copy(ROOT / 'LICENSE', folder)
        package = IMPORT_PACKAGES[member.name]
        if package:
            (folder / 'src' / package).mkdir(parents=True)
            (folder / 'src' / package / '__init__.py').touch()
            (folder / 'src' / package / 'py.typed').touch()
    return tmp_path
