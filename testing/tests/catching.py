"""Whether a check catches a broken backend."""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from http_harness import HTTPHarness, store
from http_store import HTTPBackend
from hypothesis import Phase

from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing import LocalHarness, MemoryHarness, NetworkConformance
from flask_fs_testing.checks import model
from flask_fs_testing.comparisons import brief_comparisons

#: What broken backends are made from, each with its harness.
HARNESSES: dict[Any, Any] = {LocalBackend: LocalHarness, MemoryBackend: MemoryHarness, HTTPBackend: HTTPHarness}

#: How many sequences of verbs are compared with the model, which ends at the first that fails: so many that none is missed.
SEQUENCES = 300


def harness_class_of(backend: Any) -> Any:
    """The harness of what *backend* is made from."""
    return next(harness for kind, harness in HARNESSES.items() if issubclass(backend, kind))


@contextlib.contextmanager
def harness_of(backend: Any, folder: Path, port: int, **more: Any) -> Any:
    """A harness for *backend*, with *more* attributes, on the HTTP store at *port* if it is one over HTTP."""
    base = harness_class_of(backend)
    made: Any = type(f'{backend.__name__}Harness', (base,), {'backend_class': backend, **more})
    if base is not HTTPHarness:
        yield made(folder)
    elif flags := getattr(backend, 'store_flags', ()):
        with store(*flags) as port:
            yield made(port)
    else:
        harness = made(port)
        # Forks of one process count buckets alike.
        harness.clear()
        yield harness


def catches(check: str, backend: Any, folder: Path, port: int, *, sequences: int | None = SEQUENCES) -> bool:
    """Whether *check* fails on *backend*, for whatever reason it gives.

    :param sequences: How many are compared with the model; None for as many as usual.
    """
    more = {} if sequences is None else {'sequences': sequences}
    # Collecting garbage is quick where it need not look at what there was before.
    gc.freeze()
    with (
        harness_of(backend, folder, port, **more) as harness,
        warnings.catch_warnings(),
        _same_sequences(),
        brief_comparisons(),
    ):
        # What a broken backend leaves open is its own fault.
        warnings.simplefilter('ignore')
        try:
            getattr(NetworkConformance(), check)(harness)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  # a check may fail in any way
            return True
        finally:
            gc.collect()
    return False


@contextlib.contextmanager
def _same_sequences() -> Iterator[None]:
    """Has each run compare the same sequences with the model: what is caught once is always caught."""
    # That a sequence fails is enough: none is made shorter.
    unshortened = mock.patch.object(model, 'PHASES', (Phase.generate,))
    with unshortened, mock.patch.dict(os.environ, {model.SEED_VARIABLE: '1'}):
        yield
