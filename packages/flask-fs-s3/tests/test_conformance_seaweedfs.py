"""The conformance kit on a real SeaweedFS."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


class TestSeaweedFS(NetworkConformance):
    @pytest.fixture
    def harness(self, seaweed: Any) -> Any:
        return seaweed
