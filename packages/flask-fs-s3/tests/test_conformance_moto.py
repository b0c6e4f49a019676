"""The conformance kit on moto."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import NetworkConformance

pytestmark = pytest.mark.slow


class TestMoto(NetworkConformance):
    @pytest.fixture
    def harness(self, moto: Any) -> Any:
        return moto
