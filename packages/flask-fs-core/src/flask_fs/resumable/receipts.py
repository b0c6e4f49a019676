"""The received content of a resumable upload, and making it a file."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask import abort

from ..arrivals import ArrivedUpload
from ..backends.base import BaseBackend
from ..backends.contract import Attributes, ByteReader, FileInfo
from ..backends.incoming import Incoming, Progress
from ..backends.streams import chunks_of
from ..errors import FileExists, FileNotFound, NoFile, Unavailable, UploadNotAllowed
from ..storage import Storage
from ..tickets import Upload
from ..verbs.conflicts import Conflict
from . import bodies
from .tokens import Resumable


class State(NamedTuple):
    """The progress of an upload.

    :param offset: The number of received bytes.
    :param expires: The time until which it is kept, in seconds since the epoch; None once it is a file.
    :param filename: The name of the file that it became.
    :param parts: Upload-Concat, if it was made from others.
    """

    offset: int
    expires: float | None = None
    filename: str | None = None
    parts: str | None = None


class Receipt:
    """One upload and its received content.

    :param expires_s: How long it is kept after content last arrived.
    :param parts: The uploads that it is made from, if it doesn't have its own content.
    """

    def __init__(
        self,
        storage: Storage,
        resumable: Resumable,
        conflict: Conflict | None,
        expires_s: int,
        parts: Sequence[Resumable] = (),
        concat: str | None = None,
    ) -> None:
        self._storage, self._resumable, self._conflict, self._expires_s = storage, resumable, conflict, expires_s
        self._driver: BaseBackend = storage._receiving_driver(storage._bound())
        self._incoming = Incoming(self._driver, resumable.upload_id)
        self._parts = [Incoming(self._driver, part.upload_id) for part in parts]
        self._concat = concat

    def state(self) -> State:
        """The progress of the upload. If it is complete, but the process that was making the file died, make the file now.

        Responds with 410 if it has expired, or was terminated.

        :raises Unavailable: If another process is making the file at the moment.
        """
        return self._state(self._incoming.progress())

    def append(self, offset: int, open_body: Callable[[int], ByteReader]) -> State:
        """Append a body to the *offset* received bytes. If the upload is then complete, it becomes a file.

        Responds with 409 if the number of received bytes differs from *offset*.

        :param open_body: Opens the body of the request. Its argument is the maximum number of bytes.
        """
        progress = self._incoming.progress()
        state = self._state(progress)
        if state.parts is not None:
            abort(403, description='This upload is a concatenation of others.')
        if offset != state.offset:
            abort(409, description=f'Upload-Offset must be {state.offset}, the number of received bytes.')
        body = open_body(self._resumable.size - offset)
        return state if state.filename is not None else self._append(progress, body)

    def begin(self, body: ByteReader | None) -> State:
        """Do the same as :meth:`append` for a new upload, with its first bytes if there are any."""
        return self._append(Progress([], 0, has_target=False, has_ended=False), body or io.BytesIO())

    def _append(self, progress: Progress, body: ByteReader) -> State:
        return self._received(bodies.append(self._incoming, progress, body, self._resumable.size), time.time())

    def terminate(self) -> None:
        """Terminate the upload: remove its received content, and invalidate its URL. A file that it became stays.

        :raises Unavailable: If another process is making the file at the moment.
        """
        with self._incoming.claimed(self._resumable.size):
            self._incoming.end('{}')

    def _state(self, progress: Progress) -> State:
        if progress.has_ended:
            return self._ended()
        changed = max(progress.changed, self._resumable.created)
        if time.time() >= changed + self._expires_s:
            abort(410, description='This upload has expired.')
        # If the file was made by renaming a piece, no received content is left.
        return self._finish() if progress.has_target else self._received(progress.offset, changed)

    def _received(self, offset: int, changed: float) -> State:
        if offset < self._resumable.size or self._resumable.is_partial:
            return State(offset, changed + self._expires_s)
        return self._finish()

    def _ended(self) -> State:
        note = json.loads(self._incoming.ending())
        if not note:
            abort(410, description='This upload was terminated.')
        return State(self._resumable.size, filename=note['filename'], parts=note['parts'])

    # --- Becoming a file.

    def concatenate(self) -> State:
        """Make a file from the parts, which are then removed. If it is already made, return that file.

        Responds with 409 if one of the parts is incomplete or gone.
        """
        return self._ended() if self._incoming.progress().has_ended else self._finish()

    def _finish(self) -> State:
        with self._incoming.claimed(self._resumable.size):
            progress = self._incoming.progress()
            if progress.has_ended:
                return self._ended()
            pieces = self._pieces(progress)
            name = self._made(pieces) if progress.has_target else None
            if name is None:
                name = self._make(pieces)
            self._incoming.end(json.dumps({'filename': name, 'parts': self._concat}))
        for part in self._parts:
            part.end('{}')
        return State(self._resumable.size, filename=name, parts=self._concat)

    def _pieces(self, progress: Progress) -> list[FileInfo]:
        if not self._resumable.size:
            # A file is made from at least one piece.
            with contextlib.suppress(FileExists):
                self._incoming.put(io.BytesIO())
            return self._incoming.pieces()
        if not self._parts:
            return progress.pieces
        return [piece for part in self._parts for piece in part.pieces() if piece.size]

    def _made(self, pieces: Sequence[FileInfo]) -> str | None:
        """The name of the file, if a process that died had already made it."""
        name = self._incoming.target()
        if sum(piece.size for piece in pieces) == self._resumable.size:
            made = self._is_made(name, pieces)
        else:
            # If a piece became the file by renaming, it is gone. Otherwise it stays until the end is recorded, unless it
            # belongs to other uploads, which can be terminated.
            made = not self._parts or self._driver.exists(name)
        return name if made else None

    def _is_made(self, name: str, pieces: Sequence[FileInfo]) -> bool:
        try:
            with self._driver.open(name, 'rb') as file, self._incoming.open(pieces) as arrived:
                pairs = itertools.zip_longest(chunks_of(file), chunks_of(arrived))
                return all(made == wanted for made, wanted in pairs)
        except FileNotFound:
            return False

    def _make(self, pieces: Sequence[FileInfo]) -> str:
        try:
            self._check_complete(pieces)
            with contextlib.closing(_Arrived(self._driver, self._incoming, self._resumable.upload, pieces)) as arrived:
                return self._storage._save_arrived(arrived, self._resumable.filename, self._conflict)
        except NoFile as error:
            raise self._later() from error
        except (UploadNotAllowed, FileExists):
            self._incoming.end('{}')
            raise

    def _check_complete(self, pieces: Sequence[FileInfo]) -> None:
        if sum(piece.size for piece in pieces) != self._resumable.size:
            if self._parts:
                abort(409, description='Not all of these uploads are complete.')
            # Some stores list new files late.
            raise self._later()

    def _later(self) -> Unavailable:
        return self._driver.error(Unavailable, None, 'some received content is not visible yet; try again later')


class _Arrived(ArrivedUpload):
    """An upload that records the name that it is about to get, if that is available."""

    def __init__(self, driver: BaseBackend, incoming: Incoming, upload: Upload, pieces: Sequence[FileInfo]) -> None:
        self._driver = driver
        super().__init__(incoming, upload, pieces)

    def create(self, name: str, *, replace: bool, attributes: Attributes) -> None:
        if not replace and self._driver.exists(name):
            raise self._driver.error(FileExists, name)
        self._incoming.set_target(name)
        super().create(name, replace=replace, attributes=attributes)
