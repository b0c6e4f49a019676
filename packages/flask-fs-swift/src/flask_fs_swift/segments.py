"""Large files: a manifest in the container, which lists segments in a separate container (Swift's SLO)."""

from __future__ import annotations

import datetime
import logging
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from . import bulk
from .client import Client
from .errors import Failure, InvalidResponse
from .metadata import Entry, etag_of, has_dot_segment, is_slo, list_of_mappings
from .pieces import Piece
from .pool import Response

logger = logging.getLogger(__name__)

#: For how many seconds a missing container of segments is assumed to stay missing.
ABSENT_S = 60.0

# Listing this many entries takes about as long as a HEAD request for one file.
_LISTED_PER_NAME = 10
# The name of one of our segments: the names of the container and the file, the ID of the upload, and the number.
_SEGMENT = re.compile(r'(?P<folder>(?P<container>[^/]+)/(?P<name>.+)/fs-[0-9a-f]{32})/\d{6}')


class Segments:
    """The segments of the large files of one container.

    Each upload has its own folder for segments, so concurrent writers of a name do not affect each other. When a file
    is replaced or removed, its manifest is read first, and exactly the segments that it lists are removed afterward.

    :param files_container: The container of the manifests.
    :param container: The container of the segments.
    """

    def __init__(self, client: Client, files_container: str, container: str) -> None:
        self._client = client
        self._files_container = files_container
        self.container = container
        self._absent_until = 0.0

    # --- What there is already.

    def of(self, name: str) -> list[str]:
        """The names of the segments of the file *name* that this driver made; empty if the file is small or missing."""
        # The driver stores nothing under names that requests cannot reach.
        if has_dot_segment(name) or not self._may_be_some():
            return []
        response = self._client.head(self._files_container, name, expected_statuses=(404,))
        if response.status == 404 or not is_slo(response.headers):
            return []
        return list(self._own(self.manifest(name)[1]))

    def manifest(self, name: str) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
        """The headers and the manifest of the file *name*, as stored; the manifest is empty for a small file."""
        response = self._client.request(
            'GET', self._files_container, name, query='?multipart-manifest=get&format=raw', stream=True,
            expected_statuses=(404,),
        )  # fmt: skip
        if response.body is None:
            return response.headers, []
        with response.body as body:
            # If the file was replaced in the meantime, this is the content of the new file, which must not be read.
            return response.headers, parse_manifest(body.read()) if is_slo(response.headers) else []

    def of_all(self, entries: Iterable[Entry]) -> list[str]:
        """The names of the segments that this driver made, of all large files in a listing."""
        names = [entry.name for entry in entries if entry.is_slo]
        return [segment for name in names for segment in self._own(self.manifest(name)[1])]

    def of_names(self, names: Sequence[str], page_size: int) -> dict[str, list[str]]:
        """The result of :meth:`of` for each of the files *names*, with fewer requests if there are many."""
        if len(names) == 1 or not self._may_be_some():
            return {name: self.of(name) for name in names}
        # Names with a common prefix are usually on one page of a listing.
        limit = min(page_size, _LISTED_PER_NAME * len(names))
        prefix = os.path.commonprefix(names)  # noqa: RUF071  # a prefix of characters, as listings have it
        listed, limit = self._client.page(self._files_container, prefix, '', limit)
        is_last, wanted = len(listed) < limit or not listed, set(names)
        large = {
            entry.name: list(self._own(self.manifest(entry.name)[1]))
            for entry in listed
            if entry.is_slo and entry.name in wanted
        }
        return {name: large.get(name, []) if is_last or name <= listed[-1].name else self.of(name) for name in names}

    def _own(self, entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        ours = f'/{self.container}/'
        for entry in entries:
            path = str(entry['path'])
            if path.startswith(ours) and _SEGMENT.fullmatch(path, len(ours)):
                yield path[len(ours) :]

    def _may_be_some(self) -> bool:
        """Whether the container of segments exists. If it does not, this is assumed for another minute."""
        if time.monotonic() < self._absent_until and not self._client.was_seen(self.container):
            return False
        if self._client.exists(self.container):
            return True
        self._absent_until = time.monotonic() + ABSENT_S
        return False

    # --- What comes and goes.

    def folder(self, name: str) -> str:
        """A folder for the segments of one upload of *name*."""
        return f'{self._files_container}/{name}/fs-{secrets.token_hex(16)}'

    def put(self, folder: str, number: int, piece: Piece) -> Response:
        """Store one segment; the response has its ETag."""
        headers = {'ETag': piece.md5, 'Content-Type': 'application/octet-stream'}
        return self._client.put(self.container, f'{folder}/{number:06}', piece.body, headers)

    def entry(self, folder: str, number: int, piece: Piece) -> dict[str, Any]:
        """The entry of a segment in a manifest."""
        return {'path': f'/{self.container}/{folder}/{number:06}', 'etag': piece.md5, 'size_bytes': piece.size}

    def copies(self, entries: Sequence[Mapping[str, Any]], folder: str) -> Iterator[dict[str, Any]]:
        """Copy the segments of a manifest, one by one, inside the store, and yield the entries of the new manifest."""
        for number, entry in enumerate(entries):
            container, _, name = str(entry['path']).lstrip('/').partition('/')
            target = f'{folder}/{number:06}'
            copy = {**entry, 'path': f'/{self.container}/{target}'}
            yield copy
            copy['etag'] = etag_of(self._client.copy(container, name, self.container, target).headers)

    def names(self, entries: Iterable[Mapping[str, Any]]) -> list[str]:
        """The names, in their container, of the segments of a manifest."""
        return [str(entry['path']).removeprefix(f'/{self.container}/') for entry in entries]

    def remove(self, names: Iterable[str]) -> None:
        """Remove segments."""
        bulk.remove(self._client, self.container, names)

    def discard(self, names: Iterable[str]) -> None:
        """Remove segments that no manifest lists anymore. If that fails, :meth:`sweep` removes them later."""
        try:
            self.remove(names)
        except Failure:
            logger.warning('Unused segments remain in %r. Run flask fs sweep to remove them.', self.container)

    def sweep(self, prefix: str, older_than_s: float, page_size: int) -> int:
        """Remove segments of files beginning with *prefix* that no manifest lists, and return their number."""
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        listed = self._client.list(self.container, f'{self._files_container}/{prefix}', page_size)
        matched = ((match, entry) for entry in listed if (match := _SEGMENT.fullmatch(entry.name)))
        count = 0
        # The segments of an upload are adjacent, because listings are sorted by name.
        for (_, name), found in groupby(matched, lambda pair: (pair[0]['folder'], pair[0]['name'])):
            entries = [entry for _, entry in found]
            if max(entry.modified for entry in entries) < limit:
                named = set(self.of(name))
                orphans = [entry.name for entry in entries if entry.name not in named]
                self.remove(orphans)
                count += len(orphans)
        return count


def parse_manifest(content: bytes) -> list[dict[str, Any]]:
    """The segments of a static large object, as stored.

    :raises InvalidResponse: If the content is not a manifest.
    """
    try:
        entries = list_of_mappings(content)
        if not all(_is_path(entry['path']) for entry in entries):
            raise ValueError('path')
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidResponse("the list of its segments is not in Swift's format") from error
    return entries


def _is_path(value: Any) -> bool:
    container, _, name = value.lstrip('/').partition('/') if isinstance(value, str) else ('', '', '')
    return bool(container and name)
