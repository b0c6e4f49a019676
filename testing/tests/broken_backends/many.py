"""Backends that are each broken in one way: many files removed at once."""

from __future__ import annotations

import json
from collections.abc import Iterable

from http_store import PAGE, HTTPBackend

import flask_fs as fs
from flask_fs.backends import batched
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

NOTHING_ELSE = 'test_many_are_removed_and_nothing_else'
MORE = 'test_more_are_removed_than_one_request_takes'
INVALID = 'test_an_invalid_name_among_many_removes_none'
REPORTED = 'test_a_file_that_cannot_be_removed_is_reported'
REFUSED = 'test_what_a_refused_request_leaves_is_reported'


@caught_by(NOTHING_ELSE)
class DeletesMany(MemoryBackend):
    """With what is under them."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        for name in names:
            self._delete(name)
        return {}


@caught_by(NOTHING_ELSE)
class ReportsWhatIsNotThere(MemoryBackend):
    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        names = list(names)
        missing = {name: self.error(fs.FileNotFound, name) for name in names if name not in self._files}
        return super()._remove_many(names) | missing


@caught_by(NOTHING_ELSE, MORE)
class SendsNamesByLines(HTTPBackend):
    """Without the blanks at their ends."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        return super()._remove_many(name.strip().partition(' ')[0] if '+' in name else name.strip() for name in names)


@caught_by(MORE)
class RemovesOneBatch(HTTPBackend):
    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        return super()._remove_many(next(batched(names, PAGE)) if (names := list(names)) else ())


@caught_by(MORE)
class LosesANameBetweenBatches(MemoryBackend):
    """Reads one more to see whether there are more."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        left = iter(names)
        while batch := [name for name, _ in zip(left, range(1000), strict=False)]:
            super()._remove_many(batch)
        return {}


@caught_by(INVALID)
class ChecksOneByOne(MemoryBackend):
    def remove_many(self, filenames: Iterable[str]) -> dict[str, fs.FSError]:
        for filename in filenames:
            self.remove(filename)
        return {}


@caught_by(INVALID)
class LeavesOutWhatIsInvalid(MemoryBackend):
    def remove_many(self, filenames: Iterable[str]) -> dict[str, fs.FSError]:
        return super().remove_many(name for name in filenames if fs.names.is_valid(name))


@caught_by(REPORTED)
class StopsAtTheFirstFailure(MemoryBackend):
    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        for name in names:
            self._remove(name)
        return {}


@caught_by(REPORTED)
class ReportsNoFailure(MemoryBackend):
    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        super()._remove_many(names)
        return {}


@caught_by(REPORTED)
class ReportsKeys(MemoryBackend):
    """With the key prefix."""

    def remove_many(self, filenames: Iterable[str]) -> dict[str, fs.FSError]:
        return self._remove_many(map(self._key, filenames))


@caught_by(REFUSED)
class ReportsNoRefusal(HTTPBackend):
    """Looks into the response for files that failed, and there are none in this one."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        super()._remove_many(names)
        return {}


@caught_by(REFUSED)
class RaisesOneForAll(HTTPBackend):
    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        for batch in batched(names, 2):
            self._ask('POST', body=json.dumps(batch).encode()).close()
        return {}


@caught_by(REFUSED)
class ReportsAllForOne(HTTPBackend):
    """What other batches have removed, too."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        names = list(names)
        failed = [error for batch in batched(names, 2) for error in super()._remove_many(batch).values()]
        return dict.fromkeys(names, failed[0]) if failed else {}


@caught_by(REFUSED)
class ReportsTheLastBatchAlone(HTTPBackend):
    """The failures of one request replace those of the one before."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        failures: dict[str, fs.FSError] = {}
        for batch in batched(names, PAGE):
            failures = super()._remove_many(batch)
        return failures
