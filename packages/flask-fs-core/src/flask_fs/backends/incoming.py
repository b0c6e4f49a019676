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
from typing import IO, TYPE_CHECKING, cast

from ..errors import FileExists, FileNotFound, Unavailable
from ..names import INCOMING_PREFIX
from .contract import NO_ATTRIBUTES, Attributes, ByteReader, FileInfo, SignedRequest
from .pieces import JoinedStream, ranges_of
from .ranged import BLOCK_BYTES, RangedReader

if TYPE_CHECKING:
    from .hooks import Hooks

#: How many bytes each piece of a file has that is sent in several, but for the last.
PIECE_BYTES = 8 * 1024 * 1024
#: How long a process may take to accept an upload until another one may try again, in seconds.
CLAIM_S = 120

# Where a piece begins, and how far the upload was when it was stored: one that begins where another one does, and was
# stored later, has the bytes of that too. What stores of clients' requests name themselves is below.
_PIECE = re.compile(r'(\d{1,19})-(\d{1,19})(?:/.*)?', re.DOTALL)
_CLAIM = re.compile(r'claim-(\d{1,9})')


def new_id() -> str:
    """What identifies an upload; nobody can guess it."""
    return secrets.token_hex(16)


class Incoming:
    """The bytes of one upload that have arrived at a backend.

    :param driver: The backend.
    :param upload_id: What identifies the upload: :func:`new_id`.
    """

    def __init__(self, driver: Hooks, upload_id: str) -> None:
        self._driver = driver
        self._folder = f'{driver._prefix}{INCOMING_PREFIX}/{upload_id}/'

    # --- Arriving.

    def put(self, body: ByteReader, start: int = 0) -> None:
        """Store a whole piece of the upload that begins at byte *start*, or nothing if *body* raises.

        :raises FileExists: If it was stored before: no piece is ever replaced.
        """
        self._driver._put_translated(self._name(start), body, create=True)

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
        found: dict[int, FileInfo] = {}
        for info in self._listed():
            if match := _PIECE.fullmatch(info.name, len(self._folder)):
                start = int(match[1])
                if start not in found or found[start].size < info.size:
                    found[start] = info
        pieces: list[FileInfo] = []
        end = 0
        while (piece := found.pop(end, None)) is not None:
            pieces.append(piece)
            end += piece.size
        return pieces

    # --- What has arrived.

    def open(self, pieces: Sequence[FileInfo]) -> IO[bytes]:
        """The joined content of *pieces* as a file that can seek, of which nothing is fetched before it is read."""
        size = sum(piece.size for piece in pieces)

        def open_range(start: int, stop: int) -> IO[bytes]:
            ranges = ranges_of(pieces, start, stop)
            return cast('IO[bytes]', JoinedStream(functools.partial(self._open, *each) for each in ranges))

        return io.BufferedReader(RangedReader(open_range, b'', size), BLOCK_BYTES)

    def _open(self, piece: FileInfo, start: int, stop: int) -> IO[bytes]:
        return self._driver._open_translated(piece.name, start, stop, etag=piece.etag).stream

    def stat(self, piece: FileInfo) -> FileInfo:
        """All metadata of a piece, of which listings may leave out the checksum."""
        return self._driver._call_hook(self._driver._stat, piece.name)

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

    def discard(self) -> None:
        """Remove what has arrived."""
        _remove(self._driver, [info.name for info in self._listed()])

    @contextlib.contextmanager
    def claimed(self) -> Generator[None]:
        """For the ``with`` block, no other process accepts the upload: with ATOMIC_CREATE, for at most CLAIM_S seconds.

        :raises Unavailable: If another one does at the moment.
        """
        claims = {
            int(match[1]): info for info in self._listed() if (match := _CLAIM.fullmatch(info.name, len(self._folder)))
        }
        last = max(claims, default=0)
        if last and time.time() - _changed(claims[last]) < CLAIM_S:
            raise self._busy()
        name = f'{self._folder}claim-{last + 1}'
        try:
            self._driver._put_translated(name, io.BytesIO(), create=True)
        except FileExists:
            raise self._busy() from None
        try:
            yield
        finally:
            for number in (*claims, last + 1):
                self._driver._call_hook(self._driver._remove, f'{self._folder}claim-{number}')

    def _busy(self) -> Unavailable:
        return self._driver.error(
            Unavailable, None, 'this upload is being accepted by another process; try again later'
        )

    def _name(self, start: int) -> str:
        return f'{self._folder}{start}-{start}'

    def _listed(self) -> Iterator[FileInfo]:
        return self._driver._list_hook(self._driver._scan, self._folder)


def sweep(driver: Hooks, older_than_s: float) -> int:
    """Remove the uploads of which nothing has arrived for so long, and return how many there were."""
    folder = f'{driver._prefix}{INCOMING_PREFIX}/'
    arrived: dict[str, list[FileInfo]] = {}
    for info in driver._list_hook(driver._scan, folder):
        arrived.setdefault(info.name[len(folder) :].partition('/')[0], []).append(info)
    limit = time.time() - older_than_s
    abandoned = [infos for infos in arrived.values() if max(map(_changed, infos)) <= limit]
    for infos in abandoned:
        _remove(driver, [info.name for info in infos])
    return len(abandoned)


def _changed(info: FileInfo) -> float:
    return info.modified.timestamp() if info.modified else 0.0


def _remove(driver: Hooks, names: Iterable[str]) -> None:
    for error in driver._call_hook(lambda _: driver._remove_many(names), '').values():
        if not isinstance(error, FileNotFound):
            raise error
