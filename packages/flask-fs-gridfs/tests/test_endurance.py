"""Mixed work through one storage: by threads, and by greenlets. No error, no leak, every byte right."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pymongo.database import Database

from flask_fs_testing.servers import MongoService

pytestmark = pytest.mark.slow

TIMEOUT_S = 100

PROGRAM = """
import sys
kind, url, database, turns, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if kind == 'gevent':
    from gevent import monkey
    monkey.patch_all()
import gc, hashlib, io, os, random, threading, warnings
warnings.simplefilter('error')
from pymongo import monitoring
import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

class Pool(monitoring.ConnectionPoolListener):
    # Connections that are open, and those in use now.
    opened = used = most = 0
    def connection_created(self, event): Pool.opened += 1
    def connection_closed(self, event): Pool.opened -= 1
    def connection_checked_out(self, event):
        Pool.used += 1
        Pool.most = max(Pool.most, Pool.used)
    def connection_checked_in(self, event): Pool.used -= 1
    def pool_created(self, event): pass
    def pool_ready(self, event): pass
    def pool_cleared(self, event): pass
    def pool_closed(self, event): pass
    def connection_ready(self, event): pass
    def connection_check_out_started(self, event): pass
    def connection_check_out_failed(self, event): pass

options = {'event_listeners': [Pool()], 'maxPoolSize': 20, 'waitQueueTimeoutMS': 60_000}
backend = GridFSBackend('docs', {'mongo_url': url, 'mongo_db': database, 'mongo_options': options, 'chunk_bytes': 10_000})
backend.write('shared', b'0' * 50_000)
errors, done = [], [0] * workers

def content(number, turn):
    return f'{number} {turn};'.encode() * (1 + (number * 7919 + turn * 104729) % 6000)

def work(number):
    chance = random.Random(number)
    try:
        # Each worker begins elsewhere, so that a few turns do all that there is to do.
        for turn in range(1 + number, 1 + number + turns):
            name, expected = f'w{number}/{turn % 3}', content(number, turn)
            backend.save(io.BytesIO(expected), name, overwrite=True)
            assert backend.read(name) == expected
            start = chance.randrange(len(expected))
            assert backend.read_range(name, start, start + 100) == expected[start:start + 100]
            with backend.open(name, 'rb') as file:
                file.seek(start)
                assert file.read(7) == expected[start:start + 7]
            info = backend.stat(name)
            assert (info.size, info.checksum) == (len(expected), 'sha256:' + hashlib.sha256(expected).hexdigest())
            # Left half-read.
            next(backend.read_chunks(name, 1000))
            shared = backend.read('shared')
            assert shared == shared[:1] * 50_000
            if turn % 5 == 0:
                backend.write('shared', str(chance.randrange(10)).encode() * 50_000)
            if turn % 4 == 0:
                backend.move(name, f'w{number}/moved')
                assert backend.read(f'w{number}/moved') == expected
                backend.copy(f'w{number}/moved', name)
            if turn % 6 == 0:
                try:
                    backend.write(name, b'', overwrite=False)
                    raise AssertionError('created what is there')
                except fs.FileExists:
                    pass
            if turn % 7 == 0:
                assert name in set(backend.list_files(f'w{number}/'))
                backend.delete(f'w{number}')
                assert not backend.exists(name)
            done[number] += 1
    except BaseException as error:
        errors.append(repr(error))

if kind == 'gevent':
    from gevent.pool import Pool as Greenlets
    pool = Greenlets(workers)
    for number in range(workers):
        pool.spawn(work, number)
    pool.join()
else:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
gc.collect()
assert not errors, errors[:3]
assert set(done) == {turns}, done
assert Pool.used == 0, Pool.used
assert Pool.opened <= 20, Pool.opened
for number in range(workers):
    backend.delete(f'w{number}')
backend.delete('shared')
assert list(backend.list_files()) == []
sockets = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{fd}')] if os.path.isdir('/proc/self/fd') else []
# Besides the pool there are the two connections of the monitor.
assert sum(link.startswith('socket:') for link in sockets) <= 20 + 5, sockets
print(sum(done), 'turns, at most', Pool.most, 'connections at once')
"""


@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize(('kind', 'workers', 'turns'), [('threads', 16, 7), ('gevent', 100, 2)])
def test_one_storage_serves_many_at_once(
    mongo_service: MongoService, database: Database[Any], kind: str, workers: int, turns: int
) -> None:
    if kind == 'gevent':
        pytest.importorskip('gevent')
    command = [sys.executable, '-c', PROGRAM, kind, mongo_service.url, database.name, str(turns), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (done.stderr, done.returncode) == ('', 0)
    assert 'turns' in done.stdout
    print(done.stdout)
    assert database['docs.files'].count_documents({}) == 0
    assert database['docs.chunks'].count_documents({}) == 0
