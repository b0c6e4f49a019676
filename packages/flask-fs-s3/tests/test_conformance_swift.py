"""The conformance kit on Swift's own S3."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


# Several rivals win most races there, and by luck none of them may show it.
@pytest.mark.filterwarnings('ignore::flask_fs_testing.UndeclaredCapability')
class TestSwiftS3(NetworkConformance):
    @pytest.fixture
    def harness(self, swift: Any) -> Any:
        return swift
