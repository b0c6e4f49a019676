"""Files of any size in bounded memory: each operation on 256 MiB, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024**2
SIZE = 256 * MIB
MOST_BYTES = 16 * MIB

# Does one operation on a small file, so that everything is loaded, then on a large one, and tells by how much the memory
# of the process and the part of it that Python gave out grew at their peaks.
OPERATION = """
import io, json, os, sys, tempfile, tracemalloc
from flask import Flask
from werkzeug.datastructures import FileStorage
import flask_fs as fs

root, operation, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
storage, other = fs.Storage('files', fs.ALL, overwrite=True), fs.Storage('other', fs.ALL, overwrite=True)
app = Flask('large', instance_path=root)
app.config.update(FS_ROOT=root, FS_SERVE=True)
fs.init_app(app, storage, other)
BLOCK = b'x' * 65536


class OnlyRead:
    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        chunk = BLOCK[: min(self.left, len(BLOCK), size if size >= 0 else self.left)]
        self.left -= len(chunk)
        return chunk


def sparse(size):
    path = f'{root}/files/sparse'
    os.makedirs(f'{root}/files', exist_ok=True)
    with open(path, 'wb') as file:
        file.truncate(size)
    return path


def save(size):
    storage.save(OnlyRead(size), 'large')


def save_a_real_file(size):
    with open(sparse(size), 'rb') as file:
        storage.save(file, 'large')


def save_an_upload(size):
    with tempfile.SpooledTemporaryFile(max_size=1024) as spool:
        spool.write(BLOCK)
        spool.truncate(size)
        spool.seek(0)
        storage.save(FileStorage(spool, filename='large'))


def write_by_open(size):
    with storage.open('large', 'wb') as file:
        for _ in range(0, size, len(BLOCK)):
            file.write(BLOCK)


def read_chunks(size):
    sparse(size)
    assert size == sum(map(len, storage.read_chunks('sparse')))


def read_by_open(size):
    sparse(size)
    with storage.open('sparse', 'rb') as file:
        assert size == sum(map(len, iter(lambda: file.read(65536), b'')))


def copy(size):
    sparse(size)
    storage.copy('sparse', 'large')


def transfer(size):
    sparse(size)
    storage.transfer('sparse', other)


def checksum(size):
    sparse(size)
    storage.metadata('sparse')['checksum']


def serve(size):
    sparse(size)
    # Consumed as a server does, which keeps nothing.
    response = app.test_client().get('/files/sparse', buffered=False)
    assert size == sum(map(len, response.iter_encoded()))
    response.close()


def serve_a_range(size):
    sparse(size + 20)
    response = app.test_client().get('/files/sparse', headers={'Range': f'bytes=10-{size + 9}'}, buffered=False)
    assert size == sum(map(len, response.iter_encoded()))
    response.close()


def peak_bytes():
    with open('/proc/self/status') as status:
        return int(next(line for line in status if line.startswith('VmHWM')).split()[1]) * 1024


with app.app_context():
    act = globals()[operation]
    tracemalloc.start()
    act(1024 * 1024)
    with open('/proc/self/clear_refs', 'w') as clear:
        clear.write('5')
    tracemalloc.reset_peak()
    given, resident = tracemalloc.get_traced_memory()[0], peak_bytes()
    act(size)
    print(json.dumps([peak_bytes() - resident, tracemalloc.get_traced_memory()[1] - given]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed at once: pytest keeps its own for a while."""
    folder = tmp_path / 'root'
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='memory is measured as Linux tells it')
@pytest.mark.parametrize(
    'operation',
    [
        'save',
        'save_a_real_file',
        'save_an_upload',
        'write_by_open',
        'read_chunks',
        'read_by_open',
        'copy',
        'transfer',
        'checksum',
        'serve',
        'serve_a_range',
    ],
)
def test_a_large_file_takes_less_than_sixteen_mebibytes(root: Path, operation: str) -> None:
    command = [sys.executable, '-c', OPERATION, str(root), operation, str(SIZE)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    resident, given = json.loads(told)
    assert resident < MOST_BYTES
    assert given < MOST_BYTES
