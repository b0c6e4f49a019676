"""Backends that are each broken in one way, one module for each topic of the checks: what the kit has to catch."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from flask_fs.backends import BaseBackend

B = TypeVar('B', bound=type[BaseBackend])

#: Each broken backend, with a check that has to catch it.
CAUGHT_BY: list[tuple[type[BaseBackend], str]] = []


def caught_by(*checks: str) -> Callable[[B], B]:
    """Mark a broken backend as one that each of *checks* has to catch."""

    def mark(backend: B) -> B:
        CAUGHT_BY.extend((backend, check) for check in checks)
        return backend

    return mark


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_module.name}')
