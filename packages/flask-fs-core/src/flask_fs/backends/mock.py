"""The backend that tests of older applications replace with their own test double."""

from __future__ import annotations

from .memory import MemoryBackend

__all__ = ['MockBackend']


class MockBackend(MemoryBackend):
    """A memory backend with the name ``mock``.

    Tests can patch this class: it is looked up each time an application is configured.
    """

    kind = 'mock'
