"""The fields for files and images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

import mongoengine  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.base import BaseField  # type: ignore[import-untyped]  # as above
from mongoengine.base.common import UPDATE_OPERATORS  # type: ignore[import-untyped]  # as above
from mongoengine.queryset.transform import STRING_OPERATORS  # type: ignore[import-untyped]  # as above

from flask_fs import Storage
from flask_fs.references import FileReference, FromInstance
from flask_fs.stored import StoredFile
from flask_fs.transaction import Cleanup, check_cleanups
from flask_fs_images import Limits
from flask_fs_images.references import ImageReference, max_size_of, sizes_of

from . import cleanup, tracking
from .owner import FieldOwner

F = TypeVar('F', bound='FileField')

# The keys of the stored form that queries can use, such as Doc.objects(image__filename='x.png').
_MEMBERS: dict[str, Any] = {
    'filename': mongoengine.StringField(db_field='filename'),
    'checksum': mongoengine.StringField(db_field='checksum'),
    'original': mongoengine.StringField(db_field='original'),
    'thumbnails': mongoengine.MapField(mongoengine.StringField(), db_field='thumbnails'),
    'bbox': mongoengine.ListField(mongoengine.FloatField(), db_field='bbox'),
}


class FileField(BaseField):  # type: ignore[misc]  # MongoEngine has no type hints
    """A field for a file. The attribute is always a :class:`FileReference`, even without a file.

    MongoDB stores ``{filename: …}``; a plain filename is read too. Without a file, nothing is stored. You can assign None, a
    filename, the stored form, or another reference of the same storage; this changes what the document refers to, and copies no
    file. You cannot assign an upload: save it with ``document.attribute.save(upload)``.

    Any other value in MongoDB is malformed. It never breaks a query: it reads as an empty reference, with a
    :class:`MalformedReferenceWarning`, and stays in MongoDB until the attribute is changed.

    :param fs: The storage.
    :param upload_to: A folder under the storage's ``upload_to``, or a function that returns one.
    :param basename: The name of uploads, without extension, or a function that returns it; by default, the storage's ``basename``.
        Functions, including those of the storage, can have a parameter for the document that has the field, which can be an embedded
        document.
    :param on_delete: Whether to keep or remove the files after the document is deleted.
    :param on_replace: Whether to keep or remove files that a saved document no longer refers to.
    :param checksum: Whether to store the SHA-256 of the main file too, ``{filename: …, checksum: 'sha256:…'}``, so that
        ``flask fs fsck --content`` can find altered files. If the backend does not report it, the file is read once more.
    :param args: The positional parameters of every MongoEngine field, starting with ``db_field``.
    :param kwargs: The keyword parameters of every MongoEngine field. A ``default`` is the name of a file, which is never removed.
    """

    #: The class of the references. Subclasses of the field can set their own.
    proxy_class: type[FileReference] = FileReference

    def __init__(
        self,
        fs: Storage | None = None,
        upload_to: FromInstance | None = None,
        basename: FromInstance | None = None,
        *args: Any,
        on_delete: Cleanup = 'keep',
        on_replace: Cleanup = 'keep',
        checksum: bool = False,
        **kwargs: Any,
    ) -> None:
        if fs is not None and not isinstance(fs, Storage):
            raise TypeError(f'{type(self).__name__} needs a Storage as fs, not {type(fs).__name__}')
        check_cleanups(on_delete, on_replace)
        self.fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.on_delete = on_delete
        self.on_replace = on_replace
        self.checksum = checksum
        self._owner = FieldOwner(self)
        super().__init__(*args, **kwargs)

    def reference(self, value: Any = None, *, document: Any = None) -> Any:
        """A reference to put into a list or map of files; empty unless *value* refers to a file.

        :param value: Any value that can be assigned to this field.
        :param document: The document that will contain it, for ``upload_to`` and ``basename``.
        """
        reference = self._refer(self.stored(value))
        # Without a name, since it is not in the document yet.
        reference.instance = document
        return reference

    def stored(self, value: Any) -> StoredFile:
        """The files that *value* refers to.

        :raises ValidationError: If it cannot be assigned to this field.
        """
        stored_type = self.proxy_class.stored_type
        if isinstance(value, FileReference):
            if value and not value.is_in(self.fs):
                self.error(f'{value!r} is not in {self.fs!r}: store its content there')
            if type(value.stored) is stored_type or value.malformed is not None:
                return value.stored
            value = value.stored.form()
        self._refuse_content(value)
        try:
            return stored_type.of(value)
        except ValueError as error:
            self.error(f'this cannot be read as a stored file: {error}')
        raise AssertionError  # pragma: no cover - error() always raises

    def _read(self, value: Any) -> StoredFile:
        """The files that *value*, from MongoDB, refers to."""
        stored = self.proxy_class.stored_type.read(value)
        if stored.problem is not None:
            owner = 'a document' if self.owner_document is None else self.owner_document.__name__
            stored.warn(f'{"an item" if self.name is None else repr(self.name)} in {owner}')
        return stored

    def _refuse_content(self, value: Any) -> None:
        if isinstance(value, os.PathLike) or hasattr(value, 'read'):
            self.error('a file cannot be assigned: store it with document.attribute.save(file)')

    def _refer(self, stored: StoredFile) -> Any:
        reference = self.proxy_class(**self._options(stored))
        # Unchanged, including malformed parts.
        reference.stored, reference.owner = stored, self._owner
        return reference

    def _options(self, stored: StoredFile) -> dict[str, Any]:
        """The parameters of a reference."""
        return {
            'fs': self.fs,
            'filename': stored.filename,
            'upload_to': self.upload_to,
            'basename': self.basename,
            'instance': None,
            'name': self.name,
        }

    def _default(self) -> Any:
        return self.default() if callable(self.default) else self.default

    # --- As a field of MongoEngine.

    @overload
    def __get__(self: F, instance: None, owner: Any) -> F: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> FileReference: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._in(instance)

    def _in(self, document: Any) -> FileReference:
        value = document._data.get(self.name)
        reference: FileReference = value if isinstance(value, FileReference) else self._refer(self._read(value))
        document._data[self.name] = reference
        tracking.bind(reference, self, document, str(self.name))
        return reference

    def __set__(self, instance: Any, value: Any) -> None:
        # MongoEngine reads the attribute of a new document, an empty reference, before it sets the default.
        empty = not value and getattr(value, 'malformed', None) is None
        if empty and not self.null and self.default is not None:
            value = self._default()
        stored = self.stored(value)
        reference = self._in(instance)
        if instance._initialised:
            reference.refer_to(stored)
        else:
            reference.stored = stored

    def to_python(self, value: Any) -> Any:
        """The reference for *value*, from MongoDB or from the constructor of a document."""
        if not isinstance(value, FileReference):
            self._refuse_content(value)
            return self._refer(self._read(value))
        # The attribute of a document keeps its reference; a list gets a new one.
        mine = isinstance(value, self.proxy_class) and value.is_in(self.fs) and value.instance is None
        return value if mine else self.reference(value)

    def to_mongo(self, value: Any) -> Any:
        """The form in MongoDB: ``{filename: …}``; None for no file."""
        return self.stored(value).form()

    def validate(self, value: Any, clean: bool = True) -> None:
        stored = self.stored(value)
        if stored.problem is not None:
            # A malformed value that is already in MongoDB must not prevent changes of other fields.
            if value.instance is None or value.instance._created:
                self.error(f'this cannot be read as a stored file: {stored.problem}')
        elif self.required and stored.filename is None:
            self.error('Field is required')

    def prepare_query_value(self, op: str | None, value: Any) -> Any:
        if op in UPDATE_OPERATORS:
            self.validate(value)
        is_operator = isinstance(value, Mapping) and any(str(key).startswith('$') for key in value)
        return value if op in STRING_OPERATORS or is_operator else self.to_mongo(value)

    def lookup_member(self, member_name: str) -> Any:
        """The field for a key of the stored form, for queries."""
        return _MEMBERS.get(member_name)

    def _set_owner_document(self, owner_document: Any) -> None:
        super()._set_owner_document(owner_document)
        # The field of a list's or map's items is not an attribute, and has no name.
        tracking.track(in_container=self.name is None)
        if self.on_delete != 'keep':
            cleanup.watch_deletions(owner_document)
        # If two processes rerender an image at the same time, the later one removes the files of the earlier one.
        if self.on_replace != 'keep' or issubclass(self.proxy_class, ImageReference):
            cleanup.watch_replacements()


class ImageField(FileField):
    """A field for an image, stored with its thumbnails. The attribute is always an :class:`ImageReference`.

    MongoDB stores ``{filename, original?, thumbnails?: {size: filename}, bbox?}``. A plain filename is read too.

    The main file ``name.png`` is the unmodified upload, including metadata such as the place where a photo was taken. If the upload
    is larger than *max_size*, or *optimize* is true, the main file is made from it, and the upload is stored as
    ``name-original.png``. Files made from the upload, such as the thumbnail ``name-100.png``, have no metadata. No files are made
    from an SVG.

    :param max_size: The maximum width and height of the main file in pixels: (width, height), or one number for both.
    :param thumbnails: The width and height of each square thumbnail, in pixels.
    :param optimize: Whether to make smaller files, which takes longer; by default, the storage's setting ``IMAGES_OPTIMIZE`` when the
        image is saved.
    :param limits: Limits beyond which images are rejected; by default, the storage's setting ``IMAGES_MAX_PIXELS``.
    :param args: The positional parameters of :class:`FileField`, starting with *fs*.
    :param kwargs: The keyword parameters of :class:`FileField`, such as *fs*, *upload_to* and *on_delete*.
    """

    proxy_class: type[FileReference] = ImageReference

    def __init__(
        self,
        max_size: int | tuple[int, int] | None = None,
        thumbnails: Iterable[int] | None = None,
        optimize: bool | None = None,
        *args: Any,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(max_size, Storage):
            raise TypeError(f'Pass the storage of an {type(self).__name__} by name: {type(self).__name__}(fs=…)')
        self.max_size = max_size_of(max_size)
        self.thumbnails = sizes_of(thumbnails)
        self.optimize = optimize
        self.limits = limits
        super().__init__(*args, **kwargs)

    def _options(self, stored: StoredFile) -> dict[str, Any]:
        more = vars(stored)
        options = {
            **super()._options(stored),
            **{key: more[key] for key in ('original', 'thumbnails', 'bbox')},
            'max_size': self.max_size,
            'thumbnail_sizes': self.thumbnails,
            'optimize': self.optimize,
        }
        return options if self.limits is None else {**options, 'limits': self.limits}

    if TYPE_CHECKING:

        @overload
        def __get__(self: F, instance: None, owner: Any) -> F: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> ImageReference: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
