"""The column types for files and images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.elements import ClauseElement

from flask_fs import Storage
from flask_fs.references import FileReference, FromInstance
from flask_fs.stored import StoredFile
from flask_fs.transaction import Cleanup
from flask_fs_images import Limits
from flask_fs_images.references import ImageReference, max_size_of, sizes_of

from . import units
from .files_type import FilesType
from .lists import FileList
from .owner import ColumnOwner
from .upgrade import Reads


class FileColumn(FilesType):
    """A column for a file. The attribute is always a :class:`FileReference`, even without a file.

    The database stores ``{filename: …}``, as JSONB on PostgreSQL, as JSON in other databases, or as text in a *text* column. A plain
    filename is read too. Without a file, the column is NULL. You can assign None, a filename, the stored form, or another reference
    of the same storage; this changes what the row refers to, and copies no file. You cannot assign an upload: save it with
    ``row.attribute.save(upload)``.

    Any other value in the database is malformed. It never breaks a query: it reads as an empty reference, with a
    :class:`MalformedReferenceWarning`, and stays in the database until the attribute is changed.

    :param fs: The storage.
    :param upload_to: A folder under the storage's ``upload_to``, or a function that returns one.
    :param basename: The name of uploads, without extension, or a function that returns it; by default, the storage's ``basename``.
        Functions, including those of the storage, can have a parameter for the row.
    :param on_delete: Whether to keep or remove the files after the row is deleted and the transaction committed.
    :param on_replace: Whether to keep or remove files that the row no longer refers to, after the commit.
    :param checksum: Whether to store the checksum of the main file too, so that ``flask fs fsck`` can find altered files.
    :param text: Whether it is a text column instead of a JSON column.
    :param reads: The library that has stored existing values: ``'sqlalchemy-file'``, ``'depot'``, ``'depot-local'``, or a function
        that returns the stored form or a filename for a value from the database. Such values stay until the row gets another file.
    """

    # SQLAlchemy requires this in each class. The values depend on nothing but the parameters.
    cache_ok = True

    def _unset(self, owner: ColumnOwner) -> Any:
        return self._bind(None, None, owner)

    def _bind(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        if not isinstance(value, FileReference) or not self._may_bind(value, instance):
            value = self._as_reference(self._stored(value, repr(owner.key)))
        value.owner, value.instance, value.name = owner, instance, owner.key
        return value

    def _assign(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileReference) and value.instance is instance and value.owner is owner:
            return value
        stored = self._stored(value, repr(owner.key))
        if isinstance(old, FileReference) and old.stored == stored:
            return old
        return self._bind(self._as_reference(stored), instance, owner)

    def _files_of(self, value: Any) -> Iterator[str]:
        return self._stored(value).files()

    def _comparable(self, value: Any) -> Any:
        is_expression = value is None or isinstance(value, ClauseElement) or hasattr(value, '__clause_element__')
        return value if is_expression else self._as_reference(self._stored(value, self._where()))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        units.sent(value)
        return super().process_bind_param(self._stored(value, self._where()).form(), dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return self._as_reference(self._read_with_warning(value))


class FileListColumn(FilesType):
    """A column for an ordered list of files. The attribute is always a :class:`FileList`, even without files.

    The database stores a list of the values that a :class:`FileColumn` stores, which is empty without files. NULL and the value of a
    single file are read too. You can assign any list of values that can be assigned to a :class:`FileColumn`.

    The parameters are those of :class:`FileColumn`.
    """

    cache_ok = True
    _is_list = True

    def _unset(self, owner: ColumnOwner) -> Any:
        return FileList(owner)

    def _bind(self, value: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileList) and self._may_bind(value, instance):
            return value._bind(instance, owner)
        files = FileList[Any](owner)._bind(instance, owner)
        if isinstance(value, FileList):
            files.malformed, files._raw = value.malformed, value._raw
        return files._fill(
            [self._as_reference(self._stored(item, repr(owner.key))) for item in self._items(value, owner)]
        )

    def _assign(self, value: Any, old: Any, instance: Any, owner: ColumnOwner) -> Any:
        if isinstance(value, FileList) and value.instance is instance and value.owner is owner:
            return value
        files = self._bind(value if isinstance(value, FileList) else self._items(value, owner), instance, owner)
        # A list that merge() copies from another object of the same row is compared to what that object was read with.
        base = value if isinstance(value, FileList) and units.is_same_row(value.instance, instance) else old
        files._known = base._known if isinstance(base, FileList) else None
        return old if isinstance(old, FileList) and old == files and old._raw == files._raw else files

    def _items(self, value: Any, owner: ColumnOwner) -> list[Any]:
        if value is None:
            return []
        if isinstance(value, (str, bytes, Mapping, FileReference)) or not isinstance(value, Iterable):
            where = self._where() if owner.key is None else repr(owner.key)
            raise TypeError(f'{where} is a list of files: assign a list, not {type(value).__name__}')
        return list(value)

    def _items_in(self, value: Any) -> Iterable[Any]:
        return value if isinstance(value, list) else super()._items_in(value)

    def _files_of(self, value: Any) -> Iterator[str]:
        return (name for item in self._items(value, self._owner) for name in self._stored(item).files())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        units.sent(value)
        if isinstance(value, FileList) and value.malformed is not None:
            return super().process_bind_param(value._raw, dialect)
        stored = [self._stored(item, self._where()) for item in self._items(value, self._owner)]
        forms = [form for item in stored if (form := item.form()) is not None]
        return super().process_bind_param(forms, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        files = FileList[Any](self._owner)
        if value is not None and not isinstance(value, (list, str, Mapping)):
            files.malformed, files._raw = f'it must be a list, not {type(value).__name__}', value
            StoredFile(problem=files.malformed, raw=value).warn(self._where())
            return files
        files._fill([self._as_reference(self._read_with_warning(item)) for item in self._items_in(value)])
        files._synchronize()
        return files


class _ImagesType(FilesType):
    """The parameters of image columns."""

    _reference_class = ImageReference

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
        checksum: bool = False,
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
            checksum=checksum,
            text=text,
            reads=reads,
        )

    def _options(self) -> dict[str, Any]:
        more = {'max_size': self.max_size, 'thumbnail_sizes': self.thumbnails, 'optimize': self.optimize}
        return {**super()._options(), **more, 'limits': self.limits}


class ImageColumn(_ImagesType, FileColumn):
    """A column for an image, stored with its thumbnails. The attribute is always an :class:`ImageReference`.

    The database stores ``{filename, original?, thumbnails?: {size: filename}, bbox?}``. A plain filename is read too.

    The main file ``name.png`` is the unmodified upload, including metadata such as the place where a photo was taken. If the upload
    is larger than *max_size*, or *optimize* is true, the main file is made from it, and the upload is stored as
    ``name-original.png``. Files made from the upload, such as the thumbnail ``name-100.png``, have no metadata. No files are made
    from an SVG.

    :param fs: The storage.
    :param max_size: The maximum width and height of the main file in pixels: (width, height), or one number for both.
    :param thumbnails: The width and height of each square thumbnail, in pixels.
    :param optimize: Whether to make smaller files, which takes longer; by default, the storage's setting ``IMAGES_OPTIMIZE`` when the
        image is saved.
    :param limits: Limits beyond which images are rejected; by default, the storage's setting ``IMAGES_MAX_PIXELS``.

    The other parameters are those of :class:`FileColumn`.
    """

    cache_ok = True


class ImageListColumn(_ImagesType, FileListColumn):
    """A column for an ordered list of images with thumbnails: a :class:`FileList` of :class:`ImageReference`.

    The parameters are those of :class:`ImageColumn`.
    """

    cache_ok = True
