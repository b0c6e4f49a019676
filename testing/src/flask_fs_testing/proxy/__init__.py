"""A proxy on loopback that does to a connection what networks and busy servers do, when a test plans it."""

from __future__ import annotations

from .faults import SLOW_DOWN, Fault
from .records import ProxiedConnection, ProxiedRequest
from .server import FaultProxy

__all__ = ['SLOW_DOWN', 'Fault', 'FaultProxy', 'ProxiedConnection', 'ProxiedRequest']
