"""The backend keeps every promise of the kit, on a real Swift."""

from __future__ import annotations

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


# Several rivals win most races there, and by luck none of them may show it.
@pytest.mark.filterwarnings('ignore::flask_fs_testing.UndeclaredCapability')
class TestSwift(NetworkConformance):
    """With the fixture ``harness`` of conftest.py."""

    @pytest.fixture
    def harness(self, swift_harness, monkeypatch):  # type: ignore[no-untyped-def]  # that of conftest.py
        # Before the second attempt.
        monkeypatch.setattr('flask_fs_swift.client.FIRST_DELAY_S', 0.01)
        return swift_harness
