"""Files going up and across: whole or not at all, and after them whatever they replaced."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask_fs.backends import ByteReader
from flask_fs.errors import BackendError, FileExists, FileTooLarge, FSError, InvalidFilename

from .account import Answer
from .client import Client
from .errors import ETagMismatchError, Failure, SpoolFailed
from .facts import CHECKSUM, CREATION, etag_of
from .segments import Segments
from .sources import Piece, pieces_of

logger = logging.getLogger(__name__)

#: The most bytes of a name that Swift takes (max_object_name_length), of which a segment's number needs some.
_NAME_BYTES = 1024 - len('/000000')
# What goes with a large file to its copy, besides its metadata. Swift's COPY does so for others.
_PASSED_ON = (
    'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires',
    'x-delete-at', 'x-robots-tag',
)  # fmt: skip


class Uploads:
    """Stores files in one container.

    :param error: Makes an error of Flask-FS of a kind, about the file of a name, with a reason.
    """

    def __init__(
        self,
        client: Client,
        segments: Segments,
        container: str,
        config: Mapping[str, Any],
        error: Callable[..., FSError],
    ) -> None:
        self._client = client
        self._segments = segments
        self._container = container
        self._config = config
        self._error = error

    def put(self, name: str, stream: ByteReader, mime: str, *, create: bool) -> None:
        """Store what *stream* holds: as one object, or in segments if it is larger than one may be."""
        digest = hashlib.new(self._config['checksum'], usedforsecurity=False)
        pieces = self._pieces(name, stream, digest)
        first = next(pieces)
        if not first.is_last:
            self._put_large(name, itertools.chain((first,), pieces), {'Content-Type': mime}, digest, create=create)
            return
        headers = {'Content-Type': mime, 'ETag': first.md5, CHECKSUM: f'{digest.name}:{digest.hexdigest()}'}
        replaced = [] if create else self._segments.of(name)
        answer = self._placed(name, first.body, headers, create=create)
        if answer is not None:
            self._compare(answer, first, self._container, name, about=name)
        self._tidy(replaced, name)

    def copy(self, name: str, target: str, headers: Mapping[str, str], *, create: bool) -> None:
        """Copy a file inside the store; one too large for a single object by its segments."""
        client, container = self._client, self._container
        if create and client.ask('HEAD', container, target, passing=(404,)).status != 404:
            raise self._error(FileExists, target)
        replaced = [] if create else self._segments.of(target)
        answer = client.copy(container, name, container, target, about=name, headers=headers, passing=(413,))
        if answer.status == 413:
            self._copy_large(name, target, headers, create=create)
        self._tidy(replaced, target)

    def _pieces(self, name: str, stream: ByteReader, digest: Any) -> Iterator[Piece]:
        try:
            yield from pieces_of(stream, self._config['segment_bytes'], digest)
        except SpoolFailed as error:
            reason = f'the temporary file that it passes through cannot be written: {error}'
            raise self._error(BackendError, name, reason) from error

    # --- One object.

    def _placed(
        self, name: str, body: bytes | Piece, headers: dict[str, str], *, create: bool, query: str = ''
    ) -> Answer | None:
        """Store an object; None if a lost attempt has done it.

        :raises FileExists: With *create*, if the name is taken. Swift looks (If-None-Match), but not for two at once.
        """
        if not create:
            return self._client.put(self._container, name, body, headers, about=name, query=query)
        mark = secrets.token_hex(8)
        headers = {**headers, 'If-None-Match': '*', CREATION: mark}
        answer = self._client.put(self._container, name, body, headers, about=name, query=query, passing=(412,))
        if answer.status != 412:
            return answer
        if answer.unsure:
            # The attempt whose answer was lost may be what is in our way.
            try:
                found = self._client.ask('HEAD', self._container, name, passing=(404,))
            except FSError as error:
                if isinstance(error.__cause__, Failure):  # pragma: no branch - ask() has no other cause
                    error.__cause__.unsure = True
                raise
            if found.headers.get(CREATION) == mark:
                return None
        raise self._error(FileExists, name)

    def _compare(self, answer: Answer, piece: Piece, container: str, name: str, *, about: str) -> None:
        """Hold what Swift says that it stored against what was sent, and do what the policy says."""
        told = etag_of(answer.headers)
        if told == piece.md5:
            return
        policy = self._config['etag_mismatch_policy']
        reason = f'the store tells the MD5 {told}, and what was sent has {piece.md5}'
        if policy == 'log':
            logger.warning('%s', self._error(ETagMismatchError, about, reason))
            return
        if policy == 'raise_and_delete':
            self._client.ask('DELETE', container, name, about=about, passing=(404,))
            reason += '; it was deleted'
        raise self._error(ETagMismatchError, about, reason)

    # --- Segments.

    def _put_large(
        self, name: str, pieces: Iterator[Piece], headers: dict[str, str], digest: Any, *, create: bool
    ) -> None:
        folder, replaced = self._begin_large(name, create=create)

        def entries() -> Iterator[dict[str, Any]]:
            for number, piece in enumerate(pieces):
                # Named before it is sent: it may be stored even if its answer is lost.
                entry = self._segments.entry(folder, number, piece)
                yield entry
                answer = self._segments.put(folder, number, piece, about=name)
                self._compare(answer, piece, self._segments.place, f'{folder}/{number:06}', about=name)
            headers[CHECKSUM] = f'{digest.name}:{digest.hexdigest()}'

        self._publish(name, entries(), headers, create=create)
        self._tidy(replaced, name)

    def _copy_large(self, name: str, target: str, headers: Mapping[str, str], *, create: bool) -> None:
        facts, manifest = self._segments.manifest(name)
        if not manifest:
            raise self._error(FileTooLarge, name, 'the store takes no object of this size')
        folder, replaced = self._begin_large(target, create=create)
        kept = {
            header: value
            for header, value in facts.items()
            if header.startswith('x-object-meta-') or header in _PASSED_ON
        }
        kept |= {name.lower(): value for name, value in headers.items()}
        self._publish(target, self._segments.copies(manifest, folder, about=name), kept, create=create)
        self._tidy(replaced, target)

    def _begin_large(self, name: str, *, create: bool) -> tuple[str, list[str]]:
        """The folder of a new upload's segments, and the segments of what it replaces."""
        folder = self._segments.folder(name)
        if (excess := len(folder.encode()) - _NAME_BYTES) > 0:
            reason = f'a file of this size needs a name shorter by {excess} bytes, as its segments are named after it'
            raise self._error(InvalidFilename, name, reason)
        if not create:
            return folder, self._segments.of(name)
        # Spares a large upload that cannot win the way; publishing looks again.
        if self._client.ask('HEAD', self._container, name, passing=(404,)).status != 404:
            raise self._error(FileExists, name)
        return folder, []

    def _publish(self, name: str, entries: Iterator[dict[str, Any]], headers: dict[str, str], *, create: bool) -> None:
        """Store the segments of *entries*, and then the manifest by which they become a file.

        If that fails they are removed, unless the manifest may be in place all the same: then sweeping decides.
        """
        manifest: list[dict[str, Any]] = []
        settled = True
        try:
            for entry in entries:
                manifest.append(entry)  # noqa: PERF402  # extend() promises nothing of what came before an error
            body = json.dumps(manifest).encode()
            settled = False
            try:
                self._placed(name, body, headers, create=create, query='?multipart-manifest=put')
            except FileExists:
                settled = True
                raise
            except FSError as error:
                settled = not getattr(error.__cause__, 'unsure', True)
                raise
        except BaseException:
            if settled:
                self._segments.discard(self._segments.names(manifest), about=name)
            raise

    def _tidy(self, replaced: list[str], name: str) -> None:
        if replaced and not self._segments.discard(replaced, about=name):
            logger.warning('segments of a former %r are left in %r: sweep() removes them', name, self._segments.place)
