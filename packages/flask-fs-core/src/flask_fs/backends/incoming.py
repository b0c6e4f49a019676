"""Incoming uploads: bytes that are received under hidden names, and become a file when they are accepted.

Each upload has a separate folder under :data:`~flask_fs.names.INCOMING_PREFIX` with its received pieces. No other state is
kept: the store's listing shows the received content, so any process on any host can continue an upload.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import secrets
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from ..errors import FileExists, FileNotFound, FSError, Unavailable
from ..names import INCOMING_PREFIX
from ..signing import MAX_EXPIRES_S
from .contract import NO_ATTRIBUTES, STALE_S, Attributes, ByteReader, FileInfo, SignedRequest
from .pieces import JoinedStream, ranges_of
from .ranged import BLOCK_BYTES, RangedReader
from .streams import chunks_of

if TYPE_CHECKING:
    from .hooks import Hooks

#: The size in bytes of each piece of a file that is sent in several, except the last.
PIECE_BYTES = 8 * 1024 * 1024
#: The maximum size in bytes that stores accept in one request. A larger file is sent in pieces.
MAX_REQUEST_BYTES = 5 * 1024**3
#: How long a process can take to accept an upload before another one may try, in seconds.
CLAIM_S = 120
# How long a ticket can be in use: until it expires, and for one more day, in which the upload can be accepted.
_TICKET_S = MAX_EXPIRES_S + STALE_S
# The minimum speed at which a process checks received content, and a store makes a file from it.
_BYTES_PER_S = 10_000_000

# The offset of a piece, and the number of received bytes when it was stored: if two pieces have the same offset, the one that
# was stored later also contains the bytes of the other. Names that stores choose for clients' requests are under these.
_PIECE = re.compile(r'(\d{1,19})-(\d{1,19})(?:/.*)?', re.DOTALL)
_CLAIM = re.compile(r'claim-(\d{1,9})')
# The notes with the name that the file is about to get, and with the result of an ended upload.
_TARGET, _ENDED = 'target', 'ended'


def new_id() -> str:
    """A new upload ID that nobody can guess."""
    return secrets.token_hex(16)


class Progress(NamedTuple):
    """The progress of an upload.

    :param pieces: The received pieces without a gap, from the first byte.
    :param changed: When content last arrived, in seconds since the epoch; 0 if none has.
    :param has_target: Whether a process was about to create the file.
    :param has_ended: Whether it became a file, or was terminated.
    """

    pieces: list[FileInfo]
    changed: float
    has_target: bool
    has_ended: bool

    @property
    def offset(self) -> int:
        """The number of received bytes."""
        return sum(piece.size for piece in self.pieces)


class Incoming:
    """The received content of one upload in a backend.

    :param driver: The backend.
    :param upload_id: The ID of the upload, from :func:`new_id`.
    """

    def __init__(self, driver: Hooks, upload_id: str) -> None:
        self._driver = driver
        self._folder = f'{driver._prefix}{INCOMING_PREFIX}/{upload_id}/'

    # --- Receiving.

    def put(self, body: ByteReader, start: int = 0, *, offset: int | None = None) -> None:
        """Store a complete piece of the upload that begins at byte *start*, or nothing if *body* raises.

        :param offset: The number of bytes received so far, if the piece begins with the last of these.
        :raises FileExists: If it was already stored: a piece is never replaced.
        """
        self._driver._put_translated(self._name(start, offset), body, create=True)

    def signed_request(
        self,
        start: int = 0,
        *,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int,
    ) -> SignedRequest:
        """A request signed by the store, with which a client stores a piece itself. Requires SIGNED_UPLOAD."""
        sign = functools.partial(
            self._driver._signed_upload,
            size=size,
            max_bytes=max_bytes,
            mime=mime,
            checksum=checksum,
            expires_s=expires_s,
        )
        return self._driver._call_hook(sign, self._name(start))

    def signed_part(
        self, method: str, upload_id: str | None, part_number: int | None, mime: str | None, expires_s: int
    ) -> SignedRequest:
        """A signed request of S3's multipart API, with which a client stores the upload as one piece in parts.

        See :meth:`~flask_fs.backends.BaseBackend._signed_part`.

        :raises OperationNotSupported: If the store has no such API.
        :raises ValueError: If no such request exists.
        """
        sign = functools.partial(
            self._driver._signed_part,
            method=method,
            upload_id=upload_id,
            part_number=part_number,
            mime=mime,
            expires_s=expires_s,
        )
        return self._driver._call_hook(sign, self._name(0))

    def pieces(self) -> list[FileInfo]:
        """The received pieces of the upload without a gap, from its first byte."""
        return self.progress().pieces

    def arrived(self) -> list[tuple[int, int]]:
        """The offset and size of each received piece. There can be gaps between them."""
        return sorted((start, info.size) for start, info in self._starts(self._listed()))

    def progress(self) -> Progress:
        """The progress of the upload, from one listing."""
        infos = list(self._listed())
        names = {info.name[len(self._folder) :] for info in infos}
        changed = max(map(_changed, infos), default=0.0)
        return Progress(self._longest_chain(infos), changed, _TARGET in names, _ENDED in names)

    def _longest_chain(self, infos: Iterable[FileInfo]) -> list[FileInfo]:
        """The pieces that together reach furthest. Pieces can overlap if another process stored the same bytes."""
        # By end offset, the last piece of a chain that leads from the first byte to there.
        last: dict[int, tuple[int, FileInfo]] = {}
        for start, info in sorted(self._starts(infos), key=lambda each: (each[0], each[1].size)):
            if start == 0 or start in last:
                last.setdefault(start + info.size, (start, info))
        pieces: list[FileInfo] = []
        end = max(last, default=0)
        while end in last and (end or not pieces):
            end, piece = last[end]
            pieces.append(piece)
        return pieces[::-1]

    def _starts(self, infos: Iterable[FileInfo]) -> Iterator[tuple[int, FileInfo]]:
        for info in infos:
            if match := _PIECE.fullmatch(info.name, len(self._folder)):
                yield int(match[1]), info

    # --- Received content.

    def open(self, pieces: Sequence[FileInfo]) -> IO[bytes]:
        """The joined content of *pieces* as a seekable file. Nothing is fetched until it is read."""
        size = sum(piece.size for piece in pieces)

        def open_range(start: int, stop: int) -> IO[bytes]:
            ranges = ranges_of(pieces, start, stop)
            return cast('IO[bytes]', JoinedStream(functools.partial(self.open_range, *each) for each in ranges))

        return io.BufferedReader(RangedReader(open_range, b'', size), BLOCK_BYTES)

    def open_range(self, piece: FileInfo, start: int, stop: int) -> IO[bytes]:
        """The bytes [start, stop) of a piece."""
        return self._driver._open_translated(piece.name, start, stop, etag=piece.etag).stream

    def stat(self, piece: FileInfo) -> FileInfo:
        """All metadata of a piece, including the checksum, which listings can leave out."""
        return self._driver._call_hook(self._driver._stat, piece.name)

    def piece(self, start: int, offset: int) -> FileInfo:
        """The piece that :meth:`put` stored."""
        return self._driver._call_hook(self._driver._stat, self._name(start, offset))

    # --- Accepting.

    def create(
        self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Make the file *target*, a checked name, from *pieces*, which can stay or not.

        :raises FileExists: With *create*, if a file with that name exists.
        :raises Replaced: If one of them was replaced in the meantime.
        :raises FileNotFound: If one of them is gone.
        """
        key = self._driver._prefix + target
        self._driver._call_hook(lambda key: self._driver._join(pieces, key, create=create, attributes=attributes), key)

    def discard(self, pieces: Iterable[FileInfo] | None = None) -> None:
        """Remove the received content, or only *pieces* of it."""
        _remove(self._driver, [info.name for info in (self._listed() if pieces is None else pieces)])

    def set_target(self, note: str) -> None:
        """Record in *note* which file is about to be created, for another process if this one dies."""
        self._write(_TARGET, note)

    def target(self) -> str:
        """The note from :meth:`set_target`."""
        return self._read(_TARGET)

    def end(self, note: str, pieces: Iterable[FileInfo] | None = None) -> None:
        """Remove the received content, or only *pieces* of it, and record the result in *note*.

        No more content is accepted for the upload, even if a client still has its ticket and sends something.
        """
        self._write(_ENDED, note)
        if pieces is None:
            pieces = (info for info in self._listed() if info.name != self._folder + _ENDED)
        self.discard(pieces)

    def ending(self) -> str:
        """The note from :meth:`end`."""
        return self._read(_ENDED)

    @contextlib.contextmanager
    def claimed(self, size: int = 0) -> Generator[None]:
        """Prevent other processes from accepting the upload during the ``with`` block.

        Requires ATOMIC_CREATE. The claim expires after a time that depends on the upload's size.

        :param size: The size in bytes, if the upload includes more than the content received here.
        :raises Unavailable: If another process is accepting it at the moment.
        """
        infos = list(self._listed())
        claims = {int(match[1]): info for info in infos if (match := _CLAIM.fullmatch(info.name, len(self._folder)))}
        last = max(claims, default=0)
        for_s = CLAIM_S + max(size, sum(info.size for info in infos)) / _BYTES_PER_S
        if last and time.time() - _changed(claims[last]) < for_s:
            raise self._busy()
        name = f'{self._folder}claim-{last + 1}'
        try:
            self._driver._put_translated(name, io.BytesIO(), create=True)
        except FileExists:
            raise self._busy() from None
        try:
            yield
        finally:
            # A remaining claim expires, so an error here must not undo what happened in the block.
            with contextlib.suppress(FSError):
                for number in (*claims, last + 1):
                    self._driver._call_hook(self._driver._remove, f'{self._folder}claim-{number}')

    def _busy(self) -> Unavailable:
        return self._driver.error(
            Unavailable, None, 'this upload is being accepted by another process; try again later'
        )

    def _name(self, start: int, offset: int | None = None) -> str:
        return f'{self._folder}{start}-{start if offset is None else offset}'

    def _write(self, basename: str, note: str) -> None:
        self._driver._put_translated(self._folder + basename, io.BytesIO(note.encode()), create=False)

    def _read(self, basename: str) -> str:
        with self._driver._open_translated(self._folder + basename).stream as stream:
            return b''.join(chunks_of(stream)).decode()

    def _listed(self) -> Iterator[FileInfo]:
        return self._driver._list_hook(self._driver._scan, self._folder)


def sweep(driver: Hooks, older_than_s: float) -> int:
    """Remove the uploads that received no content for that long, and return their number.

    The note of an ended upload stays as long as a client can have a valid ticket.
    """
    folder = f'{driver._prefix}{INCOMING_PREFIX}/'
    arrived: dict[str, list[FileInfo]] = {}
    for info in driver._list_hook(driver._scan, folder):
        arrived.setdefault(info.name[len(folder) :].partition('/')[0], []).append(info)
    limit = time.time() - older_than_s
    abandoned = [old for infos in arrived.values() if (old := _abandoned(infos, limit))]
    _remove(driver, (info.name for infos in abandoned for info in infos))
    return len(abandoned)


def _abandoned(infos: Sequence[FileInfo], limit: float) -> Sequence[FileInfo]:
    """The files of one upload to remove, if it didn't change since *limit*."""
    if max(map(_changed, infos)) > limit:
        return ()
    ended = [info for info in infos if info.name.endswith(f'/{_ENDED}') and _changed(info) > limit - _TICKET_S]
    return [info for info in infos if info not in ended]


def _changed(info: FileInfo) -> float:
    return info.modified.timestamp() if info.modified else 0.0


def _remove(driver: Hooks, names: Iterable[str]) -> None:
    for error in driver._call_hook(lambda _: driver._remove_many(names), '').values():
        if not isinstance(error, FileNotFound):
            raise error
