"""The conformance kit on Swift's own S3."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


class TestSwiftS3(NetworkConformance):
    @pytest.fixture
    def harness(self, swift: Any) -> Any:
        return swift
