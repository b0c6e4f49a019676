"""The backend that the tests of older applications replace with a double of their own."""

from __future__ import annotations

from .memory import MemoryBackend

__all__ = ['MockBackend']


class MockBackend(MemoryBackend):
    """A memory backend under the name ``mock``.

    Tests may patch this class: it is looked up each time an application is configured.
    """

    kind = 'mock'
