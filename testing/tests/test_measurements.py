"""What checks note for the report."""

from __future__ import annotations

from pathlib import Path

from flask_fs.backends import CHUNK_BYTES
from flask_fs_testing import LocalHarness
from flask_fs_testing.measurements import record, recorded, sizes_of


def test_measurements_are_kept_by_harness_and_kind(tmp_path: Path) -> None:
    harness, other = LocalHarness(tmp_path), LocalHarness(tmp_path)
    record(harness, 'requests', read=1)
    record(harness, 'requests', write=2)
    for moved in (7, 10, 8):
        record(harness, 'moved', read=moved)
    assert recorded(harness) == {'requests': {'read': 1, 'write': 2}, 'moved': {'read': 10}}
    assert recorded(other) == {}


def test_sizes_lie_around_the_borders_of_the_parts(tmp_path: Path) -> None:
    harness = type('Split', (LocalHarness,), {'part_sizes': (1000, 3000)})(tmp_path)
    assert sizes_of(harness) == {'small': 10, 'border': 3000, 'parts': 4005}
    assert recorded(harness) == {'sizes': {'small': 10, 'border': 3000, 'parts': 4005}}
    assert sizes_of(LocalHarness(tmp_path)) == {'small': 10, 'border': CHUNK_BYTES, 'parts': 2 * CHUNK_BYTES + 5}
    assert sizes_of(LocalHarness(tmp_path), min_bytes=1 << 24)['parts'] == 1 << 24
