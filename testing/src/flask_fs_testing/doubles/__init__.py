"""Doubles for the tests of applications: backends that fail when told, and that remember what was asked of them."""

from __future__ import annotations

from .faulty import FaultyBackend, PlannedFailure
from .recording import Call, RecordingBackend
from .wrapper import HOOKS, BackendWrapper
from .wrapping import wrap

__all__ = ['HOOKS', 'BackendWrapper', 'Call', 'FaultyBackend', 'PlannedFailure', 'RecordingBackend', 'wrap']
