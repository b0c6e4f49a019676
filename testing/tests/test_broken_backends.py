"""The kit bites: each broken backend fails the checks that it should, and each check catches several."""

from __future__ import annotations

import collections
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken_backends import CAUGHT_BY
from catching import catches

from flask_fs.backends import Capability
from flask_fs.backends.memory import MemoryBackend
from flask_fs_testing import Harness, LocalHarness, MemoryHarness, NetworkConformance
from flask_fs_testing.guarantees import DOCS, UndeclaredCapability, checks_of, documented_at, guarantee_of

# Each Python runs the same checks on backends that work.
pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
GUARANTEES = checks_of(NetworkConformance)
RACES = [(backend, check) for backend, check in CAUGHT_BY if GUARANTEES[check].race or 'threads' in check]


@pytest.mark.parametrize(('backend', 'check'), CAUGHT_BY, ids=lambda value: getattr(value, '__name__', value))
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_a_broken_backend_is_caught(
    backend: Any, check: str, tmp_path: Path, http_store_port: int, record_property: Callable[[str, object], None]
) -> None:
    # For the score at the end of the run: see conftest.py.
    record_property('broken-backend', [backend.__name__, check])
    assert catches(check, backend, tmp_path, http_store_port)


def test_every_check_catches_several_broken_backends() -> None:
    checks = {name for name, function in inspect.getmembers(NetworkConformance) if guarantee_of(function)}
    assert checks == {name for name in dir(NetworkConformance) if name.startswith('test_')}
    caught = collections.Counter(check for _, check in set(CAUGHT_BY))
    assert set(caught) <= checks
    assert {check: caught[check] for check in checks if caught[check] < 2} == {}


def test_no_two_broken_backends_share_a_name() -> None:
    """The score, and the outcomes that `mutants` records, identify them by name."""
    names = collections.Counter(backend.__name__ for backend in dict(CAUGHT_BY))
    assert [name for name, count in names.items() if count > 1] == []


def test_every_check_says_what_it_promises_where_that_is_written_and_what_breaks_it() -> None:
    assert [check for check, guarantee in GUARANTEES.items() if not guarantee.text.endswith('.')] == []
    assert [check for check, guarantee in GUARANTEES.items() if not guarantee.cause.endswith(('.', '?'))] == []
    for url in {url for guarantee in GUARANTEES.values() for _, url in documented_at(guarantee.contract)}:
        page, _, heading = url.removeprefix(DOCS).partition('#')
        lines = Path(ROOT, 'docs', page).read_text(encoding='utf-8').splitlines()
        # As GitHub does.
        anchors = {
            re.sub(r'[^\w -]', '', line.lstrip('# ').lower()).replace(' ', '-') for line in lines if line[:1] == '#'
        }
        assert not heading or heading in anchors


@pytest.mark.parametrize(
    ('capability', 'check'),
    [
        (Capability.NESTED_NAMES, 'test_a_file_and_a_folder_of_one_name'),
        (Capability.RANGE, 'test_a_range_moves_only_its_bytes'),
        (Capability.SERVER_COPY, 'test_copies_and_moves_stay_inside_the_store'),
    ],
    ids=str,
)
def test_what_works_undeclared_is_a_warning(capability: Capability, check: str, tmp_path: Path) -> None:
    modest = type('Modest', (MemoryBackend,), {'capabilities': MemoryBackend.capabilities & ~capability})
    harness: Any = type('ModestHarness', (MemoryHarness,), {'backend_class': modest})
    with pytest.warns(UndeclaredCapability, match=f'Modest could declare {capability.name}'):
        getattr(NetworkConformance(), check)(harness(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(('backend', 'check'), RACES, ids=lambda value: getattr(value, '__name__', value))
def test_a_race_is_caught_in_twenty_of_twenty_runs(
    backend: Any, check: str, tmp_path: Path, http_store_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tenth of the usual number.
    monkeypatch.setattr(Harness, 'race_rounds', 6)
    assert [catches(check, backend, tmp_path / str(number), http_store_port) for number in range(20)] == [True] * 20


def test_a_promise_that_no_race_shows_is_none(tmp_path: Path) -> None:
    harness = type('WithoutRaces', (LocalHarness,), {'race_rounds': 0})(tmp_path)
    with pytest.raises(pytest.fail.Exception, match='nothing proves it'):
        NetworkConformance().test_of_many_threads_one_creates_a_name(harness)
