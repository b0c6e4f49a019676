"""The types of columns for files and pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from sqlalchemy import JSON, Dialect, Text, event, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import operators
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import TypeDecorator

from flask_fs import Storage
from flask_fs.references import FileReference, FromInstance
from flask_fs.stored import StoredFile
from flask_fs.transaction import Cleanup
from flask_fs_images import Limits
from flask_fs_images.references import ImageReference, max_size_of, sizes_of

from .lists import FileList
from .owner import ColumnOwner
from .upgrade import Reads, reader_of

#: These compare a whole value, and others a part of it or its text.
_WHOLE = {
    operators.eq,
    operators.ne,
    operators.in_op,
    operators.not_in_op,
    operators.is_,
    operators.is_not,
    operators.is_distinct_from,
    operators.is_not_distinct_from,
}


class FilesType(TypeDecorator[Any]):
    """What all types of columns with files have in common.

    :param fs: The storage.
    :param upload_to: A folder under that of the storage, or a function that returns one.
    :param basename: The name of uploads, without extension, or a function that returns it; by default the storage's
        ``basename``. Functions may have a parameter for the row, as may those of the storage.
    :param on_delete: Whether to keep or remove the files after the row was deleted.
    :param on_replace: Whether to keep or remove the files that a row no longer refers to, once that is committed.
    :param text: Whether the column is one of text, such as that of older code, and not of JSON.
    :param reads: Whose values the column has besides its own: ``'sqlalchemy-file'``, ``'depot'``, or a function that returns the
        stored form, or a name, for a value of the database. They stay until the row gets other files.
    """

    impl = JSON
    #: The class of the references; a subclass of the type may set its own.
    reference_class: ClassVar[type[FileReference]] = FileReference

    class comparator_factory(TypeDecorator.Comparator[Any]):  # noqa: N801  # pyright: ignore[reportIncompatibleVariableOverride]  # as SQLAlchemy documents it
        """What can be done with a column in a query."""

        def __getitem__(self, index: Any) -> Any:
            return type_coerce(self.expr, JSON())[index]

    def __init__(
        self,
        fs: Storage,
        *,
        upload_to: FromInstance | None = None,
        basename: FromInstance | None = None,
        on_delete: Cleanup = 'keep',
        on_replace: Cleanup = 'keep',
        text: bool = False,
        reads: Reads | None = None,
    ) -> None:
        name = type(self).__name__
        if not isinstance(fs, Storage):
            raise TypeError(f'{name} needs a Storage as fs, not {type(fs).__name__}')
        for given in (on_delete, on_replace):
            if given not in ('keep', 'remove') and not callable(given):
                raise ValueError(
                    f"{name}: on_delete and on_replace must be 'keep', 'remove' or a function, not {given!r}"
                )
        super().__init__(none_as_null=True)
        if text:
            self.impl = Text()  # type: ignore[assignment]  # an instance of a type, once there is one
        # By the names of the parameters: they are what SQLAlchemy compares types by.
        self.fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.on_delete = on_delete
        self.on_replace = on_replace
        self.text = text
        self.reads = reads
        self._reader = reader_of(reads)
        self._column: Any = None
        self._owner = ColumnOwner(self)

    @property
    def stored_type(self) -> type[StoredFile]:
        """What is stored of a file."""
        return self.reference_class.stored_type

    def stored(self, value: Any, where: str = 'a column of files') -> StoredFile:
        """The files that *value*, from the application, refers to.

        :param where: Where it is to be stored, for errors.
        :raises TypeError: If it is a file and not a name.
        :raises ValueError: If it is something else that cannot be stored there, or is in another storage.
        """
        if isinstance(value, FileReference):
            if value and not value.is_in(self.fs):
                raise ValueError(f'{where}: {value!r} is not in {self.fs!r}. Store its content there by save().')
            value = value.stored
        if isinstance(value, StoredFile):
            if type(value) is self.stored_type or value.problem is not None:
                return value
            value = value.form()
        if isinstance(value, os.PathLike) or hasattr(value, 'read'):
            raise TypeError(f'{where}: a file cannot be assigned. Store it with row.attribute.save(file).')
        try:
            return self.stored_type.of(value)
        except ValueError as error:
            raise ValueError(f'{where}: this cannot be read as a stored file: {error}') from None

    def reference(self, stored: StoredFile) -> Any:
        """A reference without a row to what is stored."""
        reference = self.reference_class(**self._options(stored))
        # As it is, including what could not be read.
        reference.stored, reference.owner = stored, self._owner
        return reference

    def _options(self, stored: StoredFile) -> dict[str, Any]:
        """The parameters of a reference."""
        return {'fs': self.fs, 'filename': stored.filename, 'upload_to': self.upload_to, 'basename': self.basename}

    def _read(self, value: Any) -> StoredFile:
        """The files that *value*, from the database, refers to."""
        stored = self.stored_type.read(value if self._reader is None else self._reader(value))
        if stored.problem is not None:
            stored.warn(self._where())
        return stored

    def _where(self) -> str:
        column = self._column
        return 'a column of files' if column is None else f'column {str(column)!r}'

    # --- The value of an attribute. Each class has its own.

    def empty(self, owner: ColumnOwner) -> Any:
        """The value of an attribute that has no file."""
        raise NotImplementedError

    def bound(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        """*value* as that of the attribute of *owner* in the row *instance*."""
        raise NotImplementedError

    def assigned(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        """*value*, which is assigned to the attribute that had *old*."""
        raise NotImplementedError

    def references(self, value: Any) -> Iterator[FileReference]:
        """The references in the value of an attribute."""
        raise NotImplementedError

    def files_of(self, value: Any) -> Iterator[str]:
        """The names of the files of a value that can be assigned."""
        raise NotImplementedError

    # --- As a type of SQLAlchemy.

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.fs!r})'

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == 'postgresql' and not self.text:
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(self.impl_instance)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if op in _WHOLE else self.impl_instance.coerce_compared_value(op, value)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        decode = _form_of_text if self.text else self.impl_instance.result_processor(dialect, coltype)

        def process(value: Any) -> Any:
            return self.process_result_value(_decoded(value, decode), dialect)

        return process


def _decoded(value: Any, decode: Callable[[Any], Any] | None) -> Any:
    """*value* from a database; as it is, if it is not JSON: a database may not check what a column has."""
    if decode is None or value is None:
        return value
    try:
        return decode(value)
    except (ValueError, TypeError, RecursionError):
        return value


def _form_of_text(text: Any) -> Any:
    """The stored form in a column of text: an object or list as JSON, or else a plain name."""
    return json.loads(text) if isinstance(text, str) and text[:1] in ('{', '[') else text


@event.listens_for(FilesType, 'after_parent_attach', propagate=True)
def _remember_column(column_type: FilesType, column: Any) -> None:
    column_type._column = column


class FileColumn(FilesType):
    """A file of a row, stored in a storage. The attribute is always a :class:`FileReference`, empty or not."""

    #: Each class has to say it: the parameters are all that its values depend on.
    cache_ok = True

    def empty(self, owner: ColumnOwner) -> Any:
        return self.bound(None, None, owner)

    def bound(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        if not isinstance(value, FileReference) or value.instance not in (None, instance):
            value = self.reference(self.stored(value, repr(owner.key)))
        value.owner, value.instance, value.name = owner, instance, owner.key
        return value

    def assigned(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileReference) and value.instance is instance and value.name == owner.key:
            return value
        stored = self.stored(value, repr(owner.key))
        if isinstance(old, FileReference) and old.stored == stored:
            return old
        return self.bound(self.reference(stored), instance, owner)

    def references(self, value: Any) -> Iterator[FileReference]:
        return iter((value,))

    def files_of(self, value: Any) -> Iterator[str]:
        return self.stored(value).files()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        form = self.stored(value, self._where()).form()
        return json.dumps(form) if self.text and form is not None and not isinstance(form, str) else form

    def process_result_value(self, value: Any, dialect: Dialect) -> FileReference:
        reference: FileReference = self.reference(self._read(value))
        return reference


class _Images(FilesType):
    reference_class = ImageReference

    def __init__(
        self,
        fs: Storage,
        *,
        max_size: int | tuple[int, int] | None = None,
        thumbnails: Iterable[int] | None = None,
        optimize: bool | None = None,
        limits: Limits | None = None,
        upload_to: FromInstance | None = None,
        basename: FromInstance | None = None,
        on_delete: Cleanup = 'keep',
        on_replace: Cleanup = 'keep',
        text: bool = False,
        reads: Reads | None = None,
    ) -> None:
        self.max_size = max_size_of(max_size)
        self.thumbnails = sizes_of(thumbnails)
        self.optimize = optimize
        self.limits = limits
        super().__init__(
            fs,
            upload_to=upload_to,
            basename=basename,
            on_delete=on_delete,
            on_replace=on_replace,
            text=text,
            reads=reads,
        )

    def _options(self, stored: StoredFile) -> dict[str, Any]:
        more = vars(stored)
        return {
            **super()._options(stored),
            **{key: more[key] for key in ('original', 'thumbnails', 'bbox')},
            'max_size': self.max_size,
            'thumbnail_sizes': self.thumbnails,
            'optimize': self.optimize,
            'limits': self.limits,
        }


class ImageColumn(_Images, FileColumn):
    """A picture of a row, stored with its thumbnails. The attribute is always an :class:`ImageReference`."""

    #: Each class has to say it: the parameters are all that its values depend on.
    cache_ok = True


class FileListColumn(FilesType):
    """Files of a row, in order. The attribute is always a :class:`FileList`."""

    #: Each class has to say it: the parameters are all that its values depend on.
    cache_ok = True

    def empty(self, owner: ColumnOwner) -> Any:
        return FileList(owner)

    def bound(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileList) and value.instance in (None, instance):
            value._bind(instance, owner)
            return value
        files = FileList[Any](owner)
        files.instance = instance
        if isinstance(value, FileList):
            files.raw, files.malformed = value.raw, value.malformed
        return files._fill([files._item(item) for item in self._items(value, owner)])

    def _items(self, value: Any, owner: ColumnOwner) -> list[Any]:
        if value is None:
            return []
        if isinstance(value, (str, bytes, Mapping, FileReference)) or not isinstance(value, Iterable):
            raise TypeError(f'{owner.key!r} is a list of files: assign a list, not {type(value).__name__}')
        return list(value)

    def assigned(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileList) and value.instance is instance and value.name == owner.key:
            return value
        files = self.bound(value if isinstance(value, FileList) else self._items(value, owner), instance, owner)
        return old if isinstance(old, FileList) and old == files else files

    def references(self, value: Any) -> Iterator[FileReference]:
        return iter(value)

    def files_of(self, value: Any) -> Iterator[str]:
        return (name for item in self._items(value, self._owner) for name in self.stored(item).files())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if isinstance(value, FileList) and value.malformed is not None:
            form = value.raw
        else:
            stored = [self.stored(item, self._where()) for item in self._items(value, self._owner)]
            form = [form for item in stored if (form := item.form()) is not None]
        return json.dumps(form) if self.text and not isinstance(form, str) else form

    def process_result_value(self, value: Any, dialect: Dialect) -> FileList[Any]:
        files = FileList[Any](self._owner)
        if value is None:
            return files
        form = [value] if isinstance(value, (str, Mapping)) else value
        if not isinstance(form, list):
            problem = f'it must be a list, not {type(form).__name__}'
            StoredFile(problem=problem, raw=form).warn(self._where())
            files.raw, files.malformed = form, problem
            return files
        return files._fill([self.reference(self._read(item)) for item in form])


class ImageListColumn(_Images, FileListColumn):
    """Pictures of a row, in order, each with its thumbnails."""

    #: Each class has to say it: the parameters are all that its values depend on.
    cache_ok = True
