"""Received direct uploads, saved like uploads from a form."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NoReturn

from werkzeug.datastructures import FileStorage

from .backends.contract import Attributes, FileInfo
from .backends.incoming import Incoming
from .backends.streams import chunks_of
from .errors import FileNotFound, FileTooLarge, FSError, InvalidContent, NoFile, Replaced
from .files import mime_type
from .media_types import UNKNOWN
from .tickets import Upload


class ArrivedUpload(FileStorage):
    """A received upload that matches its ticket. It can be read like any upload, and is stored without reading it.

    :param incoming: Where it was received.
    :param upload: The requirements of its ticket.
    :param pieces: Its pieces, if they aren't those in *incoming*.
    :raises NoFile: If no content arrived, or the upload was already accepted.
    :raises FileTooLarge: If it is larger than the ticket allows.
    :raises InvalidContent: If its size, type or checksum differs from the ticket.
    """

    def __init__(self, incoming: Incoming, upload: Upload, pieces: Sequence[FileInfo] | None = None) -> None:
        self._incoming, self._upload = incoming, upload
        self._pieces = self._arrived() if pieces is None else pieces
        if not self._pieces:
            raise self.missing()
        self.size = sum(piece.size for piece in self._pieces)
        self._check_size_and_type()
        super().__init__(incoming.open(self._pieces), upload.filename, content_type=upload.mime)
        if upload.checksum is not None:
            self._check_checksum(upload.checksum)

    def create(self, name: str, *, replace: bool, attributes: Attributes) -> None:
        """Make it the file *name*, inside the store. This can be done once.

        :raises FileExists: Without *replace*, if a file with that name exists.
        """
        if not attributes.mime and self._upload.mime not in (None, mime_type(name)):
            attributes = dataclasses.replace(attributes, mime=self._upload.mime)
        try:
            self._incoming.create(self._pieces, name, create=not replace, attributes=attributes)
        except (FileNotFound, Replaced) as error:
            raise self.missing() from error

    def end(self, note: str) -> None:
        """Remove its remaining pieces, and store *note* about its result. No more content is accepted for it."""
        self.close()
        self._incoming.end(note, self._pieces)

    def _arrived(self) -> Sequence[FileInfo]:
        progress = self._incoming.progress()
        # After its end, anything that a client with the ticket sends again is ignored.
        return () if progress.has_ended else progress.pieces

    def _check_size_and_type(self) -> None:
        upload = self._upload
        if upload.max_bytes is not None and self.size > upload.max_bytes:
            self._reject(FileTooLarge, f'{self.size} bytes arrived, but at most {upload.max_bytes} are allowed')
        if upload.size not in (None, self.size):
            self._reject(InvalidContent, f'{self.size} bytes arrived, but {upload.size} were announced')
        for piece in self._pieces:
            # The type that the piece was sent with, not the one that its name suggests: a client can choose the name.
            if upload.mime is not None and piece.mime not in (upload.mime, UNKNOWN):
                self._reject(InvalidContent, f'it was sent as {piece.mime}, but announced as {upload.mime}')

    def _check_checksum(self, checksum: str) -> None:
        first = self._pieces[0]
        if len(self._pieces) == 1 and (first.checksum or self._incoming.stat(first).checksum) == checksum:
            return
        digest = hashlib.sha256()
        for chunk in chunks_of(self.stream):
            digest.update(chunk)
        self.stream.seek(0)
        if (seen := f'sha256:{digest.hexdigest()}') != checksum:
            self._reject(InvalidContent, f'its checksum is {seen}, but {checksum} was announced')

    def _reject(self, kind: type[FSError], reason: str) -> NoReturn:
        raise kind(self._upload.filename, storage=self._upload.storage, reason=reason)

    def missing(self) -> NoFile:
        """The error for an upload without content."""
        reason = 'no content arrived, or the upload was already accepted'
        return NoFile(self._upload.filename, storage=self._upload.storage, reason=reason)
