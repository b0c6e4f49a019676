"""The conformance kit on moto inside this process, where the backend takes it for Amazon."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing import BackendConformance

pytestmark = pytest.mark.slow


class TestMotoInProcess(BackendConformance):
    @pytest.fixture
    def harness(self, in_process: Any) -> Any:
        return in_process
