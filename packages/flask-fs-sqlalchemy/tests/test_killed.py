"""Whenever a process is killed, rows and files agree again after ``gc``: no orphan, no missing file, no wrong content.

Each test kills a few processes, at boundaries that their seeds choose; ``hatch run kills`` kills a thousand.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killing.combinations import settings
from killing.nursery import Nursery, nursery
from killing.trial import Series

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, 'fork') or sys.platform == 'darwin', reason='forks processes and reads /proc'),
]

server = pytest.mark.server
KILLS = 5


@pytest.fixture(scope='module')
def nursed() -> Iterator[Nursery]:
    for module in ('boto3', 'gridfs', 'psycopg', 'pymysql'):
        pytest.importorskip(module)
    with nursery('rows') as each:
        yield each


@pytest.fixture(
    params=['sqlite', 'sqlite-two', pytest.param('postgres', marks=server), pytest.param('mariadb', marks=server)]
)
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str | None]:
    """The URL of an empty database, and that of another one for its journal, if it is not there."""
    if request.param.startswith('sqlite'):
        return (
            f'sqlite:///{tmp_path}/rows.db',
            f'sqlite:///{tmp_path}/journal.db' if request.param != 'sqlite' else None,
        )
    return request.getfixturevalue(f'{request.param}_url'), None


@pytest.fixture(params=['local', pytest.param('s3', marks=server), pytest.param('gridfs', marks=server)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings of an application whose files are in one kind of store."""
    services = {'local': None, 's3': 's3_service', 'gridfs': 'mongo_service'}
    service = services[request.param]
    return settings(request.param, service and request.getfixturevalue(service), tmp_path)


def test_after_a_kill_gc_makes_rows_and_files_agree(
    nursed: Nursery, databases: tuple[str, str | None], store: dict[str, Any]
) -> None:
    from killing.rows import World

    url, journal = databases
    world = World({'database': url, 'journal': journal, 'settings': store})
    try:
        series = Series(nursed, world)
        killed = [series.kill(seed) for seed in range(1, KILLS + 1)]
    finally:
        world.close()
    assert [each for each in killed if each.wrong] == []


def test_after_a_kill_a_unit_of_work_without_a_journal_leaves_only_files_that_a_scan_finds(tmp_path: Path) -> None:
    from killing.notes import World

    config = {'database': f'sqlite:///{tmp_path}/rows.db', 'settings': settings('local', None, tmp_path)}
    world = World(config)
    try:
        with nursery('notes') as nursed:
            series = Series(nursed, world, mean=60)
            killed = [series.kill(seed) for seed in range(1, KILLS + 1)]
    finally:
        world.close()
    assert [each for each in killed if each.wrong] == []
