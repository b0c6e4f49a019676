"""The class of checks that ``flask fs prove`` runs, on a harness that it gives pytest."""

from __future__ import annotations

import pytest

from .conformance import NetworkConformance
from .deployment import LiveHarness


class TestDeployment(NetworkConformance):
    """Every guarantee, as far as a deployment shows it."""

    @pytest.fixture
    def harness(self, live_harness: LiveHarness) -> LiveHarness:
        """A part of the deployment."""
        return live_harness
