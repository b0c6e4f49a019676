"""Joining uploaded pieces into files, inside the store."""

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
    """Joins pieces into files. Only their bytes are copied, because clients can have uploaded them.

    Several objects become one by a manifest that lists them (Swift's SLO) and a copy of it, which is a single object.
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
        """Make the file *target*, with *headers*, as a single object, or as segments if it is too large for that."""
        groups = grouped(pieces, self._backend.config['segment_bytes'])
        if len(groups) > 1:
            self._uploads.store_large(target, functools.partial(self._store_in, groups), headers, create=create)
            return
        with self._as_object(groups[0]) as (name, etag):
            self._uploads.copy(name, target, headers, create=create, etag=etag)

    def _store_in(self, groups: Sequence[Sequence[FileInfo]], folder: str) -> Iterator[dict[str, Any]]:
        """Store each of *groups* as a segment, and yield its manifest entry before storing it."""
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
        """The name and ETag of an object with the content of *group*; for several pieces, a temporary manifest."""
        if len(group) == 1:
            yield group[0].name, str(group[0].etag)
            return
        # If the process dies, it is swept like an upload that was never accepted.
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
        # The store has checked each piece, and reports the problems.
        if b'"404 ' in response.content:
            raise self._backend.error(FileNotFound, group[0].name)
        if b' Mismatch"' in response.content:
            raise Superseded
        raise Refused(response.status, response.content)


def are_slow(pieces: Sequence[FileInfo]) -> bool:
    """Whether it is faster to read *pieces*: Swift reads ten pieces smaller than a mebibyte, and then one per second.

    These are the defaults of its middleware slo (such as rate_limit_under_size), which ``/info`` does not report.
    """
    return len(pieces) > _FAST_PIECES and sum(piece.size for piece in pieces) < len(pieces) * _SMALL_BYTES


def grouped(pieces: Sequence[FileInfo], size: int) -> list[list[FileInfo]]:
    """The nonempty *pieces* in groups of at most *size* bytes, or more if there would be over a thousand groups.

    A group has at most a thousand pieces. A piece larger than the limit is a separate group.
    """
    total = sum(piece.size for piece in pieces)
    # Two adjacent groups together always exceed the limit.
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
