"""How much memory large files take, seen by the operating system in processes of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != 'linux', reason='only Linux reports it')]

MiB = 1024 * 1024
#: Of the file; what it takes does not depend on this.
SIZE = 160 * MiB
#: What a transfer may add to the memory that the process had before.
CEILING = 64 * MiB

BEFORE = """
from flask_fs_s3 import S3Backend
from flask_fs_testing.sources import Pattern

def peak():
    # Not ru_maxrss: a process has that from its parent, and pytest is large.
    with open('/proc/self/status') as status:
        return int(next(line for line in status if line.startswith('VmHWM')).split()[1]) * 1024

backend = S3Backend('kit', given['settings'])
# What is loaded at the first use does not grow with the file.
backend.write('small', bytes(1000))
backend.read('small')
with backend.open('small', 'rb') as small:
    small.read()
size = given['size']
before = peak()
"""

TRANSFERS = {
    'save a file': """
import tempfile
with tempfile.TemporaryFile(dir=given['folder']) as file:
    source = Pattern(size)
    while chunk := source.read(2**20):
        file.write(chunk)
    file.seek(0)
    backend.save(file, 'large', overwrite=True)
assert backend.stat('large').checksum == 'sha256:' + source.digest.hexdigest()
""",
    'save a stream': """
backend.save(Pattern(size), 'large', overwrite=False)
assert backend.stat('large').size == size
""",
    'open': """
left = size
with backend.open('large', 'rb') as file:
    while chunk := file.read(2**20):
        left -= len(chunk)
assert not left
""",
    'read_chunks': """
left = size
for chunk in backend.read_chunks('large'):
    left -= len(chunk)
assert not left
""",
}


@pytest.fixture(scope='module')
def large_store(tmp_path_factory: pytest.TempPathFactory, s3_service: Any, kept_store: Callable[..., Any]) -> Any:
    """A store with a large file."""
    store = kept_store(tmp_path_factory.mktemp('large'), s3_service)
    piece = bytes(16 * MiB)
    where = {'Bucket': store.bucket, 'Key': 'large'}
    upload = {**where, 'UploadId': store.client.create_multipart_upload(**where)['UploadId']}
    parts = []
    for number in range(1, SIZE // len(piece) + 1):
        response = store.client.upload_part(**upload, PartNumber=number, Body=piece)
        parts.append({'PartNumber': number, 'ETag': response['ETag']})
    store.client.complete_multipart_upload(**upload, MultipartUpload={'Parts': parts})
    return store


@pytest.mark.parametrize('transfer', TRANSFERS)
def test_a_large_file_takes_little_memory(
    large_store: Any, tmp_path: Any, python: Callable[..., str], transfer: str
) -> None:
    settings = {
        key: value
        for key, value in large_store.settings().items()
        if key in ('endpoint', 'region', 'access_key', 'secret_key', 'bucket_name')
    }
    if transfer.startswith('save'):
        settings['prefix'] = transfer.replace(' ', '-')
    given = {'settings': settings, 'size': SIZE, 'folder': str(tmp_path)}
    taken = int(python(f'{BEFORE}\n{TRANSFERS[transfer]}\nprint(peak() - before)', given))
    print(f'{transfer}: {taken / MiB:.1f} MiB')
    assert taken < CEILING
