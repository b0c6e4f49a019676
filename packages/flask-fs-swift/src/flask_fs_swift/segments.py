"""Large files: a manifest in the container, which names segments in a container of their own (Swift's SLO)."""

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

#: For how long a missing container of segments is presumed to be missing, in seconds.
ABSENT_S = 60.0

# To list so many entries takes about as long as to look at one file.
_LISTED_PER_NAME = 10
# The name of one of our segments: that of its container and its file, an upload's own mark, and its number.
_SEGMENT = re.compile(r'(?P<folder>(?P<container>[^/]+)/(?P<name>.+)/fs-[0-9a-f]{32})/\d{6}')


class Segments:
    """The segments of the large files of one container.

    Each upload has a folder of its own for them, so no two writers of a name touch each other's. What is replaced or
    removed is looked at before, and exactly the segments that its manifest names go after it.

    :param files_container: Where the manifests are.
    :param container: Where the segments are.
    """

    def __init__(self, client: Client, files_container: str, container: str) -> None:
        self._client = client
        self._files_container = files_container
        self.container = container
        self._absent_until = 0.0

    # --- What there is already.

    def of(self, name: str) -> list[str]:
        """The names of the segments, made by this driver, of the file *name*; none if it is a small file or absent."""
        # The driver stores nothing under a name that no request reaches.
        if has_dot_segment(name) or not self._may_be_some():
            return []
        response = self._client.head(self._files_container, name, expected_statuses=(404,))
        if response.status == 404 or not is_slo(response.headers):
            return []
        return list(self._own(self.manifest(name)[1]))

    def manifest(self, name: str) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
        """The headers and the manifest of the file *name*, as it was put; an empty one if it is no large file."""
        response = self._client.request(
            'GET', self._files_container, name, query='?multipart-manifest=get&format=raw', stream=True,
            expected_statuses=(404,),
        )  # fmt: skip
        if response.body is None:
            return response.headers, []
        with response.body as body:
            # Replaced since it was looked at, this is the whole content of a file, and not for us to read.
            return response.headers, parse_manifest(body.read()) if is_slo(response.headers) else []

    def of_all(self, entries: Iterable[Entry]) -> list[str]:
        """The names of the segments, made by this driver, of those files in a listing that are large."""
        names = [entry.name for entry in entries if entry.is_slo]
        return [segment for name in names for segment in self._own(self.manifest(name)[1])]

    def of_names(self, names: Sequence[str], page_size: int) -> dict[str, list[str]]:
        """The names of the segments of each of the files *names*, as :meth:`of` gives them, by fewer requests if they are many."""
        if len(names) == 1 or not self._may_be_some():
            return {name: self.of(name) for name in names}
        # Names that have something in common are mostly found on one page of a listing.
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
        """Whether there is a container of segments: that there is none is presumed for a minute."""
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
        """What a manifest says of a segment."""
        return {'path': f'/{self.container}/{folder}/{number:06}', 'etag': piece.md5, 'size_bytes': piece.size}

    def copies(self, entries: Sequence[Mapping[str, Any]], folder: str) -> Iterator[dict[str, Any]]:
        """The entries of a manifest of copies, made inside the store one by one, of the segments of another."""
        for number, entry in enumerate(entries):
            container, _, name = str(entry['path']).lstrip('/').partition('/')
            target = f'{folder}/{number:06}'
            copy = {**entry, 'path': f'/{self.container}/{target}'}
            yield copy
            copy['etag'] = etag_of(self._client.copy(container, name, self.container, target).headers)

    def names(self, entries: Iterable[Mapping[str, Any]]) -> list[str]:
        """The names of the segments of a manifest in their container."""
        return [str(entry['path']).removeprefix(f'/{self.container}/') for entry in entries]

    def remove(self, names: Iterable[str]) -> None:
        """Remove segments."""
        bulk.remove(self._client, self.container, names)

    def discard(self, names: Iterable[str]) -> None:
        """Remove segments that nothing names any more; if that fails, :meth:`sweep` has to do it."""
        try:
            self.remove(names)
        except Failure:
            logger.warning('segments that no file has any more are left in %r: sweep() removes them', self.container)

    def sweep(self, prefix: str, older_than_s: float, page_size: int) -> int:
        """Remove segments of files beginning with *prefix* that no manifest names; the number of those removed."""
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        listed = self._client.list(self.container, f'{self._files_container}/{prefix}', page_size)
        matched = ((match, entry) for entry in listed if (match := _SEGMENT.fullmatch(entry.name)))
        count = 0
        # One upload's segments come together: a listing is in the order of names.
        for (_, name), found in groupby(matched, lambda pair: (pair[0]['folder'], pair[0]['name'])):
            entries = [entry for _, entry in found]
            if max(entry.modified for entry in entries) < limit:
                named = set(self.of(name))
                orphans = [entry.name for entry in entries if entry.name not in named]
                self.remove(orphans)
                count += len(orphans)
        return count


def parse_manifest(content: bytes) -> list[dict[str, Any]]:
    """The segments of a static large object, as they were put.

    :raises InvalidResponse: If it is no manifest.
    """
    try:
        entries = list_of_mappings(content)
        if not all(_is_path(entry['path']) for entry in entries):
            raise ValueError('path')
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidResponse('the list of its segments is not what Swift keeps') from error
    return entries


def _is_path(value: Any) -> bool:
    container, _, name = value.lstrip('/').partition('/') if isinstance(value, str) else ('', '', '')
    return bool(container and name)
