"""Removing files that crashes left behind: those of rows that were never committed, and those that were about to be removed."""

from __future__ import annotations

import datetime
import itertools
import pickle
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from typing import IO, Literal, NamedTuple

from flask import Flask

from .. import names
from ..backends.contract import FileInfo
from ..storage import Storage
from .inventory import BATCH, Inventory
from .journal import Entry, Journal
from .locations import Locations, in_context
from .outcome import Outcome, Progress
from .survey import Survey, remove, stat

__all__ = ['Outcome', 'collect']

#: How much the clocks of a store and a database can differ, in seconds. Smaller differences prove nothing.
SKEW_S = 300
#: How much a file's time can differ from its entry's, in seconds, if it is certainly the same file. Some stores truncate times to
#: seconds, and the entry can be younger than the file if the file was stored before its row joined a transaction.
TOLERANCE_S = {'created': 60, 'unused': 2}


def collect(
    app: Flask,
    *,
    older_than_s: float = 3600,
    dry_run: bool = False,
    scan: Iterable[Storage | str] = (),
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Process the entries of all journals, and yield what was done with each file.

    A file is removed if nothing refers to it: its row was never committed, or no longer refers to it. A file stays if anything
    refers to it, in any database of the application, and whenever there is doubt.

    :param older_than_s: The minimum age of an entry in seconds: longer than any transaction takes.
    :param dry_run: Whether to change neither files nor journals.
    :param scan: Storages, or their names, in which to also remove every file of that age that nothing refers to. Use it only for
        storages in which every file belongs to a row of a database that is registered with *app*.
    :param progress: Called from time to time.
    :raises ConfigurationError: Immediately, if no database is registered, or none refers to a storage in *scan*.
    """
    locations = Locations(app)
    storages = locations.selected(scan)
    return in_context(app, _collect(locations, storages, older_than_s, dry_run, progress or _ignore))


def _ignore(_: str, __: int) -> None:
    """Report no progress."""


def _collect(
    locations: Locations, scanned: list[Storage], older_than_s: float, dry_run: bool, progress: Progress
) -> Generator[Outcome]:
    settled = 0
    for journal in locations.journals:
        with tempfile.SpooledTemporaryFile(max_size=2**20) as file:
            # Read all entries first: processing them changes the journal.
            for entry in journal.entries(older_than_s):
                pickle.dump(entry, file)
            file.seek(0)
            entries = _unpickled(file)
            while batch := list(itertools.islice(entries, BATCH)):
                yield from _settle(locations, journal, batch, older_than_s, dry_run)
                progress('entries of the journal', settled := settled + len(batch))
    if scanned:
        yield from _scan(locations, scanned, older_than_s, dry_run, progress)


def _unpickled(file: IO[bytes]) -> Iterator[Entry]:
    while True:
        try:
            yield pickle.load(file)  # written by this process to a file without a name
        except EOFError:
            return


# --- The journal.


class _Verdict(NamedTuple):
    """What to do with the file of an entry. The action of *outcome* is ``removed`` if it should be removed."""

    entry: Entry
    outcome: Outcome
    info: FileInfo | None = None
    is_settled: bool = False


def _settle(
    locations: Locations, journal: Journal, entries: list[Entry], older_than_s: float, dry_run: bool
) -> Iterator[Outcome]:
    by_storage: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_storage[entry.storage].append(entry)
    for name, several in by_storage.items():
        storage = locations.by_name(name)
        if storage is None:
            for entry in several:
                yield Outcome(name, entry.filename, 'unsure', 'the application has no storage with that name')
            continue
        for entry in several:
            if not names.is_valid(entry.filename):
                yield Outcome(name, entry.filename, 'unsure', 'it is not a valid filename')
        several = [entry for entry in several if names.is_valid(entry.filename)]
        if (doubt := locations.in_doubt(storage)) is not None:
            yield from (Outcome(name, entry.filename, 'unsure', doubt) for entry in several)
            continue
        # First the file, then the references to it: a row that is committed in between is found, and none can be committed
        # later, since the entry is claimed, and there is no other entry for the file.
        verdicts = [_judge(entry, stat(storage, entry.filename), older_than_s) for entry in several]
        if not dry_run:
            verdicts = [_claimed(journal, verdict) for verdict in verdicts]
            verdicts = _without_others(locations.journals, verdicts, older_than_s)
        used = locations.referenced(storage, {verdict.entry.filename for verdict in verdicts})
        done: list[str] = []
        for verdict in verdicts:
            outcome = verdict.outcome
            if verdict.entry.filename in used:
                outcome = outcome._replace(action='kept', reason='a row refers to it')
            elif outcome.action == 'removed' and verdict.info is not None and not dry_run:
                outcome = remove(storage, verdict.info, outcome.reason)
            if outcome.action in ('removed', 'kept') and not verdict.is_settled:
                done.append(verdict.entry.id)
            yield outcome
        if done and not dry_run:
            journal.done(done)


def _claimed(journal: Journal, verdict: _Verdict) -> _Verdict:
    """*verdict*. If the file should be removed, first ensure that the transaction that stored it can no longer commit."""
    outcome, entry = verdict.outcome, verdict.entry
    if outcome.action != 'removed' or entry.action != 'created' or journal.claim(entry.id):
        return verdict
    return verdict._replace(
        outcome=outcome._replace(action='kept', reason='it was settled a moment ago'), is_settled=True
    )


def _without_others(journals: Iterable[Journal], verdicts: list[_Verdict], older_than_s: float) -> list[_Verdict]:
    """*verdicts*, except that a file stays if another transaction, which might still be open, has an entry for its name.

    A transaction writes an entry before it finds out that a name is in use. If it crashes then, the entry is about another file.
    """
    limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
    mine = {verdict.entry.id for verdict in verdicts}
    removed = {verdict.entry.filename for verdict in verdicts if verdict.outcome.action == 'removed'}
    entries = (entry for journal in journals for entry in journal.entries(0)) if removed else ()
    theirs = {
        (entry.storage, entry.filename)
        for entry in entries
        if entry.filename in removed and entry.id not in mine and (entry.action == 'created' or entry.at > limit)
    }
    reason = 'another transaction might have stored it: run gc again later'
    return [
        verdict._replace(outcome=verdict.outcome._replace(action='unsure', reason=reason))
        if (verdict.entry.storage, verdict.entry.filename) in theirs
        else verdict
        for verdict in verdicts
    ]


def _judge(entry: Entry, info: FileInfo | None, older_than_s: float) -> _Verdict:
    """What to do with the file of *entry*, if nothing refers to it."""

    def verdict(action: Literal['removed', 'kept', 'unsure'], reason: str) -> _Verdict:
        return _Verdict(entry, Outcome(entry.storage, entry.filename, action, reason), info)

    if info is None:
        return verdict('kept', 'it does not exist')
    if info.modified is None:
        return verdict('unsure', 'its backend does not report when it was stored')
    if older_than_s and (datetime.datetime.now(datetime.timezone.utc) - info.modified).total_seconds() < older_than_s:
        return verdict('unsure', 'it was stored a short time ago: run gc again later')
    # Positive if the entry is about this file.
    surplus_s = (info.modified - entry.at).total_seconds()
    if entry.action == 'unused':
        surplus_s = -surplus_s
    if surplus_s >= -TOLERANCE_S[entry.action]:
        reason = 'its row was not committed' if entry.action == 'created' else 'its row no longer refers to it'
        return verdict('removed', reason)
    if surplus_s < -SKEW_S:
        return verdict('kept', f'the entry ({entry.action}) is about another file: the times differ')
    return verdict('unsure', f'the entry ({entry.action}) might be about another file: the times are close')


# --- Files without an entry.


def _scan(
    locations: Locations, storages: list[Storage], older_than_s: float, dry_run: bool, progress: Progress
) -> Iterator[Outcome]:
    with Inventory() as inventory:
        survey = Survey(locations, inventory, storages, older_than_s, progress)
        survey.list_files()
        for _ in survey.references():
            pass
        for storage in storages:
            doubt = locations.in_doubt(storage)
            for infos in survey.unused(storage):
                for info in infos:
                    if doubt is not None:
                        yield Outcome(storage.name, info.name, 'unsure', doubt)
                    elif dry_run:
                        yield Outcome(storage.name, info.name, 'removed', 'no row of this application refers to it')
                    else:
                        yield remove(storage, info, 'no row of this application refers to it')
