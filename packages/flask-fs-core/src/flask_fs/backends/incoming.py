"""Uploads on their way: bytes that have arrived under hidden names, and become a file when they are accepted.

Each upload has a folder of its own below :data:`~flask_fs.names.INCOMING_PREFIX`, with the pieces in which its bytes arrived.
Nothing else is kept: what has arrived is what the store lists, so that any process on any host can go on.
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

#: How many bytes each piece of a file has that is sent in several, but for the last.
PIECE_BYTES = 8 * 1024 * 1024
#: How many bytes stores take by one request at most: a larger file is sent in pieces.
MAX_REQUEST_BYTES = 5 * 1024**3
#: How long a process may take to accept an upload until another one may try again, in seconds.
CLAIM_S = 120
# How long somebody may have a ticket: until it expires, and then what has arrived can be accepted for a day.
_TICKET_S = MAX_EXPIRES_S + STALE_S
# How fast it checks what has arrived and a store makes one file of it, at least.
_BYTES_PER_S = 10_000_000

# Where a piece begins, and how far the upload was when it was stored: one that begins where another one does, and was
# stored later, has the bytes of that too. What stores of clients' requests name themselves is below.
_PIECE = re.compile(r'(\d{1,19})-(\d{1,19})(?:/.*)?', re.DOTALL)
_CLAIM = re.compile(r'claim-(\d{1,9})')
# The name that the file is about to get, and what is left of an upload that has ended.
_TARGET, _ENDED = 'target', 'ended'


def new_id() -> str:
    """What identifies an upload; nobody can guess it."""
    return secrets.token_hex(16)


class Progress(NamedTuple):
    """How far an upload is.

    :param pieces: What has arrived without a gap, from its first byte.
    :param changed: When something last arrived, in seconds since the epoch; 0 if nothing has.
    :param has_target: Whether a process was about to create the file.
    :param has_ended: Whether it is a file, or was given up.
    """

    pieces: list[FileInfo]
    changed: float
    has_target: bool
    has_ended: bool

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        return sum(piece.size for piece in self.pieces)


class Incoming:
    """The bytes of one upload that have arrived at a backend.

    :param driver: The backend.
    :param upload_id: What identifies the upload: :func:`new_id`.
    """

    def __init__(self, driver: Hooks, upload_id: str) -> None:
        self._driver = driver
        self._folder = f'{driver._prefix}{INCOMING_PREFIX}/{upload_id}/'

    # --- Arriving.

    def put(self, body: ByteReader, start: int = 0, *, offset: int | None = None) -> None:
        """Store a whole piece of the upload that begins at byte *start*, or nothing if *body* raises.

        :param offset: How many bytes have arrived, where the piece begins with the last of these.
        :raises FileExists: If it was stored before: no piece is ever replaced.
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
        """A request with which a client stores a piece itself, signed by the store: needs SIGNED_UPLOAD."""
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
        """One of the requests of S3's multipart API, with which a client stores the upload as one piece in parts.

        See :meth:`~flask_fs.backends.BaseBackend._signed_part`.

        :raises OperationNotSupported: If the store has no such API.
        :raises ValueError: If there is no such request.
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
        """The pieces of the upload that have arrived without a gap, from its first byte."""
        return self.progress().pieces

    def arrived(self) -> list[tuple[int, int]]:
        """Of each piece that has arrived, the byte at which it begins and its size; there may be gaps between them."""
        return sorted((start, info.size) for start, info in self._starts(self._listed()))

    def progress(self) -> Progress:
        """How far the upload is, by one listing."""
        infos = list(self._listed())
        names = {info.name[len(self._folder) :] for info in infos}
        changed = max(map(_changed, infos), default=0.0)
        return Progress(self._longest_chain(infos), changed, _TARGET in names, _ENDED in names)

    def _longest_chain(self, infos: Iterable[FileInfo]) -> list[FileInfo]:
        """Of pieces that overlap, because another process stored the same bytes, those that together reach furthest."""
        # By where they end, the pieces that lead from the first byte to there.
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

    # --- What has arrived.

    def open(self, pieces: Sequence[FileInfo]) -> IO[bytes]:
        """The joined content of *pieces* as a file that can seek, of which nothing is fetched before it is read."""
        size = sum(piece.size for piece in pieces)

        def open_range(start: int, stop: int) -> IO[bytes]:
            ranges = ranges_of(pieces, start, stop)
            return cast('IO[bytes]', JoinedStream(functools.partial(self.open_range, *each) for each in ranges))

        return io.BufferedReader(RangedReader(open_range, b'', size), BLOCK_BYTES)

    def open_range(self, piece: FileInfo, start: int, stop: int) -> IO[bytes]:
        """The bytes [start, stop) of a piece."""
        return self._driver._open_translated(piece.name, start, stop, etag=piece.etag).stream

    def stat(self, piece: FileInfo) -> FileInfo:
        """All metadata of a piece, of which listings may leave out the checksum."""
        return self._driver._call_hook(self._driver._stat, piece.name)

    def piece(self, start: int, offset: int) -> FileInfo:
        """The piece that :meth:`put` has stored."""
        return self._driver._call_hook(self._driver._stat, self._name(start, offset))

    # --- Accepting.

    def create(
        self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Make the file *target*, a checked name, of *pieces*; they stay or go.

        :raises FileExists: With *create*, if there is a file of that name.
        :raises Replaced: If one of them was replaced meanwhile.
        :raises FileNotFound: If one of them is gone.
        """
        key = self._driver._prefix + target
        self._driver._call_hook(lambda key: self._driver._join(pieces, key, create=create, attributes=attributes), key)

    def discard(self, pieces: Iterable[FileInfo] | None = None) -> None:
        """Remove what has arrived, or only *pieces* of it."""
        _remove(self._driver, [info.name for info in (self._listed() if pieces is None else pieces)])

    def set_target(self, note: str) -> None:
        """Keep *note* of what is about to be created, for another process to find if this one dies."""
        self._write(_TARGET, note)

    def target(self) -> str:
        """What :meth:`set_target` has kept."""
        return self._read(_TARGET)

    def end(self, note: str, pieces: Iterable[FileInfo] | None = None) -> None:
        """Remove what has arrived, or only *pieces* of it, and keep *note* of what has become of it.

        Nothing is accepted of the upload any more, whatever a client sends that still has its ticket.
        """
        self._write(_ENDED, note)
        if pieces is None:
            pieces = (info for info in self._listed() if info.name != self._folder + _ENDED)
        self.discard(pieces)

    def ending(self) -> str:
        """What :meth:`end` has kept."""
        return self._read(_ENDED)

    @contextlib.contextmanager
    def claimed(self, size: int = 0) -> Generator[None]:
        """For the ``with`` block, no other process accepts the upload: with ATOMIC_CREATE, for as long as its size lets expect.

        :param size: In bytes, where more belongs to it than what has arrived here.
        :raises Unavailable: If another one does at the moment.
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
            # One that stays has an end too: what was done in the block is not undone by it.
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
    """Remove the uploads of which nothing has arrived for so long, and return how many there were.

    The note of one that has ended stays as long as somebody may have its ticket.
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
    """What may go of one upload: that did not change since *limit*."""
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
