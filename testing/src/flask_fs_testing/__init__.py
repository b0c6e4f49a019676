"""The conformance kit, with which anyone can check a Flask-FS backend, and test doubles for applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .guarantees import UndeclaredCapability
from .harness import Harness, LocalHarness, MemoryHarness, NetworkHarness

if TYPE_CHECKING:
    from .conformance import BackendConformance, NetworkConformance

__all__ = [
    'BackendConformance',
    'Harness',
    'LocalHarness',
    'MemoryHarness',
    'NetworkConformance',
    'NetworkHarness',
    'UndeclaredCapability',
]


def __getattr__(name: str) -> Any:
    # Imported late: `flask fs prove` imports this package before it starts pytest, which rewrites the assertions of the checks.
    if name in ('BackendConformance', 'NetworkConformance'):
        from . import conformance

        return getattr(conformance, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
