"""Removing files that a row no longer refers to, after the commit.

What the database had before is compared with what it has after, not with what this process remembers. The row is locked for
that, so of two transactions that replace its files at the same time, the later one finds the files of the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapper

from flask_fs.references import FileReference
from flask_fs.transaction import Cleanup, removes

from . import late_changes, stale_data, units
from .flushed_row import FlushedRow, Values, files_in, references
from .lists import FileList
from .owner import ColumnOwner
from .row_files import File, files_of, named
from .tracking import mapped_classes

# event.contains() compares addresses, which can be those of former classes.
_watched: weakref.WeakSet[type] = weakref.WeakSet()


@event.listens_for(object, 'attribute_instrument', propagate=True)
def _watch(mapped_class: type, key: str, _: Any) -> None:
    """Register listeners for a class when it gets its first attribute with files."""
    if mapped_class in mapped_classes and mapped_class not in _watched:
        _watched.add(mapped_class)
        event.listen(mapped_class, 'before_insert', _before_insert)
        event.listen(mapped_class, 'before_update', _before_update)
        event.listen(mapped_class, 'before_delete', _before_delete)
        # Before the application's listeners, whose changes are no longer written.
        event.listen(mapped_class, 'after_insert', _after_write, insert=True)
        event.listen(mapped_class, 'after_update', _after_write, insert=True)
        event.listen(mapped_class, 'after_delete', _after_delete, insert=True)


class _Written:
    """A row that is about to be written or deleted: the listeners here were called, and others may still change it.

    :param stored: What the database has in each attribute; None if that was not read.
    :param merged: The lists that have what others have changed since.
    """

    def __init__(self, row: FlushedRow, stored: Mapping[str, Any] | None, merged: Collection[str] = ()) -> None:
        self.row = row
        self._stored = stored
        self._merged = {*merged}
        #: The attributes that have changed since, maybe to a new file of the same name.
        self.keys: set[str] = set()
        #: What the row referred to when the listeners here were called.
        self._known = {
            key: [row.owners[key].column_type._as_reference(item.stored) for item in items]
            for key, items in row.in_memory().items()
        }

    def changed(self, key: str, value: Any) -> None:
        """Read the value in the database before it is overwritten."""
        self.keys.add(key)
        if self._stored is None:
            self._stored = self.row.in_database()
        if key not in self._merged and _merge_list(self.row, value, self._stored.get(key)):
            self._merged.add(key)
        stale_data.check_kept(self.row, [key], references(self._stored))

    def before(self) -> Values:
        """What the row has had in the database, and what it had got in this transaction: no files of others."""
        stored = references(self._stored or {})
        mine = files_in(stored) | units.created(self.row.instance)
        known = {key: [each for each in items if mine.issuperset(files_of(each))] for key, items in self._known.items()}
        return {key: [*stored.get(key, ()), *known.get(key, ())] for key in {*stored, *known}}


def _before_insert(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    stale_data.check_merged(row, row.owners, {}, 'on_delete')
    _replace(row, {}, row.owners)
    late_changes.watch(instance, _Written(row, {}, row.owners))


def _before_update(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    changed, stored = row.changed(), None
    if changed:
        lists = [key for key in changed if isinstance(row.state.dict.get(key), FileList)]
        has_policy = any(row.owners[key].column_type.on_replace != 'keep' for key in changed)
        if lists or has_policy or _former_files(row) or stale_data.is_possible(row, changed):
            stored = row.in_database()
            for key in lists:
                _merge_list(row, row.state.dict[key], stored.get(key))
        before = references(stored or {})
        stale_data.check_kept(row, changed, before)
        stale_data.check_merged(row, changed, before, 'on_replace')
        _keep_files_of_others(row, before)
        _replace(row, before, changed)
    late_changes.watch(instance, _Written(row, stored, changed))


def _before_delete(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    has_policy = any(owner.column_type.on_delete != 'keep' for owner in row.owners.values())
    stored = row.in_database() if has_policy or _former_files(row) else None
    _delete(row, references(stored or {}))
    late_changes.watch(instance, _Written(row, stored, row.owners))


def _after_write(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Handle changes that listeners made to the row after this package's listeners: they are written too."""
    written: _Written = late_changes.unwatch(instance)
    row = written.row
    if written.keys or not files_in(row.in_memory()).isdisjoint(row.new_files()):
        before = written.before()
        _keep_files_of_others(row, before)
        _replace(row, before, written.keys)


def _after_delete(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Handle files that listeners stored or removed after this package's listeners."""
    written: _Written = late_changes.unwatch(instance)
    if units.unwritten(instance) is not None:
        _delete(written.row, written.before())


def _merge_list(row: FlushedRow, value: Any, theirs: Any) -> bool:
    """Merge the list that the database has, *theirs*, into the list *value*; False if one of them is no list."""
    if not isinstance(value, FileList) or not isinstance(theirs, FileList):
        return False
    value._merge(theirs, row.new_files())
    return True


def _replace(row: FlushedRow, before: Values, changed: Collection[str]) -> None:
    """Remove the files that *row* had *before* in attributes that have *changed*, or got since, and no longer has."""
    since, current = row.since_written(), row.in_memory()
    used = files_in({**before, **current})
    removed: set[File] = set()
    for key in changed:
        owner, former = row.owners[key], before.get(key, ())
        unused = [item for item in since[key] if not used.issuperset(files_of(item))]
        removed.update(_removed(owner, owner.column_type.on_replace, [*former, *unused]))
        removed.update(_remade(row, owner, former, current.get(key, ())))
    _record(row, removed - used, used)
    for key in changed:
        if isinstance(value := row.state.dict.get(key), FileList):
            value._synchronize()


def _delete(row: FlushedRow, before: Values) -> None:
    """Remove the files that *row*, which is being deleted, had *before* or got since."""
    _keep_files_of_others(row, before)
    since = row.since_written(row.in_memory())
    removed: set[File] = set()
    for key, owner in row.owners.items():
        removed.update(_removed(owner, owner.column_type.on_delete, [*before.get(key, ()), *since[key]]))
    _record(row, removed, ())


def _removed(owner: ColumnOwner, policy: Cleanup, given: Iterable[FileReference]) -> Iterator[File]:
    """The files of *given* that *policy* removes, except shared files."""
    shared = owner.shared_files()
    for reference in given:
        if reference and removes(policy, reference):
            yield from (named(reference, name) for name in reference.stored.files() if name not in shared)


def _remade(
    row: FlushedRow, owner: ColumnOwner, before: Iterable[FileReference], current: Iterable[FileReference]
) -> Iterator[File]:
    """Files that the row had *before*, and that new files made from the same images have replaced.

    Another transaction may have made them since this one read the row, and nobody else knows of them.
    """
    created, shared = row.new_files(), owner.shared_files()
    remade = [item.stored for item in current if not created.isdisjoint(files_of(item))]
    for item in before:
        for name in {name for new in remade for name in item.stored.remade_in(new)}.difference(shared):
            yield named(item, name)


def _record(row: FlushedRow, removed: Iterable[File], used: Iterable[File]) -> None:
    """Record in the transaction which files the row no longer refers to, and which it uses."""
    files, state = units.written(row.instance, row.connection), weakref.ref(row.state)
    files.refers.update({(file, state): False for file in removed})
    files.refers.update({(file, state): True for file in used})


def _former_files(row: FlushedRow) -> set[File]:
    """The files that are to be removed because the row had them before, according to the values in memory."""
    files = units.unwritten(row.instance)
    if files is None or not (unused := set(files.unit.unused).difference(files.created())):
        return set()
    if len(files.rows) == 1:
        return unused
    known = ((reference(), stored) for reference, stored in files.former)
    mine = [(each, stored) for each, stored in known if each is not None and each.instance is row.instance]
    return unused & {named(reference, name) for reference, stored in mine for name in stored.files()}


def _keep_files_of_others(row: FlushedRow, before: Values) -> None:
    """Of the row's former files, remove only those that it still has in the database.

    Another transaction may have replaced and removed the others, and the row of a third one may have their names.
    """
    files = units.unwritten(row.instance)
    for storage, filename in _former_files(row) - files_in(before):
        assert files is not None, 'they are among its files'
        files.unit.keep(storage, filename)
