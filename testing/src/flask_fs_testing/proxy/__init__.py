"""A proxy on loopback that injects the faults of networks and busy servers, when a test plans them."""

from __future__ import annotations

from .faults import SLOW_DOWN, Fault
from .records import ProxiedConnection, ProxiedRequest
from .server import FaultProxy

__all__ = ['SLOW_DOWN', 'Fault', 'FaultProxy', 'ProxiedConnection', 'ProxiedRequest']
