"""The backend keeps every promise of the kit, on Azurite or on the account that the environment names."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


class TestAzure(NetworkConformance):
    @pytest.fixture
    def harness(self, harness: Any) -> Any:
        return harness
