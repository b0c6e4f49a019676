"""Remote files read by ranges: as a file on a disk would give them, and fetching little more than what is read."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from flask_fs.backends.ranged import BLOCK_BYTES, FIRST_BYTES, MAX_BYTES, RangedReader

LARGE = bytes(range(256)) * 4096 * 5  # 5 MiB


class Store:
    """A file somewhere else; tells what was fetched of it, and which streams are open."""

    def __init__(self, content: bytes, step: int = 10**9) -> None:
        self.content = content
        self.step = step
        self.fetched: list[tuple[int, int]] = []
        self.streams: list[io.BytesIO] = []

    def open_range(self, start: int, stop: int) -> io.BytesIO:
        store = self

        class Stream(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(size if size is not None and size >= 0 else 10**9, store.step))

        self.fetched.append((start, stop))
        self.streams.append(Stream(self.content[start:stop]))
        return self.streams[-1]

    def reader(self) -> RangedReader:
        return RangedReader(self.open_range, self.content[:FIRST_BYTES], len(self.content))

    @property
    def moved(self) -> int:
        return sum(stop - start for start, stop in self.fetched)


@pytest.mark.parametrize('size', [0, 1, FIRST_BYTES - 1, FIRST_BYTES, FIRST_BYTES + 1, len(LARGE)])
def test_a_file_read_at_once_takes_at_most_one_more_request(size: int) -> None:
    store = Store(LARGE[:size], step=100_000)
    assert store.reader().read() == LARGE[:size]
    assert len(store.fetched) == (size > FIRST_BYTES)
    assert store.moved == max(0, size - FIRST_BYTES)


@pytest.mark.parametrize('piece', [1000, 100_000, 3 * BLOCK_BYTES])
def test_a_file_read_by_pieces_is_fetched_once_and_by_few_requests(piece: int) -> None:
    store = Store(LARGE, step=70_000)
    with io.BufferedReader(store.reader(), BLOCK_BYTES) as file:
        assert b''.join(iter(lambda: file.read(piece), b'')) == LARGE
    assert store.moved == len(LARGE) - FIRST_BYTES
    assert len(store.fetched) <= 3
    assert all(stream.closed for stream in store.streams)


def test_the_ranges_of_a_huge_file_stop_growing() -> None:
    asked: list[int] = []

    def open_range(start: int, stop: int) -> io.BytesIO:
        asked.append(stop - start)
        return io.BytesIO(bytes(stop - start))

    reader = RangedReader(open_range, bytes(FIRST_BYTES), 200 * 1024 * 1024)
    while reader.read(1024 * 1024):
        pass
    assert max(asked) == MAX_BYTES
    assert sum(asked) == 200 * 1024 * 1024 - FIRST_BYTES


def test_it_reads_like_a_file_in_memory() -> None:
    """A thousand random moves and reads give what BytesIO gives."""
    chance = random.Random(7)
    content = LARGE[: 9 * BLOCK_BYTES + 17]
    for buffered in (False, True):
        store = Store(content, step=50_000)
        file = io.BufferedReader(store.reader(), BLOCK_BYTES) if buffered else store.reader()
        model = io.BytesIO(content)
        for _ in range(1000):
            whence = chance.choice([0, 0, 1, 2])
            offset = chance.randint(0, len(content) + 10) if whence == 0 else chance.randint(-3000, 3000)
            if whence == 1:
                offset = max(offset, -model.tell())
            assert model.seek(offset, whence) == file.seek(offset, whence)
            size = chance.choice([0, 1, 10, 1000, BLOCK_BYTES, 3 * BLOCK_BYTES])
            expected = model.read(size)
            assert read_fully(file, size) == expected
            assert model.tell() == file.tell()
        model.seek(chance.randint(0, 1000))
        file.seek(model.tell())
        assert model.read() == file.read()


def read_fully(file: RangedReader | io.BufferedReader, size: int) -> bytes:
    """*size* bytes, or what is left; a raw file may give fewer at a time."""
    pieces = b''
    while len(pieces) < size and (piece := file.read(size - len(pieces))):
        pieces += piece
    return pieces


def test_an_archive_is_opened_and_one_member_read_by_few_small_requests() -> None:
    content = io.BytesIO()
    noise = random.Random(1).randbytes(300_000)
    with zipfile.ZipFile(content, 'w') as archive:
        for number in range(60):
            archive.writestr(f'{number}.bin', noise)
        archive.writestr('wanted.txt', b'wanted')
        archive.writestr('last.bin', noise)
    store = Store(content.getvalue())
    with zipfile.ZipFile(io.BufferedReader(store.reader(), BLOCK_BYTES)) as archive:
        assert archive.read('wanted.txt') == b'wanted'
    assert len(store.fetched) == 2
    assert store.moved == 2 * BLOCK_BYTES


@pytest.mark.parametrize('size', [1, 1000, BLOCK_BYTES, 20_000, 3 * BLOCK_BYTES, 100_000])
def test_a_read_elsewhere_is_one_request_that_moves_at_most_two_blocks_more(size: int) -> None:
    store = Store(LARGE)
    with io.BufferedReader(store.reader(), BLOCK_BYTES) as file:
        file.seek(1_000_001)
        assert file.read(size) == LARGE[1_000_001 : 1_000_001 + size]
    assert len(store.fetched) == 1
    assert store.moved < size + 2 * BLOCK_BYTES


def test_a_short_skip_forward_goes_on_with_the_same_stream() -> None:
    store = Store(LARGE)
    reader = store.reader()
    reader.read(FIRST_BYTES)
    reader.read(1000)
    reader.seek(5000, io.SEEK_CUR)
    at = reader.tell()
    assert reader.read(10) == LARGE[at : at + 10]
    assert len(store.fetched) == 1


def test_seeking_fetches_nothing() -> None:
    store = Store(LARGE)
    reader = store.reader()
    assert reader.seek(0, io.SEEK_END) == len(LARGE)
    assert reader.read(10) == reader.read() == b''
    reader.seek(len(LARGE) + 100)
    assert reader.read(10) == reader.read() == b''
    reader.seek(-5, io.SEEK_END)
    reader.seek(3)
    assert reader.read(2) == LARGE[3:5]
    assert store.fetched == []


def test_impossible_seeks_are_refused() -> None:
    reader = Store(b'0123').reader()
    with pytest.raises(ValueError, match='before the beginning'):
        reader.seek(-1)
    with pytest.raises(ValueError, match='whence'):
        reader.seek(0, 7)


def test_a_closed_reader_gives_its_stream_back_and_reads_no_more() -> None:
    store = Store(LARGE)
    reader = store.reader()
    reader.seek(FIRST_BYTES)
    reader.read(10)
    reader.close()
    reader.close()
    assert store.streams[-1].closed
    for read in (reader.read, reader.readall, lambda: reader.read(1)):
        with pytest.raises(ValueError, match='closed'):
            read()


@pytest.mark.parametrize('position', [FIRST_BYTES, len(LARGE) - 20, len(LARGE) - 3])
def test_a_range_that_the_store_ends_early_is_an_error(position: int) -> None:
    """It neither ends the file, nor is it waited for forever when the reader stands beyond that end."""
    store = Store(LARGE)
    store.content = LARGE[:-10]
    reader = RangedReader(store.open_range, LARGE[:FIRST_BYTES], len(LARGE), lambda: EOFError('too short'))
    reader.seek(FIRST_BYTES)
    while reader.tell() < len(LARGE) - 30:
        reader.read(min(1_000_000, len(LARGE) - 30 - reader.tell()))
    reader.seek(position)
    with pytest.raises(EOFError, match='too short'):
        reader.read()
