"""Listing the files of storages and the references to them, while both can change."""

from __future__ import annotations

import datetime
import itertools
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import names
from ..backends.contract import FileInfo
from ..errors import FileNotFound, FSError
from ..storage import Storage
from .inventory import Inventory
from .locations import Locations
from .outcome import Outcome, Progress
from .sources import Reference, ReferenceSource, storage_itself, whole_name

logger = logging.getLogger(__name__)

#: How many files are listed between two reports of progress.
_BATCH = 1000
#: The maximum number of values inside a malformed value that are searched for filenames.
_MAX_TEXTS = 1000


class FoundReference(NamedTuple):
    """A reference, and those of its files that were not listed.

    :param source: The source of the reference.
    :param reference: The reference.
    :param absent: The full names of its files that were not listed.
    """

    source: ReferenceSource
    reference: Reference
    absent: list[str]


class Survey:
    """The files in storages, and the references to them.

    Call the methods in this order. A file is stored before its row is committed, and removed after the commit. So files are listed
    first: if nothing refers to a listed file afterward, it has no row, unless its transaction is still open. *older_than_s* excludes
    files of open transactions.
    """

    def __init__(
        self,
        locations: Locations,
        inventory: Inventory,
        storages: list[Storage],
        older_than_s: float,
        progress: Progress,
    ) -> None:
        self._locations = locations
        self._inventory = inventory
        self._storages = storages
        self._older_than_s = older_than_s
        now = datetime.datetime.now(datetime.timezone.utc)
        self._limit = now - datetime.timedelta(seconds=older_than_s) if older_than_s else None
        self._progress = progress

    def list_files(self) -> None:
        """List the files of all storages. Call this first."""
        for storage in self._storages:
            listed, count = iter(storage.scan()), 0
            while batch := list(itertools.islice(listed, _BATCH)):
                kept = [info for info in batch if self._is_own(storage, info.name)]
                self._inventory.add(storage.name, ((info.name, info.modified) for info in kept))
                self._progress(f'files of {storage.name!r}', count := count + len(batch))

    def _is_own(self, storage: Storage, filename: str) -> bool:
        # A legacy backend can list names that no operation accepts.
        return names.is_valid(filename) and not self._locations.is_of_another(storage, filename)

    def references(self) -> Iterator[FoundReference]:
        """Every reference to files of these storages. Call this second, and exhaust it."""
        count = 0
        for source in self._locations.sources:
            for reference in source.references():
                count += 1
                if count % _BATCH == 0:
                    self._progress('references', count)
                storage = storage_itself(reference.storage)
                whole = [whole_name(reference.storage, name) for name in reference.stored.files()]
                absent = [name for name in whole if not self._use(storage, name)]
                if reference.stored.problem is not None:
                    # Keep every file that a malformed value mentions.
                    for text in _texts(reference.stored.raw):
                        self._use(storage, text)
                        self._use(storage, whole_name(reference.storage, text))
                if storage in self._storages:
                    yield FoundReference(source, reference, absent)
        self._progress('references', count)

    def _use(self, storage: Storage, filename: str) -> bool:
        found = [self._inventory.use(other.name, name) for other, name in self._locations.same_file(storage, filename)]
        return any(found)

    def unused(self, storage: Storage) -> Iterator[list[FileInfo]]:
        """The files of *storage* that nothing refers to, in batches, each checked again. Call this last."""
        self._use_recent_entries()
        for filenames in self._inventory.unused(storage.name, self._limit):
            infos = (stat(storage, filename) for filename in filenames)
            there = [info for info in infos if info is not None and self._is_old(info)]
            used = self._locations.referenced(storage, [info.name for info in there]) if there else ()
            yield [info for info in there if info.name not in used]

    def _use_recent_entries(self) -> None:
        """Keep files with recent entries: a direct upload can be old, and be accepted in a transaction that is still open."""
        if self._limit is None:
            return
        for journal in self._locations.journals:
            for entry in journal.entries(0):
                if entry.at > self._limit and (storage := self._locations.by_name(entry.storage)) is not None:
                    self._use(storage, entry.filename)

    def _is_old(self, info: FileInfo) -> bool:
        return self._limit is None or (info.modified is not None and info.modified <= self._limit)


def stat(storage: Storage, filename: str) -> FileInfo | None:
    """The metadata of a file; None if it does not exist."""
    try:
        return storage.stat(filename)
    except FileNotFound:
        return None


def remove(storage: Storage, info: FileInfo, reason: str) -> Outcome:
    """Remove a file unless it was replaced since *info*. Errors are logged and returned as the outcome."""
    try:
        now = stat(storage, info.name)
        if now is None:
            return Outcome(storage.name, info.name, 'kept', 'it does not exist')
        if (now.etag, now.modified, now.size) != (info.etag, info.modified, info.size):
            return Outcome(storage.name, info.name, 'unsure', 'it was replaced a moment ago')
        storage.remove(info.name)
    except FSError as error:
        logger.error('%r stays in storage %r: %s', info.name, storage.name, error)
        return Outcome(storage.name, info.name, 'failed', str(error))
    except Exception as error:  # raised by a signal's receiver or a custom backend
        logger.exception('Removing %r from storage %r failed', info.name, storage.name)
        return Outcome(storage.name, info.name, 'failed', f'{type(error).__name__}: {error}')
    return Outcome(storage.name, info.name, 'removed', reason)


def _texts(value: Any) -> Iterator[str]:
    """The strings in a value of any kind that could be filenames, up to a limit."""
    waiting, seen = [value], 0
    while waiting and seen < _MAX_TEXTS:
        value, seen = waiting.pop(), seen + 1
        if isinstance(value, str):
            if names.is_valid(value):
                yield value
        elif isinstance(value, dict):
            waiting.extend(itertools.islice(value.values(), _MAX_TEXTS))
        elif isinstance(value, (list, tuple)):
            waiting.extend(value[:_MAX_TEXTS])
