"""What several tests of the kit share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where servers make their folders, so that a test can see all of them."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setenv('TMPDIR', str(folder))
    monkeypatch.setattr('tempfile.tempdir', str(folder))
    return folder
