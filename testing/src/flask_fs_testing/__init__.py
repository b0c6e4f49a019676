"""The conformance kit, with which anyone can prove a Flask-FS backend, and doubles for the tests of applications."""

from __future__ import annotations

import pytest

# The checks are read by pytest's assertion rewriting, so that a failure shows what was expected and what was seen.
pytest.register_assert_rewrite('flask_fs_testing.checks')

from .conformance import BackendConformance, NetworkConformance  # noqa: E402  # after the line above
from .guarantees import UndeclaredCapability  # noqa: E402
from .harness import Harness, LocalHarness, MemoryHarness, NetworkHarness  # noqa: E402

__all__ = [
    'BackendConformance',
    'Harness',
    'LocalHarness',
    'MemoryHarness',
    'NetworkConformance',
    'NetworkHarness',
    'UndeclaredCapability',
]
