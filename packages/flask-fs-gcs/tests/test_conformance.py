"""The conformance kit on fake-gcs-server."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


class TestFakeGCS(NetworkConformance):
    @pytest.fixture
    def harness(self, emulator: Any) -> Any:
        return emulator
