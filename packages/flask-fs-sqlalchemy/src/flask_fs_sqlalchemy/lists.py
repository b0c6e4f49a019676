"""Lists of references, which report changes to their row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, cast, overload

from flask_fs.references import FileReference, Owner
from flask_fs.transaction import FileTransaction

from . import units
from .owner import ColumnOwner, mark_changed, restore
from .row_files import File, named

if TYPE_CHECKING:
    from typing_extensions import Self

R = TypeVar('R', bound=FileReference)


class _ItemOwner(Owner):
    """The owner of the items of one list."""

    def __init__(self, items: FileList[Any]) -> None:
        self.items = items
        self.checksum = items.owner.checksum

    def changed(self, reference: FileReference) -> None:
        reference.dirty = False
        if self.items._has(reference):
            self.items._changed()
        elif reference:
            self.items.append(reference)

    def transaction(self, reference: FileReference) -> FileTransaction:
        return self.items.owner.transaction(reference)

    def shared_files(self) -> frozenset[str]:
        return self.items.owner.shared_files()


class FileList(list[R], Generic[R]):
    """The files of a row, in order: a list of references. It is the value of a list column.

    Items can be set to anything that can be assigned to a :class:`FileColumn`; the list creates its own references. References
    without a file stay in the list while the row is in memory, and are not stored.
    """

    __hash__ = None  # mutable

    def __init__(self, owner: ColumnOwner) -> None:
        super().__init__()
        self.owner = owner
        #: The row of the list, and the name of the attribute.
        self.instance: Any = None
        self.name: str | None = owner.key
        #: A stored value that is not a list, and the reason why it cannot be read.
        self._raw: Any = None
        self.malformed: str | None = None
        #: The main files that the database had in the list when it was last read or written; None if that is unknown.
        self._known: frozenset[str] | None = None
        self._items = _ItemOwner(self)

    def new(self) -> R:
        """A reference to save a file with: ``row.files.new().save(upload)``. Saving appends it to the list."""
        return self._item(None)

    def _item(self, value: Any) -> R:
        """A reference of this list for *value*. A reference that the list created and no longer contains is reused."""
        if isinstance(value, FileReference) and value.owner is self._items and not self._has(value):
            return cast(R, value)
        column_type = self.owner.column_type
        return self._join(column_type._as_reference(column_type._stored(value, self._where())))

    def _has(self, reference: FileReference) -> bool:
        return any(item is reference for item in self)

    def _where(self) -> str:
        return 'a list of files' if self.name is None else f'the list {self.name!r}'

    def _join(self, item: R) -> R:
        item.owner, item.instance, item.name = self._items, self.instance, self.name
        return item

    def _fill(self, references: Iterable[R]) -> Self:
        """Set the items, without reporting a change."""
        super().__setitem__(slice(None), [self._join(item) for item in references])
        return self

    def _bind(self, instance: Any, owner: ColumnOwner) -> Self:
        """Become the value of an attribute of the row *instance*, without reporting a change."""
        self.owner, self.instance, self.name = owner, instance, owner.key
        self._items.checksum = owner.checksum
        return self._fill(list(self))

    def _synchronize(self) -> None:
        """Record that the database has, or is about to get, the items of the list."""
        self._known = None if self.malformed is not None else frozenset(_names(self))

    def _merge(self, theirs: FileList[Any], created: Collection[File]) -> None:
        """Merge changes that other transactions have committed: *theirs* is the list that the database has now.

        Files that they removed are dropped, because they might no longer exist. Files that they added are kept, so that they are
        not removed. If both made new files from the same image, the ones in this list replace theirs.

        :param created: The new files of the row, which can have the names of former files.
        """
        if self._known is None or self.malformed is not None or theirs.malformed is not None:
            return
        new = [item.filename for item in self if item.filename and named(item, item.filename) in created]
        known = self._known.difference(new)
        removed = known.difference(_names(theirs))
        # If a name is reused, the last item with it is the new file.
        again = self._known.intersection(new).difference(_names(theirs))
        last = {item.filename: item for item in self}
        kept = [
            item
            for item in self
            if item.filename not in removed and (item.filename not in again or item is last[item.filename])
        ]
        own = known.union(_names(kept))
        remade = {name for item in kept if item.filename not in known for name in item.stored.files()}
        added = [
            item for item in theirs if item and item.filename not in own and remade.isdisjoint(item.stored.files())
        ]
        if added or len(kept) < len(self):
            # Copies, because *theirs* continues to represent the database.
            self._fill([*kept, *(item.__copy__() for item in added)])

    def _changed(self) -> None:
        """Report a change to the row, and discard a malformed value."""
        self._raw = self.malformed = None
        if self.instance is not None:
            mark_changed(self.instance, str(self.name), self)

    # --- As a list.

    def append(self, value: Any) -> None:
        super().append(self._item(value))
        self._changed()

    def extend(self, values: Iterable[Any]) -> None:
        for value in list(values):
            super().append(self._item(value))
        self._changed()

    def insert(self, index: SupportsIndex, value: Any) -> None:
        super().insert(index, self._item(value))
        self._changed()

    def pop(self, index: SupportsIndex = -1) -> R:
        item = super().pop(index)
        self._changed()
        return item

    def remove(self, value: Any) -> None:
        super().remove(value)
        self._changed()

    def clear(self) -> None:
        super().clear()
        self._changed()

    def reverse(self) -> None:
        super().reverse()
        self._changed()

    def sort(self, *, key: Callable[[R], Any] | None = None, reverse: bool = False) -> None:
        super().sort(key=cast(Any, key), reverse=reverse)
        self._changed()

    @overload
    def __setitem__(self, index: SupportsIndex, value: Any) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Any]) -> None: ...
    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            super().__setitem__(index, [self._item(item) for item in value])
        else:
            super().__setitem__(index, self._item(value))
        self._changed()

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        super().__delitem__(index)
        self._changed()

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[override, misc]  # accepts what append accepts
        self.extend(values)
        return self

    def __imul__(self, number: SupportsIndex) -> Self:
        items = list(self) * number
        self[:] = items
        return self

    # --- Copies are lists of references without a row.

    def __copy__(self) -> list[R]:
        return [item.__copy__() for item in self]  # type: ignore[misc]  # of the same class

    def __deepcopy__(self, _: dict[int, Any]) -> list[R]:
        return self.__copy__()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.instance is None:
            raise TypeError("a list of files can't be pickled by itself: pickle its row, or the names of its files")
        # The recipient can write the row.
        units.sent(self)
        stored = [item.stored for item in self]
        state = {
            'instance': self.instance,
            'stored': stored,
            'known': self._known,
            'raw': self._raw,
            'malformed': self.malformed,
        }
        return restore, (type(self.instance), self.name), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.instance, self._raw, self.malformed = state['instance'], state['raw'], state['malformed']
        self._known = state['known']
        self._fill([self.owner.column_type._as_reference(stored) for stored in state['stored']])


def _names(items: Iterable[FileReference]) -> list[str]:
    return [item.filename for item in items if item.filename is not None]
