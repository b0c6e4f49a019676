"""Errors of servers.

ServerError
├── ServerMissing    it is not installed, or cannot run on this system
├── ServerDied       it ended before it was ready
└── ServerNotReady   it did not respond in time
"""

from __future__ import annotations


class ServerError(Exception):
    """A server is not available."""


class ServerMissing(ServerError):
    """A server is not installed or cannot run here; the message says what to install or to change."""


class ServerDied(ServerError):
    """A server ended before it was ready; the message shows the end of its log."""


class ServerNotReady(ServerError):
    """A server runs but did not respond before its deadline; the message shows the end of its log."""
