"""Uploads are cut into pieces that are known before they are sent."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path

import pytest

from flask_fs.backends import Checksum, Source, SpoolFailed
from flask_fs_swift.pieces import MAX_SEGMENTS, MEMORY_BYTES, pieces_of
from flask_fs_testing.sources import Failing, OnlyRead, SourceFailed

CONTENT = bytes(range(256)) * 4 * 3000
SIZES = (1000, MEMORY_BYTES, MEMORY_BYTES + 1, len(CONTENT), len(CONTENT) // 2, len(CONTENT) * 2)


def bytes_of(piece) -> bytes:
    return piece.body if isinstance(piece.body, bytes) else b''.join(piece.body)


def all_of(stream, size):
    """The pieces' contents, each taken twice, and the digest of the whole."""
    checksum = Checksum('sha256')
    found, lasts = [], []
    for piece in pieces_of(Source(stream), size, checksum):
        content = bytes_of(piece)
        assert bytes_of(piece) == content
        assert (hashlib.md5(content).hexdigest(), len(content)) == (piece.md5, piece.size)
        found.append(content)
        lasts.append(piece.is_last)
    assert [False] * (len(lasts) - 1) + [True] == lasts
    return found, checksum.hex


@pytest.fixture
def real_file(tmp_path):
    (tmp_path / 'x').write_bytes(b'before' + CONTENT)
    with open(tmp_path / 'x', 'rb') as file:
        file.seek(6)
        yield file


@pytest.mark.parametrize('size', SIZES)
def test_any_source_is_cut_at_the_same_places(real_file, size):
    spooled = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115  # closed below
    spooled.write(CONTENT)
    spooled.seek(0)
    rest = io.BytesIO(b'before' + CONTENT)
    rest.seek(6)
    size = max(size, -(-len(CONTENT) // MAX_SEGMENTS))
    expected = [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)]
    for stream in (real_file, rest, spooled, OnlyRead(CONTENT, step=70_001)):
        found, digest = all_of(stream, size)
        assert found == expected
        assert hashlib.sha256(CONTENT).hexdigest() == digest
    assert real_file.read() == rest.read() == b''
    spooled.close()


def test_an_empty_source_is_one_empty_piece(tmp_path):
    (tmp_path / 'x').write_bytes(b'')
    with open(tmp_path / 'x', 'rb') as file:
        for stream in (file, io.BytesIO(), OnlyRead(b'')):
            assert all_of(stream, 1000)[0] == [b'']


@pytest.mark.skipif(not os.path.exists('/proc/version'), reason='the kernel makes no files up')
def test_a_file_that_hides_its_size_is_sent_whole():
    with open('/proc/version', 'rb') as file:
        assert Path('/proc/version').read_bytes() == b''.join(all_of(file, 1000)[0]) != b''


def test_a_source_may_give_more_than_was_requested():
    class Generous:
        left = CONTENT

        def read(self, size: int = -1) -> bytes:
            given, self.left = self.left, b''
            return given

    assert b''.join(all_of(Generous(), 1_000_000)[0]) == CONTENT


def test_what_a_source_raises_is_raised():
    with pytest.raises(SourceFailed):
        all_of(Failing(CONTENT, 100_000), 10_000)


def test_a_file_that_becomes_shorter_while_it_is_sent_is_noticed(tmp_path):
    (tmp_path / 'x').write_bytes(CONTENT)
    with open(tmp_path / 'x', 'r+b') as file:
        [piece] = pieces_of(Source(file), len(CONTENT), Checksum('sha256'))
        file.truncate(1000)
        with pytest.raises(OSError, match='truncated'):
            bytes_of(piece)
        assert isinstance(piece.error, OSError)


def test_a_full_disk_is_reported(monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, 'write', full)
    with pytest.raises(SpoolFailed, match='No space left'):
        all_of(OnlyRead(CONTENT), 1_000_000)


def test_a_pipe_is_read_once():
    reading, writing = os.pipe()
    with os.fdopen(writing, 'wb') as file:
        file.write(b'content')
    with os.fdopen(reading, 'rb') as source:
        assert [bytes_of(piece) for piece in pieces_of(Source(source), 1000, Checksum('sha256'))] == [b'content']
