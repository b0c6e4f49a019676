"""Test doubles for applications: backends that fail as planned, or record their calls."""

from __future__ import annotations

from .faulty import FaultyBackend, PlannedFailure
from .recording import Call, RecordingBackend
from .wrapper import HOOKS, BackendWrapper
from .wrapping import wrap

__all__ = ['HOOKS', 'BackendWrapper', 'Call', 'FaultyBackend', 'PlannedFailure', 'RecordingBackend', 'wrap']
