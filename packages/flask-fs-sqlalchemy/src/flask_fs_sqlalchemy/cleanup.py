"""Removing files that a row no longer refers to, after the commit.

What the database had before is compared with what it has after, not with what this process remembers. The row is locked for
that, so of two transactions that replace its files at the same time, the later one finds the files of the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.exc import StaleDataError

from flask_fs.references import FileReference
from flask_fs.transaction import Cleanup, removes

from . import late_changes, units
from .lists import FileList
from .owner import ColumnOwner, owners_of
from .row_files import File, files_of, named, references_in
from .tracking import mapped_classes

#: The references of a row, by attribute.
Values = Mapping[str, Collection[FileReference]]


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

    def __init__(
        self,
        mapper: Mapper[Any],
        connection: Connection,
        row: Any,
        stored: Mapping[str, Any] | None,
        merged: Collection[str] = (),
    ) -> None:
        self._mapper, self._connection, self._row = mapper, connection, row
        self._stored = stored
        self._merged = merged
        #: The attributes that have changed since, maybe to a new file of the same name.
        self.keys: set[str] = set()
        owners = owners_of(mapper.class_)
        #: What the row referred to when the listeners here were called.
        self.known = {
            key: [owners[key].column_type._as_reference(item.stored) for item in items]
            for key, items in _loaded(row, owners).items()
        }

    def changed(self, key: str, value: Any) -> None:
        """Read the value in the database before it is overwritten."""
        self.keys.add(key)
        owners = owners_of(self._mapper.class_)
        if self._stored is None:
            self._stored = _in_database(self._mapper, self._connection, self._row, owners)
        theirs = self._stored.get(key)
        if key not in self._merged and isinstance(value, FileList) and isinstance(theirs, FileList):
            value._merge(theirs, _new_files(self._row))
            self._merged = {*self._merged, key}
        _check_kept(self._row, _kept(self._row, owners, [key]), _references(self._stored))

    def before(self) -> Values:
        """What the row has had in the database, and what it had got in this transaction: no files of others."""
        stored = _references(self._stored or {})
        mine = {file for items in stored.values() for item in items for file in files_of(item)}
        mine |= units.created(self._row)
        known = {key: [each for each in items if mine.issuperset(files_of(each))] for key, items in self.known.items()}
        return {key: [*stored.get(key, ()), *known.get(key, ())] for key in {*stored, *known}}


def _before_insert(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    owners = owners_of(mapper.class_)
    _check_merged(row, _merged(mapper, row, owners, owners), owners, {}, 'on_delete')
    _replace(row, connection, owners, {}, owners.keys())
    late_changes.watch(row, _Written(mapper, connection, row, {}, owners))


def _before_update(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    owners = owners_of(mapper.class_)
    changed = [key for key in owners if sa.inspect(row).attrs[key].history.has_changes()]
    stored = None
    if changed:
        former, merged = _former_files(row), _merged(mapper, row, owners, changed)
        has_policy = any(owners[key].column_type.on_replace != 'keep' for key in changed)
        lists = {key: value for key in changed if isinstance(value := sa.inspect(row).dict.get(key), FileList)}
        if has_policy or lists or former or merged or _kept(row, owners, changed):
            stored = _in_database(mapper, connection, row, owners)
        for key, value in lists.items():
            if isinstance(theirs := (stored or {}).get(key), FileList):
                value._merge(theirs, _new_files(row))
        before = _references(stored or {})
        _check_kept(row, _kept(row, owners, changed), before)
        _check_merged(row, _merged(mapper, row, owners, changed), owners, before, 'on_replace')
        _keep_files_of_others(row, former, before)
        _replace(row, connection, owners, before, changed)
    late_changes.watch(row, _Written(mapper, connection, row, stored, changed))


def _after_write(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    """Handle changes that listeners made to *row* after this package's listeners: they are written too."""
    written: _Written = late_changes.unwatch(row)
    owners = owners_of(mapper.class_)
    current = _loaded(row, owners)
    used = {file for items in current.values() for item in items for file in files_of(item)}
    if written.keys or not used.isdisjoint(_new_files(row)):
        before = written.before()
        _keep_files_of_others(row, _former_files(row), before)
        _replace(row, connection, owners, before, written.keys)


def _kept(row: Any, owners: Mapping[str, ColumnOwner], changed: Collection[str]) -> set[File]:
    """The files that *row* had when it was read, and still has in attributes that have *changed*, for example by ``rerender()``."""
    files = units.unwritten(row)
    if files is None or not files.known:
        return set()
    key, current = sa.inspect(row).key, _loaded(row, changed)
    kept = {file for items in current.values() for item in items for file in files_of(item)}
    return {file for file in kept - files.created() if (key, file) in files.known}


def _check_kept(row: Any, kept: set[File], before: Values) -> None:
    """Check that *row* still has all the files in the database that it has *kept*.

    :raises StaleDataError: If not: another transaction has replaced or removed it since, and the row would refer to what is
        gone, or belongs to another row.
    """
    lost = kept - {file for items in before.values() for item in items for file in files_of(item)}
    if lost:
        reason = f'{_lost(lost)} since {row!r} was read, which this change keeps'
        raise StaleDataError(f'{reason}. Nothing is written: roll back, refresh the row, and make the change again.')


def _lost(files: Iterable[File]) -> str:
    return f'another transaction has replaced or removed {", ".join(sorted(repr(name) for _, name in files))}'


def _merged(
    mapper: Mapper[Any], row: Any, owners: Mapping[str, ColumnOwner], changed: Iterable[str]
) -> list[tuple[str, FileReference, set[File]]]:
    """The attributes, references, and files that *row* got from another object of the same row that was read before."""
    identity, current = mapper.identity_key_from_instance(row), _loaded(row, owners)
    found = [(key, units.merged(row, key, identity)) for key in changed]
    return [
        (key, item, files.intersection(files_of(item)))
        for key, files in found
        if files
        for item in current.get(key, ())
        if not files.isdisjoint(files_of(item))
    ]


def _check_merged(
    row: Any,
    merged: Iterable[tuple[str, FileReference, set[File]]],
    owners: Mapping[str, ColumnOwner],
    before: Values,
    policy: Literal['on_replace', 'on_delete'],
) -> None:
    """Check that files which *row* no longer has in the database, but is about to get again, still exist.

    :raises StaleDataError: If not, or if another transaction has removed them according to *policy*, or is about to.
    """
    current = {file for items in before.values() for item in items for file in files_of(item)}
    lost: set[File] = set()
    for key, item, files in merged:
        gone = files - current - {named(item, name) for name in owners[key].shared_files()}
        cleanup: Cleanup = getattr(owners[key].column_type, policy)
        is_removed = bool(gone) and removes(cleanup, item)
        lost.update((storage, name) for storage, name in gone if is_removed or not storage.exists(name))
    if lost:
        reason = f'{_lost(lost)} since the object was read that {row!r} gets its files from, as by merge()'
        raise StaleDataError(f'{reason}. Nothing is written: roll back, read the row, and make the change again.')


def _replace(
    row: Any, connection: Connection, owners: Mapping[str, ColumnOwner], before: Values, changed: Collection[str]
) -> None:
    """Remove the files that *row* had *before* in attributes that have *changed*, or got since, and no longer has."""
    since, current = _since_written(row, owners), _loaded(row, owners)
    used = {file for key in owners for item in current.get(key, before.get(key, ())) for file in files_of(item)}
    removed: set[File] = set()
    for key in changed:
        policy = owners[key].column_type.on_replace
        unused = [item for item in since[key] if not used.issuperset(files_of(item))]
        removed.update(_removed(owners[key], policy, before.get(key, ())), _removed(owners[key], policy, unused))
        removed.update(_remade(row, owners[key], before.get(key, ()), current.get(key, ())))
    _mark(row, connection, removed - used, used)
    for key in changed:
        if isinstance(value := sa.inspect(row).dict.get(key), FileList):
            value._synchronize()


def _remade(
    row: Any, owner: ColumnOwner, before: Iterable[FileReference], current: Iterable[FileReference]
) -> Iterator[File]:
    """Files that the row had *before*, and in place of which it has got new ones, made from the same pictures.

    Another transaction may have made them since this one read the row, and nobody else knows of them.
    """
    created, shared = _new_files(row), owner.shared_files()
    remade = [item.stored for item in current if not created.isdisjoint(files_of(item))]
    for item in before:
        for name in {name for new in remade for name in item.stored.remade_in(new)}.difference(shared):
            yield named(item, name)


def _before_delete(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    owners = owners_of(mapper.class_)
    looks = _former_files(row) or any(owner.column_type.on_delete != 'keep' for owner in owners.values())
    stored = _in_database(mapper, connection, row, owners) if looks else None
    _delete(row, connection, owners, _references(stored or {}))
    late_changes.watch(row, _Written(mapper, connection, row, stored, owners))


def _after_delete(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    """Handle files that listeners stored or removed after this package's listeners."""
    written: _Written = late_changes.unwatch(row)
    if units.unwritten(row) is not None:
        _delete(row, connection, owners_of(mapper.class_), written.before())


def _delete(row: Any, connection: Connection, owners: Mapping[str, ColumnOwner], before: Values) -> None:
    _keep_files_of_others(row, _former_files(row), before)
    since = _since_written(row, owners, _loaded(row, owners))
    removed: set[File] = set()
    for key, owner in owners.items():
        policy = owner.column_type.on_delete
        removed.update(_removed(owner, policy, before.get(key, ())), _removed(owner, policy, since[key]))
    _mark(row, connection, removed, ())


def _former_files(row: Any) -> set[File]:
    """The files that are to be removed because *row* had them before, according to the values in memory."""
    files = units.unwritten(row)
    if files is None or not (unused := set(files.unit.unused).difference(files.created())):
        return set()
    if len(files.rows) == 1:
        return unused
    known = ((reference(), stored) for reference, stored in files.former)
    mine = [(reference, stored) for reference, stored in known if reference is not None and reference.instance is row]
    return unused & {named(reference, name) for reference, stored in mine for name in stored.files()}


def _keep_files_of_others(row: Any, former: set[File], before: Values) -> None:
    """Remove only those of the *former* files that *row* still has in the database.

    Another transaction may have replaced and removed the others, and the row of a third one may have their names.
    """
    files = units.unwritten(row)
    current = {file for items in before.values() for item in items for file in files_of(item)}
    for storage, filename in former - current:
        assert files is not None, 'they are among its files'
        files.unit.keep(storage, filename)


def _removed(owner: ColumnOwner, policy: Cleanup, given: Iterable[FileReference]) -> Iterator[File]:
    """The files of *given* that *policy* removes, except shared files."""
    shared = owner.shared_files()
    for reference in given:
        if reference and removes(policy, reference):
            yield from (named(reference, name) for name in reference.stored.files() if name not in shared)


def _mark(row: Any, connection: Connection, removed: Iterable[File], used: Iterable[File]) -> None:
    files, state = units.written(row, connection), weakref.ref(sa.inspect(row))
    files.refers.update({(file, state): False for file in removed})
    files.refers.update({(file, state): True for file in used})


# --- The values of a row.


def _loaded(row: Any, owners: Iterable[str]) -> dict[str, list[FileReference]]:
    """The references of *row* in its loaded attributes."""
    values = sa.inspect(row).dict
    # The value can be an expression that the database computes.
    known = {key: value for key in owners if isinstance(value := values.get(key), (FileReference, list))}
    return _references(known)


def _new_files(row: Any) -> set[File]:
    """The files that *row* got since it was last written."""
    files = units.unwritten(row)
    return set() if files is None else files.created()


def _since_written(row: Any, owners: Mapping[str, ColumnOwner], current: Values | None = None) -> Values:
    """What *row* has referred to since it was last written, or refers to in *current*: as far as the files are new."""
    files = units.unwritten(row)
    since: dict[str, list[FileReference]] = {key: [] for key in owners}
    if files is not None:
        created, state = files.created(), sa.inspect(row)
        for known, key, stored in files.referred.values():
            if known() is state and key in owners:
                since[key].append(owners[key].column_type._as_reference(stored))
        for key, items in (current or {}).items():
            since[key] += items
        for key, items in since.items():
            by_files = {tuple(found): item for item in items if not created.isdisjoint(found := files_of(item))}
            since[key] = list(by_files.values())
    return since


def _in_database(
    mapper: Mapper[Any], connection: Connection, row: Any, owners: Mapping[str, ColumnOwner]
) -> dict[str, Any]:
    """The value of each attribute of *row* in the database. The row is locked until the end of the transaction."""
    state: InstanceState[Any] = sa.inspect(row)
    columns = {key: owner.column for key, owner in owners.items() if owner.column is not None}
    table = mapper.local_table
    if connection.dialect.name == 'sqlite' and isinstance(table, sa.Table):
        # SQLite cannot lock rows. A statement that can write locks the database, even if no row matches.
        bare = sa.table(table.name, sa.column(table.columns[0].name), schema=table.schema)
        [column] = bare.columns
        connection.execute(sa.update(bare).values({column: column}).where(sa.false()))
    query = sa.select(*columns.values()).select_from(mapper.persist_selectable).with_for_update()
    for part, value in zip(mapper.primary_key, state.identity or (), strict=True):
        query = query.where(part == value)
    found = connection.execute(query).first()
    return dict(zip(columns, found or (), strict=found is not None))


def _references(values: Mapping[str, Any]) -> dict[str, list[FileReference]]:
    return {key: references_in(value) for key, value in values.items()}
