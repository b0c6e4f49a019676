"""The conformance kit: anyone can prove a Flask-FS backend, theirs or ours."""

from __future__ import annotations

import pytest

# The checks are read by pytest's assertion rewriting, so that a failure shows what was expected and what was seen.
pytest.register_assert_rewrite('flask_fs_testing.checks')

from .conformance import BackendConformance  # noqa: E402  # after the line above
from .guarantees import UndeclaredCapability  # noqa: E402
from .harness import Harness  # noqa: E402
from .harnesses import LocalHarness, MemoryHarness  # noqa: E402
from .network import NetworkConformance, NetworkHarness  # noqa: E402

__all__ = [
    'BackendConformance',
    'Harness',
    'LocalHarness',
    'MemoryHarness',
    'NetworkConformance',
    'NetworkHarness',
    'UndeclaredCapability',
]
