"""Uploads and copies, which succeed or fail as a whole. The segments of replaced files are removed afterward."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask_fs.backends import BaseBackend, Checksum, Source
from flask_fs.errors import FileExists, FileTooLarge, InvalidFilename

from .attributes import CHECKSUM, CREATION, repeated
from .client import Client
from .errors import ETagMismatchError, Failure
from .metadata import etag_of
from .pieces import Piece, pieces_of
from .pool import Response
from .segments import Segments

logger = logging.getLogger(__name__)

StoreIn = Callable[[str], Iterator[dict[str, Any]]]

#: The maximum length of a name in Swift (max_object_name_length), less the bytes that the number of a segment needs.
_NAME_BYTES = 1024 - len('/000000')


class Uploads:
    """Stores files in the container of *backend*."""

    def __init__(self, client: Client, segments: Segments, container: str, backend: BaseBackend) -> None:
        self._client = client
        self._segments = segments
        self._container = container
        self._config = backend.config
        self._error = backend.error

    def put(self, name: str, source: Source, headers: dict[str, str], *, create: bool) -> None:
        """Store the content of *source*, with *headers*, as a single object, or in segments if it is too large."""
        checksum = Checksum(self._config['checksum'])
        pieces = pieces_of(source, self._config['segment_bytes'], checksum)
        first = next(pieces)
        if not first.is_last:
            self._put_large(name, itertools.chain((first,), pieces), headers, checksum, create=create)
            return
        headers = {**headers, 'ETag': first.md5, CHECKSUM: str(checksum)}
        replaced = [] if create else self._segments.of(name)
        response = self._store(name, first.body, headers, create=create)
        if response is not None:
            self._compare(response, first, self._container, name, about=name)
        self._segments.discard(replaced)

    def copy(
        self, name: str, target: str, headers: Mapping[str, str], *, create: bool, etag: str | None = None
    ) -> None:
        """Copy a file inside the store. A file that is too large for a single object is copied by its segments.

        :param etag: The version to copy, in which case only its bytes are copied.
        """
        if create and self._is_taken(target):
            raise self._error(FileExists, target)
        replaced = [] if create else self._segments.of(target)
        container = self._container
        response = self._client.copy(
            container, name, container, target, headers=headers, etag=etag, expected_statuses=(413,)
        )
        if response.status == 413:
            self._copy_large(name, target, headers, create=create)
        self._segments.discard(replaced)

    def _is_taken(self, name: str) -> bool:
        return self._client.request('HEAD', self._container, name, expected_statuses=(404,)).status != 404

    def store_large(self, name: str, store_in: StoreIn, headers: dict[str, str], *, create: bool) -> None:
        """Store a large file.

        :param store_in: Stores the segments in a folder, and yields the manifest entry of each before storing it.
        """
        folder, replaced = self._begin_large(name, create=create)
        self._publish(name, store_in(folder), headers, create=create)
        self._segments.discard(replaced)

    # --- One object.

    def _store(
        self, name: str, body: bytes | Piece, headers: dict[str, str], *, create: bool, query: str = ''
    ) -> Response | None:
        """Store an object, and return the response; None if an attempt whose response was lost has stored it.

        :raises FileExists: With *create*, if the name exists. Swift checks this (If-None-Match), but can lose a race.
        """
        if not create:
            return self._client.put(self._container, name, body, headers, query=query)
        mark = secrets.token_hex(8)
        headers = {**headers, 'If-None-Match': '*', CREATION: mark}
        response = self._client.put(self._container, name, body, headers, query=query, expected_statuses=(412,))
        if response.status != 412:
            return response
        if response.may_have_applied:
            # The existing file might come from the attempt whose response was lost.
            try:
                found = self._client.request('HEAD', self._container, name, expected_statuses=(404,))
            except Failure as error:
                error.may_have_applied = True
                raise
            if found.headers.get(CREATION) == mark:
                return None
        raise self._error(FileExists, name)

    def _compare(self, response: Response, piece: Piece, container: str, name: str, *, about: str) -> None:
        """Compare the MD5 that Swift returned with the MD5 of what was sent, and apply the policy."""
        reported = etag_of(response.headers)
        if reported == piece.md5:
            return
        policy = self._config['etag_mismatch_policy']
        reason = f'the store returned the MD5 {reported}, but the uploaded content has the MD5 {piece.md5}'
        if policy == 'log':
            logger.warning('%s', self._error(ETagMismatchError, about, reason))
            return
        if policy == 'raise_and_delete':
            self._client.request('DELETE', container, name, expected_statuses=(404,))
            reason += '; it was deleted'
        raise self._error(ETagMismatchError, about, reason)

    # --- Segments.

    def _put_large(
        self, name: str, pieces: Iterator[Piece], headers: dict[str, str], checksum: Checksum, *, create: bool
    ) -> None:
        def store_in(folder: str) -> Iterator[dict[str, Any]]:
            for number, piece in enumerate(pieces):
                # Yielded before the segment is sent, because it can be stored even if the response is lost.
                yield self._segments.entry(folder, number, piece)
                response = self._segments.put(folder, number, piece)
                self._compare(response, piece, self._segments.container, f'{folder}/{number:06}', about=name)
            headers[CHECKSUM] = str(checksum)

        self.store_large(name, store_in, headers, create=create)

    def _copy_large(self, name: str, target: str, headers: Mapping[str, str], *, create: bool) -> None:
        found, manifest = self._segments.manifest(name)
        if not manifest:
            raise self._error(FileTooLarge, name, 'the store does not accept objects of this size')
        store_in = functools.partial(self._segments.copies, manifest)
        self.store_large(target, store_in, {**repeated(found), **headers}, create=create)

    def _begin_large(self, name: str, *, create: bool) -> tuple[str, list[str]]:
        """The folder for the segments of a new upload, and the segments of the file that it replaces."""
        folder = self._segments.folder(name)
        if (excess := len(folder.encode()) - _NAME_BYTES) > 0:
            reason = f'a file of this size needs a name that is {excess} bytes shorter, because its segments include it'
            raise self._error(InvalidFilename, name, reason)
        if not create:
            return folder, self._segments.of(name)
        # Check before a large upload that would fail. Publishing checks again.
        if self._is_taken(name):
            raise self._error(FileExists, name)
        return folder, []

    def _publish(self, name: str, entries: Iterator[dict[str, Any]], headers: dict[str, str], *, create: bool) -> None:
        """Store the segments of *entries*, and then the manifest that makes them a file.

        If that fails, the segments are removed, unless the manifest may have been stored. Then the next sweep decides.
        """
        manifest: list[dict[str, Any]] = []
        is_absent = True
        try:
            for entry in entries:
                manifest.append(entry)  # noqa: PERF402  # extend() does not guarantee that earlier entries are kept
            body = json.dumps(manifest).encode()
            is_absent = False
            try:
                self._store(name, body, headers, create=create, query='?multipart-manifest=put')
            except FileExists:
                is_absent = True
                raise
            except Failure as error:
                is_absent = not error.may_have_applied
                raise
        except BaseException:
            if is_absent:
                self._segments.discard(self._segments.names(manifest))
            raise
