"""Whenever a process is killed, documents and files agree again after ``gc``, if there is a journal.

The test kills a few processes, at boundaries that their seeds choose. See ``killing`` in the tests of the kit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from killing.combinations import settings
from killing.nursery import nursery
from killing.trial import Series

from flask_fs_testing.servers import MongoService

KILLS = 8


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'fork') or sys.platform == 'darwin', reason='forks processes and reads /proc')
@pytest.mark.parametrize('store', ['local', 'gridfs'])
def test_after_a_kill_gc_makes_documents_and_files_agree(
    store: str, mongo_service: MongoService, fresh_name: str, tmp_path: Path
) -> None:
    pytest.importorskip('sqlalchemy')
    from killing.documents import World

    config = {
        'database': f'{mongo_service.url}/{fresh_name}',
        'settings': settings(store, mongo_service if store == 'gridfs' else None, tmp_path),
    }
    world = World(config)
    try:
        with nursery('documents') as nursed:
            series = Series(nursed, world, mean=100)
            killed = [series.kill(seed) for seed in range(1, KILLS + 1)]
    finally:
        world.close()
    assert [each for each in killed if each.wrong] == []
