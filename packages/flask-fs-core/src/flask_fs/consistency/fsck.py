"""Comparing the files of storages with the rows that refer to them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from flask import Flask

from ..backends.checksums import Checksum
from ..backends.contract import FileInfo
from ..errors import ChecksumMismatch, FileNotFound, FSError, PermissionDenied
from ..storage import Storage
from .inventory import BATCH, Inventory
from .locations import Locations, in_context
from .outcome import Outcome, Progress
from .sources import Reference, ReferenceSource, storage_itself, whole_name
from .survey import FoundReference, Survey, remove, stat

__all__ = ['Finding', 'Outcome', 'check', 'repair']

#: Hash algorithms with a fixed length.
_ALGORITHMS = frozenset(name for name in hashlib.algorithms_guaranteed if not name.startswith('shake'))
#: How often a file is read if it is replaced in the meantime.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Finding:
    """A file and a row that do not match.

    :param kind: ``orphan``: a file that nothing refers to; ``missing``: a reference to a file that does not exist; ``altered``: a
        file whose content differs from its checksum; ``malformed``: a stored value that cannot be read as a reference.
    :param storage: The name of the storage.
    :param filename: The full name of the file; None if a malformed value has none.
    :param where: The owner of the reference, such as ``document of Report 17``; empty for an orphan.
    :param detail: Details, in a few words.
    :param info: The metadata of an orphan.
    :param reference: The reference.
    :param source: The source of the reference.
    """

    kind: Literal['orphan', 'missing', 'altered', 'malformed']
    storage: str
    filename: str | None
    where: str
    detail: str
    info: FileInfo | None = None
    reference: Reference | None = None
    source: ReferenceSource | None = None


def check(
    app: Flask,
    storages: Iterable[Storage | str] | None = None,
    *,
    content: bool = False,
    older_than_s: float = 3600,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Compare files and rows, and yield what does not match. Nothing is changed.

    Files and rows can change in the meantime: each finding is checked again before it is reported. Memory does not grow with the
    number of files. Orphans are reported last, once everything was listed.

    :param storages: The storages, or their names; by default, all that any row refers to.
    :param content: Whether to read all files and compare them with the checksums of rows and stores. Otherwise, a row's checksum is
        compared with the one that the store reports, if both use the same algorithm.
    :param older_than_s: The minimum age of an orphan in seconds: the row of a younger file might not be committed yet.
    :param progress: Called from time to time.
    :raises ConfigurationError: Immediately, if no database is registered, or none refers to one of the storages.
    """
    locations = Locations(app)
    selected = locations.selected(locations.storages if storages is None else storages)
    return in_context(app, _check(locations, selected, content, older_than_s, progress or (lambda _, __: None)))


def _check(
    locations: Locations, storages: list[Storage], content: bool, older_than_s: float, progress: Progress
) -> Generator[Finding]:
    with Inventory() as inventory:
        survey = Survey(locations, inventory, storages, older_than_s, progress)
        survey.list_files()
        for found in survey.references():
            yield from _check_reference(found, inventory, content)
        if content:
            for storage in storages:
                yield from _check_content(storage, inventory, progress)
        for storage in storages:
            doubt = locations.in_doubt(storage)
            for infos in survey.unused(storage):
                for info in infos:
                    detail = f'{info.size} bytes' if doubt is None else f'{info.size} bytes; {doubt}'
                    yield Finding('orphan', storage.name, info.name, '', detail, info=info)


def _check_reference(found: FoundReference, inventory: Inventory, content: bool) -> Iterator[Finding]:
    source, reference, absent = found
    storage, stored = storage_itself(reference.storage), reference.stored
    main = None if stored.filename is None else whole_name(reference.storage, stored.filename)
    if stored.problem is not None and source.holds(reference):
        yield Finding('malformed', storage.name, main, reference.where, stored.problem, None, reference, source)
    for filename in absent:
        if _is_missing(storage, filename, found):
            what = 'the main file' if filename == main else 'a file made from it, or its original'
            yield Finding('missing', storage.name, filename, reference.where, what, None, reference, source)
    if main is not None and main not in absent and stored.checksum is not None:
        detail = _altered(storage, main, stored.checksum, content)
        if content:
            inventory.skip(storage.name, main)
        if detail is not None and source.holds(reference):
            yield Finding('altered', storage.name, main, reference.where, detail, None, reference, source)


def _is_missing(storage: Storage, filename: str, found: FoundReference) -> bool:
    # Twice: a file can be stored and its row committed between the first two checks.
    return all(not storage.exists(filename) and found.source.holds(found.reference) for _ in range(2))


# --- The content.


def _check_content(storage: Storage, inventory: Inventory, progress: Progress) -> Iterator[Finding]:
    """Compare every file that was not read yet with the store's checksum."""
    count = 0
    for filenames in inventory.unread(storage.name):
        for filename in filenames:
            if (detail := _altered(storage, filename, None, content=True)) is not None:
                yield Finding('altered', storage.name, filename, '', detail)
        progress(f'files of {storage.name!r} read', count := count + len(filenames))


def _altered(storage: Storage, filename: str, recorded: str | None, content: bool) -> str | None:
    """How the content of a file differs from the checksum of its row (*recorded*) or its store; None if it does not."""
    for _ in range(_ATTEMPTS):
        if (before := stat(storage, filename)) is None:
            return None
        detail = _difference(storage, before, recorded, content)
        if detail is None:
            return None
        after = stat(storage, filename)
        if after is not None and _version(after) == _version(before):
            return detail
    return None


def _version(info: FileInfo) -> tuple[object, ...]:
    return info.etag, info.modified, info.size, info.checksum


def _difference(storage: Storage, info: FileInfo, recorded: str | None, content: bool) -> str | None:
    if not content:
        same_kind = (
            recorded is not None and info.checksum is not None and _algorithm(info.checksum) == _algorithm(recorded)
        )
        return (
            f'{recorded} was recorded, the store has {info.checksum}'
            if same_kind and info.checksum != recorded
            else None
        )
    expected = {'was recorded': recorded, 'is what the store has': info.checksum}
    checks = {
        what: (checksum, Checksum(_algorithm(checksum)))
        for what, checksum in expected.items()
        if checksum is not None and _algorithm(checksum) in _ALGORITHMS
    }
    if not checks:
        return None
    try:
        for chunk in storage.read_chunks(info.name):
            for _, seen in checks.values():
                seen.update(chunk)
    except FileNotFound:
        return None
    except (ChecksumMismatch, PermissionDenied) as error:
        return f'it cannot be read: {error.reason or type(error).__name__}'
    differing = [
        f'{checksum} {what}, it is {seen}' for what, (checksum, seen) in checks.items() if str(seen) != checksum
    ]
    return '; '.join(differing) or None


def _algorithm(checksum: str) -> str:
    return checksum.partition(':')[0]


# --- Repair.


def repair(app: Flask, findings: Iterable[Finding]) -> Iterator[Outcome]:
    """Fix what was found, and yield what was done: remove orphans, and empty references whose files are all missing.

    Everything is checked again right before. A reference stays if only some of its files are missing. Altered files and malformed
    values stay too.

    :param findings: Findings of :func:`check`. Exhaust it before you fix missing files: it reads the database until then.
    :raises ConfigurationError: Immediately, if no database is registered.
    """
    return in_context(app, _repair(Locations(app), iter(findings)))


def _repair(locations: Locations, findings: Iterator[Finding]) -> Generator[Outcome]:
    while batch := list(itertools.islice(findings, BATCH)):
        orphans = [finding for finding in batch if finding.kind == 'orphan']
        for name in dict.fromkeys(finding.storage for finding in orphans):
            yield from _remove_orphans(locations, name, [finding for finding in orphans if finding.storage == name])
        for finding in batch:
            if finding.kind == 'missing':
                yield _clear(finding)
            elif finding.kind != 'orphan':
                yield _outcome(finding, 'kept', f'{finding.kind}: check it manually')


def _remove_orphans(locations: Locations, name: str, findings: list[Finding]) -> Iterator[Outcome]:
    [storage] = locations.selected([name])
    doubt = locations.in_doubt(storage)
    used = locations.referenced(storage, [finding.filename for finding in findings if finding.filename is not None])
    for finding in findings:
        if finding.filename in used:
            yield _outcome(finding, 'kept', 'a row refers to it now')
        elif doubt is not None:
            yield _outcome(finding, 'unsure', doubt)
        elif finding.info is not None:
            yield remove(storage, finding.info, 'no row of this application refers to it')


def _clear(finding: Finding) -> Outcome:
    source, reference = finding.source, finding.reference
    assert source is not None, 'a missing file is always found through a reference'
    assert reference is not None, 'see above'
    if any(reference.storage.exists(name) for name in reference.stored.files()):
        return _outcome(finding, 'kept', 'other files of this reference exist: store its file again, or rerender it')
    if reference.stored.problem is not None:
        return _outcome(finding, 'kept', 'its value is malformed: check it manually')
    try:
        is_cleared = source.clear(reference)
    except FSError as error:
        # Such as a column that is not nullable: the others can be cleared anyway.
        return _outcome(finding, 'failed', str(error))
    if not is_cleared:
        return _outcome(finding, 'kept', 'the reference has changed')
    return _outcome(finding, 'cleared', f'{finding.where} is empty now')


def _outcome(finding: Finding, action: Literal['cleared', 'kept', 'unsure', 'failed'], reason: str) -> Outcome:
    return Outcome(finding.storage, finding.filename or '', action, reason)
