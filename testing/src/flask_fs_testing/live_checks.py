"""The class of checks that ``flask fs prove`` runs, on a harness that it provides."""

from __future__ import annotations

import pytest

from .conformance import NetworkConformance
from .deployment import LiveHarness


class TestDeployment(NetworkConformance):
    """Every guarantee that can be checked on a deployment."""

    @pytest.fixture
    def harness(self, live_harness: LiveHarness) -> LiveHarness:
        """A harness on a part of the deployment."""
        return live_harness
