"""Files made, inside the store, of pieces that have arrived there."""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from flask_fs.backends import BaseBackend, FileInfo
from flask_fs.errors import FileNotFound
from flask_fs.names import INCOMING_PREFIX

from . import bulk
from .client import Client
from .errors import Failure, Refused, Superseded
from .metadata import etag_of
from .pieces import MAX_SEGMENTS
from .segments import Segments
from .settings import MAX_SEGMENT_BYTES
from .uploads import Uploads

_FAST_PIECES = 10
_SMALL_BYTES = 1024 * 1024


class Joins:
    """Makes files of pieces, of which only the bytes are copied: clients may have stored them.

    The bytes of several objects become one by a manifest of them (Swift's SLO) and a copy of it, which is one object again.
    """

    def __init__(
        self, client: Client, segments: Segments, uploads: Uploads, container: str, backend: BaseBackend
    ) -> None:
        self._client = client
        self._segments = segments
        self._uploads = uploads
        self._container = container
        self._backend = backend

    def join(self, pieces: Sequence[FileInfo], target: str, headers: dict[str, str], *, create: bool) -> None:
        """Make the file *target*, with *headers*: one object, or segments where it is larger than one may be."""
        groups = grouped(pieces, self._backend.config['segment_bytes'])
        if len(groups) > 1:
            self._uploads.store_large(target, functools.partial(self._store_in, groups), headers, create=create)
            return
        with self._as_object(groups[0]) as (name, etag):
            self._uploads.copy(name, target, headers, create=create, etag=etag)

    def _store_in(self, groups: Sequence[Sequence[FileInfo]], folder: str) -> Iterator[dict[str, Any]]:
        """Store each of *groups* as a segment, and yield its entry in the manifest before."""
        for number, group in enumerate(groups):
            target, container = f'{folder}/{number:06}', self._segments.container
            entry: dict[str, Any] = {'path': f'/{container}/{target}', 'size_bytes': sum(piece.size for piece in group)}
            yield entry
            headers = {'content-type': 'application/octet-stream'}
            with self._as_object(group) as (name, etag):
                copied = self._client.copy(self._container, name, container, target, headers=headers, etag=etag)
            entry['etag'] = etag_of(copied.headers)

    @contextlib.contextmanager
    def _as_object(self, group: Sequence[FileInfo]) -> Generator[tuple[str, str]]:
        """The name and the ETag of an object with the content of *group*: of several a manifest, until the block ends."""
        if len(group) == 1:
            yield group[0].name, str(group[0].etag)
            return
        # Like an upload that nobody accepts, it is swept where the process dies.
        name = f'{self._backend._prefix}{INCOMING_PREFIX}/{secrets.token_hex(16)}/joined'
        try:
            yield name, self._put_manifest(name, group)
        finally:
            with contextlib.suppress(Failure):
                bulk.remove(self._client, self._container, (name,))

    def _put_manifest(self, name: str, group: Sequence[FileInfo]) -> str:
        entries = [
            {'path': f'/{self._container}/{piece.name}', 'etag': piece.etag, 'size_bytes': piece.size}
            for piece in group
        ]
        response = self._client.put(
            self._container, name, json.dumps(entries).encode(), {'Accept': 'application/json'},
            query='?multipart-manifest=put', expected_statuses=(400,),
        )  # fmt: skip
        if response.status != 400:
            return etag_of(response.headers)
        # It has looked at each of them, and says what it has found.
        if b'"404 ' in response.content:
            raise self._backend.error(FileNotFound, group[0].name)
        if b' Mismatch"' in response.content:
            raise Superseded
        raise Refused(response.status, response.content)


def are_slow(pieces: Sequence[FileInfo]) -> bool:
    """Whether it is faster to read *pieces*: of those smaller than a mebibyte Swift reads ten, and then one a second.

    Those are the defaults of its middleware slo (rate_limit_under_size and the like), which ``/info`` does not report.
    """
    return len(pieces) > _FAST_PIECES and sum(piece.size for piece in pieces) < len(pieces) * _SMALL_BYTES


def grouped(pieces: Sequence[FileInfo], size: int) -> list[list[FileInfo]]:
    """*pieces*, but for empty ones, in at most a thousand groups of at most *size* bytes, or more where they would be too many.

    A group has at most a thousand pieces, and one that is larger is a group of its own.
    """
    total = sum(piece.size for piece in pieces)
    # Two neighbors are together larger than a group may be.
    limit = max(size, min(2 * total // MAX_SEGMENTS + 1, MAX_SEGMENT_BYTES))
    groups: list[list[FileInfo]] = [[]]
    room = limit
    for piece in (piece for piece in pieces if piece.size):
        if groups[-1] and (piece.size > room or len(groups[-1]) == MAX_SEGMENTS):
            groups.append([])
            room = limit
        groups[-1].append(piece)
        room -= piece.size
    return groups if groups[0] else [[*pieces[:1]]]
