"""64 MiB up and down in a process of its own, whose memory hardly grows."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from pymongo.database import Database

from flask_fs_testing.servers import MongoService

pytestmark = pytest.mark.slow

SIZE = 64 * 1024 * 1024
CEILING = 32 * 1024 * 1024
TIMEOUT_S = 110

PROGRAM = """
import hashlib, resource, sys
from flask_fs_gridfs import GridFSBackend
from flask_fs_testing.sources import Pattern

url, database, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
backend = GridFSBackend('docs', {'mongo_url': url, 'mongo_db': database})

def most():
    # In KiB, but on macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)

backend.write('small', bytes(1000))
backend.read('small')
before = most()
source = Pattern(size)
backend.save(source, 'large', overwrite=True)
after_storing = most()
digest = hashlib.sha256()
for chunk in backend.read_chunks('large'):
    digest.update(chunk)
after_reading = most()
assert source.digest.hexdigest() == digest.hexdigest()
assert f'sha256:{digest.hexdigest()}' == backend.stat('large').checksum
print(after_storing - before, after_reading - before)
"""


@pytest.mark.timeout(TIMEOUT_S + 10)
def test_a_large_file_goes_up_and_down_in_bounded_memory(mongo_service: MongoService, database: Database) -> None:  # type: ignore[type-arg]  # of any documents
    command = [sys.executable, '-c', textwrap.dedent(PROGRAM), mongo_service.url, database.name, str(SIZE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.stderr == ''
    storing, reading = map(int, done.stdout.split())
    assert storing < CEILING
    assert reading < CEILING
