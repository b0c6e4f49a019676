"""Large files: a manifest in the container, which names segments in a container of their own (Swift's SLO)."""

from __future__ import annotations

import datetime
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from flask_fs.errors import FSError

from .account import Answer
from .client import Client
from .facts import etag_of, is_slo
from .responses import Entry, manifest
from .sources import Piece

#: How long a missing container of segments is taken for missing, in seconds.
ABSENT_S = 60.0
#: What a swept segment is older than, in seconds: no upload is silent for a day.
STALE_S = 24 * 60 * 60.0

# The name of one of our segments: that of its container and its file, an upload's own mark, and its number.
_SEGMENT = re.compile(r'(?P<folder>(?P<container>[^/]+)/(?P<name>.+)/fs-[0-9a-f]{32})/\d{6}')


class Segments:
    """The segments of the large files of one container.

    Each upload has a folder of its own for them, so no two writers of a name touch each other's. What is replaced or
    removed is looked at before, and exactly the segments that its manifest names go after it.

    :param container: Where the manifests are.
    :param place: The container of the segments.
    """

    def __init__(self, client: Client, container: str, place: str) -> None:
        self._client = client
        self._container = container
        self.place = place
        self._absent_until = 0.0

    # --- What there is already.

    def of(self, name: str) -> list[str]:
        """The names of the segments, made by this driver, of the file *name*; none if it is a small file or absent."""
        if not self._may_be_some():
            return []
        answer = self._client.head(self._container, name, passing=(404,))
        if answer.status == 404 or not is_slo(answer.headers):
            return []
        return list(self._own(self.manifest(name)[1]))

    def manifest(self, name: str) -> tuple[Mapping[str, str], list[dict[str, Any]]]:
        """The headers and the manifest of the file *name*, as it was put; an empty one if it is no large file."""
        answer = self._client.ask(
            'GET', self._container, name, query='?multipart-manifest=get&format=raw', stream=True, passing=(404,)
        )
        if answer.body is None:
            return answer.headers, []
        with answer.body as body:
            # Replaced since it was looked at, this is the whole content of a file, and not for us to read.
            if not is_slo(answer.headers):
                return answer.headers, []
            with self._client.translated(name):
                return answer.headers, manifest(body.read())

    def of_all(self, entries: Iterable[Entry]) -> list[str]:
        """The names of the segments, made by this driver, of those files in a listing that are large."""
        names = [entry.name for entry in entries if entry.is_slo]
        return [segment for name in names for segment in self._own(self.manifest(name)[1])]

    def _own(self, entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        ours = f'/{self.place}/'
        for entry in entries:
            path = str(entry['path'])
            if path.startswith(ours) and _SEGMENT.fullmatch(path, len(ours)):
                yield path[len(ours) :]

    def _may_be_some(self) -> bool:
        """Whether there is a container of segments: that there is none is believed for a minute."""
        if time.monotonic() < self._absent_until and self.place not in self._client.seen:
            return False
        if self._client.is_there(self.place):
            return True
        self._absent_until = time.monotonic() + ABSENT_S
        return False

    # --- What comes and goes.

    def folder(self, name: str) -> str:
        """A place for the segments of one upload of *name*."""
        return f'{self._container}/{name}/fs-{secrets.token_hex(16)}'

    def put(self, folder: str, number: int, piece: Piece, *, about: str) -> Answer:
        """Store one segment; the answer tells its ETag."""
        headers = {'ETag': piece.md5, 'Content-Type': 'application/octet-stream'}
        return self._client.put(self.place, f'{folder}/{number:06}', piece.body, headers, about=about)

    def entry(self, folder: str, number: int, piece: Piece) -> dict[str, Any]:
        """What a manifest says of a segment."""
        return {'path': f'/{self.place}/{folder}/{number:06}', 'etag': piece.md5, 'size_bytes': piece.size}

    def copies(self, entries: Sequence[Mapping[str, Any]], folder: str, *, about: str) -> Iterator[dict[str, Any]]:
        """The entries of a manifest of copies, made inside the store one by one, of the segments of another."""
        for number, entry in enumerate(entries):
            container, _, name = str(entry['path']).lstrip('/').partition('/')
            target = f'{folder}/{number:06}'
            copy = {**entry, 'path': f'/{self.place}/{target}'}
            yield copy
            answer = self._client.copy(container, name, self.place, target, about=about)
            copy['etag'] = etag_of(answer.headers)

    def names(self, entries: Iterable[Mapping[str, Any]]) -> list[str]:
        """The names of the segments of a manifest in their container."""
        return [str(entry['path']).removeprefix(f'/{self.place}/') for entry in entries]

    def remove(self, names: Iterable[str], *, about: str | None) -> None:
        """Remove segments."""
        self._client.remove(self.place, names, about=about)

    def discard(self, names: Iterable[str], *, about: str | None) -> bool:
        """Remove segments that nothing names any more; false if that failed, and :meth:`sweep` has to do it."""
        try:
            self.remove(names, about=about)
        except FSError:
            return False
        return True

    def sweep(self, prefix: str, older_than_s: float, page_names: int) -> int:
        """Remove segments of files beginning with *prefix* that no manifest names; the number of those removed."""
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        listed = self._client.listed(self.place, f'{self._container}/{prefix}', page_names)
        matched = ((match, entry) for entry in listed if (match := _SEGMENT.fullmatch(entry.name)))
        count = 0
        # One upload's segments stand together: a listing is in the order of names.
        for (_, name), found in groupby(matched, lambda pair: (pair[0]['folder'], pair[0]['name'])):
            entries = [entry for _, entry in found]
            if max(entry.modified for entry in entries) < limit:
                named = set(self.of(name))
                orphans = [entry.name for entry in entries if entry.name not in named]
                self.remove(orphans, about=name)
                count += len(orphans)
        return count
