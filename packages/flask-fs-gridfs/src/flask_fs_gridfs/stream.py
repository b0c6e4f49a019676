"""The content of a file as a seekable stream."""

from __future__ import annotations

from flask_fs.backends import SeekableStream

from .documents import Document, Layout
from .store import Store


class ChunkStream(SeekableStream):
    """The bytes [start, stop) of a file. The first ones are fetched immediately.

    After a seek, one chunk is fetched. Reading further fetches several chunks at a time.

    :raises Vanished: If the file no longer exists.
    """

    def __init__(self, store: Store, document: Document, start: int, stop: int) -> None:
        super().__init__(max(0, stop - start))
        self._store = store
        self._document = document
        self._layout = Layout.of(document)
        self._start = start
        self._first, self._chunks = start // self._layout.chunk_bytes, list[bytes]()
        if start < stop:
            self._fetch(self._first, self._layout.batch)

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        if size is None or size < 0:
            return self.readall()
        return self._piece(size, reads_on=False)

    def readall(self) -> bytes:
        self._check_open()
        return b''.join(iter(lambda: self._piece(self._size, reads_on=True), b''))

    def close(self) -> None:
        self._chunks = []
        super().close()

    def _piece(self, size: int, *, reads_on: bool) -> bytes:
        """Some of the next *size* bytes."""
        size = min(size, self._size - self._at)
        if size <= 0:
            return b''
        number, offset = divmod(self._start + self._at, self._layout.chunk_bytes)
        index = number - self._first
        if not 0 <= index < len(self._chunks):
            self._fetch(number, self._layout.batch if reads_on or index == len(self._chunks) else 1)
            index = 0
        piece = self._chunks[index][offset : offset + size]
        self._at += len(piece)
        return piece

    def _fetch(self, number: int, count: int) -> None:
        last = (self._start + self._size - 1) // self._layout.chunk_bytes
        # Free their memory before the next chunks arrive.
        self._chunks, self._first = [], number
        self._chunks = self._store.read_chunks(self._document, number, min(count, last - number + 1))
