"""Many at once, and large files: on a real Swift."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import tracemalloc

import pytest

from flask_fs_testing.sources import Pattern

pytestmark = pytest.mark.slow

THREADS = 16
GREENLETS = 100
LARGE_BYTES = 96 * 1024 * 1024
MOST_GROWTH_BYTES = 32 * 1024 * 1024

#: Run by threads here, and by greenlets in a process of its own: mixed work on names of one's own and on a shared one.
WORK = """
def work(backend, number, turns):
    import io, random
    chance = random.Random(number)
    for turn in range(turns):
        size = chance.choice((0, 10, 5_000, 300_000))
        content = bytes([number % 256]) * size
        name = f'own/{number}/{turn}'
        backend.save(io.BytesIO(content), name, overwrite=True)
        assert backend.read(name) == content
        with backend.open(name, 'rb') as file:
            file.seek(size // 2)
            assert file.read() == content[size // 2:]
        assert backend.stat(name).size == size
        assert b''.join(backend.read_chunks('shared', 50_000)) == SHARED
        # Half-read, and left to the garbage collector.
        next(backend.read_chunks('shared', 50_000))
        assert name in set(backend.list_files(f'own/{number}/'))
        backend.copy(name, f'{name}.copy')
        backend.delete(f'{name}.copy')

SHARED = bytes(range(256)) * 2000
"""

GEVENT = (
    """
from gevent import monkey
monkey.patch_all()
import json, sys
import gevent, gevent.pool
from flask_fs_swift import SwiftBackend
"""
    + WORK
    + """
config, count = json.loads(sys.argv[1]), int(sys.argv[2])
backend = SwiftBackend('kit', {**config, 'pool_timeout_s': 120})
backend.write('shared', SHARED)
pool = gevent.pool.Pool(count)
greenlets = [pool.spawn(work, backend, number, 1) for number in range(count)]
gevent.joinall(greenlets, raise_error=True)
import gc; gc.collect()
print(backend._client.account.pool.in_use)
"""
)


def test_sixteen_threads_share_a_storage(swift_harness):
    backend = swift_harness.make(pool_timeout_s=120)
    scope: dict = {}
    exec(compile(WORK, 'work', 'exec'), scope)
    backend.write('shared', scope['SHARED'])
    errors = []

    def run(number: int) -> None:
        try:
            scope['work'](backend, number, 3)
        except BaseException as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert backend._client.account.pool.in_use == 0


def test_a_hundred_greenlets_share_a_storage(swift_harness):
    pytest.importorskip('gevent')
    command = [sys.executable, '-W', 'error', '-c', GEVENT, json.dumps(dict(swift_harness.settings()))]
    done = subprocess.run([*command, str(GREENLETS)], capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert int(done.stdout) == 0


def peak_of(action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize('segment_bytes', [LARGE_BYTES, 40_000_000])
def test_a_large_file_goes_up_and_down_in_bounded_memory(swift_harness, segment_bytes):
    backend = swift_harness.make(segment_bytes=segment_bytes)
    source = Pattern(LARGE_BYTES)
    digest = hashlib.sha256()

    def read() -> None:
        for chunk in backend.read_chunks('x'):
            digest.update(chunk)

    peaks = [peak_of(lambda: backend.save(source, 'x', overwrite=True)), peak_of(read)]
    assert source.digest.hexdigest() == digest.hexdigest()
    assert backend.stat('x').checksum == f'sha256:{digest.hexdigest()}'
    assert max(peaks) < MOST_GROWTH_BYTES


RSS = """
import json, resource, sys, tempfile
from flask_fs_swift import SwiftBackend
from flask_fs_testing.sources import Pattern

backend = SwiftBackend('kit', json.loads(sys.argv[1]))
backend.save(Pattern(1_000_000), 'warm', overwrite=True)
len(backend.read('warm'))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
backend.save(Pattern(int(sys.argv[2])), 'x', overwrite=True)
for chunk in backend.read_chunks('x'):
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != 'linux', reason='ru_maxrss counts in other units')
def test_the_process_grows_little_with_a_large_file(swift_harness):
    given = json.dumps({**swift_harness.settings(), 'segment_bytes': LARGE_BYTES})
    command = [sys.executable, '-c', RSS, given, str(LARGE_BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert int(done.stdout) < MOST_GROWTH_BYTES
