"""Removal of files that a row no longer refers to, after the commit.

The files of a row are compared with those in the database, not with those that this process remembers. For that, the row is
locked, so if two transactions replace its files at the same time, the later one finds the files of the earlier one.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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
        # Called before the application's listeners, whose changes are no longer written.
        event.listen(mapped_class, 'after_insert', _after_write, insert=True)
        event.listen(mapped_class, 'after_update', _after_write, insert=True)
        event.listen(mapped_class, 'after_delete', _after_delete, insert=True)


class _LateChanges:
    """Changes that the application's listeners make to a row after this package's listeners, before it is written or deleted.

    :param stored: The value of each attribute in the database; None if it was not read.
    :param merged: The attributes with lists that already contain the changes of other transactions.
    :param read: Reads the value of each attribute in the database.
    """

    def __init__(
        self,
        row: FlushedRow,
        stored: Mapping[str, Any] | None,
        merged: Collection[str],
        read: Callable[[FlushedRow], Mapping[str, Any]] = FlushedRow.in_database,
    ) -> None:
        self.row = row
        self._stored = stored
        self._read = read
        self._merged = {*merged}
        #: The attributes that have changed, possibly to a new file with the same name.
        self.keys: set[str] = set()
        #: The references of the row before these changes.
        self._known = {
            key: [row.owners[key].column_type._as_reference(item.stored) for item in items]
            for key, items in row.in_memory().items()
        }

    def changed(self, key: str, value: Any) -> None:
        """Read the value in the database before it is overwritten."""
        self.keys.add(key)
        if self._stored is None:
            self._stored = self._read(self.row)
        if key not in self._merged and _merge_list(self.row, value, self._stored.get(key)):
            self._merged.add(key)
        stale_data.check_kept(self.row, [key], references(self._stored))

    def before(self) -> Values:
        """The references that the row had in the database, or got in this transaction, without those to files of other rows."""
        stored = references(self._stored or {})
        mine = files_in(stored) | units.created(self.row.instance)
        known = {key: [each for each in items if mine.issuperset(files_of(each))] for key, items in self._known.items()}
        return {key: [*stored.get(key, ()), *known.get(key, ())] for key in {*stored, *known}}


def _before_insert(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    stale_data.check_merged(row, row.owners, {}, 'on_delete')
    _replace(row, {}, row.owners)
    late_changes.watch(instance, _LateChanges(row, {}, row.owners))


def _before_update(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    changed, stored = row.changed(), None
    if changed:
        lists = [key for key in changed if isinstance(row.state.dict.get(key), FileList)]
        has_policy = any(row.owners[key].column_type.on_replace != 'keep' for key in changed)
        if lists or has_policy or _former_files(row) or stale_data.is_possible(row, changed):
            stored = stale_data.read_existing(row)
            for key in lists:
                _merge_list(row, row.state.dict[key], stored.get(key))
        before = references(stored or {})
        stale_data.check_kept(row, changed, before)
        stale_data.check_merged(row, changed, before, 'on_replace')
        _keep_files_of_others(row, before)
        _replace(row, before, changed)
    late_changes.watch(instance, _LateChanges(row, stored, changed, stale_data.read_existing))


def _before_delete(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    row = FlushedRow(mapper, connection, instance)
    has_policy = any(owner.column_type.on_delete != 'keep' for owner in row.owners.values())
    stored = row.in_database() if has_policy or _former_files(row) else None
    _delete(row, references(stored or {}))
    late_changes.watch(instance, _LateChanges(row, stored, row.owners))


def _after_write(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Handle changes that the application's listeners made after this package's listeners. They were written too."""
    late: _LateChanges = late_changes.unwatch(instance)
    row = late.row
    if late.keys or not files_in(row.in_memory()).isdisjoint(row.new_files()):
        before = late.before()
        _keep_files_of_others(row, before)
        _replace(row, before, late.keys)


def _after_delete(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Handle files that the application's listeners stored or removed after this package's listeners."""
    late: _LateChanges = late_changes.unwatch(instance)
    if units.unwritten(instance) is not None:
        _delete(late.row, late.before())


def _merge_list(row: FlushedRow, value: Any, theirs: Any) -> bool:
    """Merge *theirs*, the list in the database, into the list *value*; False if one of them is not a list."""
    if not isinstance(value, FileList) or not isinstance(theirs, FileList):
        return False
    value._merge(theirs, row.new_files())
    return True


def _replace(row: FlushedRow, before: Values, changed: Collection[str]) -> None:
    """Remove the files that *row* had *before* in *changed* attributes, or got since, and that it no longer refers to."""
    since, current = row.since_written(), row.in_memory()
    used = files_in({**before, **current})
    removed: set[File] = set()
    for key in changed:
        owner, former = row.owners[key], before.get(key, ())
        unused = [item for item in since[key] if not used.issuperset(files_of(item))]
        removed.update(_removed(owner, owner.column_type.on_replace, [*former, *unused]))
        removed.update(_remade(row, owner, former, current.get(key, ())))
    _record(row, _own(row, before, removed) - used, used)
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
    _record(row, _own(row, before, removed), ())


def _own(row: FlushedRow, before: Values, files: set[File]) -> set[File]:
    """Those of *files* that the row had *before*, or created since.

    A value that it had in memory only can contain an original that another transaction has removed, and whose name is in use again.
    """
    return files & (files_in(before) | row.new_files())


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

    Another transaction might have made them after this one read the row. Nothing else removes them.
    """
    created, shared = row.new_files(), owner.shared_files()
    remade = [item.stored for item in current if not created.isdisjoint(files_of(item))]
    for item in before:
        for name in {name for new in remade for name in item.stored.remade_in(new)}.difference(shared):
            yield named(item, name)


def _record(row: FlushedRow, removed: Iterable[File], used: Collection[File]) -> None:
    """Record for the end of the transaction which files the row no longer refers to, and which it uses."""
    files, state = units.written(row.instance, row.connection), weakref.ref(row.state)
    for storage, filename in files.unit.unused:
        if (storage, filename) in used:
            # The row had another file of this name before, which another transaction has removed.
            files.unit.keep(storage, filename)
    files.refers.update({(file, state): False for file in removed})
    files.refers.update({(file, state): True for file in used})


def _former_files(row: FlushedRow) -> set[File]:
    """The files that are scheduled for removal because the row had them before, according to its values in memory."""
    files = units.unwritten(row.instance)
    if files is None or not (unused := set(files.unit.unused).difference(files.created())):
        return set()
    if len(files.rows) == 1:
        return unused
    known = ((reference(), stored) for reference, stored in files.former)
    mine = [(each, stored) for each, stored in known if each is not None and each.instance is row.instance]
    return unused & {named(reference, name) for reference, stored in mine for name in stored.files()}


def _keep_files_of_others(row: FlushedRow, before: Values) -> None:
    """Cancel the removal of former files that the row no longer has in the database.

    Another transaction has replaced and removed them, and a third one might have stored files of other rows under their names.
    """
    files = units.unwritten(row.instance)
    for storage, filename in _former_files(row) - files_in(before):
        assert files is not None, 'the former files are among them'
        files.unit.keep(storage, filename)
