"""The fields that a document declares."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from mongoengine.base import BaseField  # type: ignore[import-untyped]  # MongoEngine has no type hints
from mongoengine.base.common import UPDATE_OPERATORS  # type: ignore[import-untyped]  # as above
from mongoengine.fields import (  # type: ignore[import-untyped]  # as above
    FloatField,
    ListField,
    MapField,
    StringField,
)
from mongoengine.queryset.transform import STRING_OPERATORS  # type: ignore[import-untyped]  # as above

from flask_fs import Storage
from flask_fs_images import Limits

from . import changes, cleaning, traversal
from .images import ImageReference, max_size_of, sizes_of
from .references import FileReference, FromDocument
from .stored import MalformedReferenceWarning, Stored

#: ``keep`` leaves files alone, ``remove`` removes them; a function is asked with the reference as it was stored, and true
#: removes them.
Cleaning = Literal['keep', 'remove'] | Callable[[Any], bool]

F = TypeVar('F', bound='FileField')

# What queries can compare inside of the stored form: Doc.objects(image__filename='x.png').
_MEMBERS: dict[str, Any] = {
    'filename': StringField(db_field='filename'),
    'original': StringField(db_field='original'),
    'thumbnails': MapField(StringField(), db_field='thumbnails'),
    'bbox': ListField(FloatField(), db_field='bbox'),
}


class FileField(BaseField):  # type: ignore[misc]  # MongoEngine has no type hints
    """A file of a document, kept in a storage. The attribute is always a :class:`FileReference`, empty or not.

    In MongoDB it is ``{filename: …}``; a plain name is read too. Where there is no file, nothing is stored. Assigning None,
    a name, the stored form or another reference of the same storage changes what the document refers to; no file is
    copied. An upload cannot be assigned: ``document.attribute.save(upload)`` stores it.

    A value in MongoDB that is none of these breaks no query: it reads as an empty reference, with a
    :class:`MalformedReferenceWarning`, and stays as it is until the attribute is changed.

    :param fs: The storage.
    :param upload_to: A folder under the storage's own, or a function that gives one.
    :param basename: The name of uploads, without extension, or a function that gives it; by default the storage's
        ``basename``. Functions may take the document that has the field, as may those of the storage; that is the embedded
        one, for an embedded document.
    :param on_delete: What becomes of the files when the document was deleted.
    :param on_replace: What becomes of the files that a saved document no longer refers to.
    :param args: What every field of MongoEngine takes by position, first ``db_field``.
    :param kwargs: What every field of MongoEngine takes. A ``default`` is the name of a file, which is never removed.
    """

    #: The class of the references, for fields with a class of their own.
    proxy_class: type[FileReference] = FileReference

    # Whether the stored form has more than the main file.
    _whole = False

    def __init__(
        self,
        fs: Storage | None = None,
        upload_to: FromDocument | None = None,
        basename: FromDocument | None = None,
        *args: Any,
        on_delete: Cleaning = 'keep',
        on_replace: Cleaning = 'keep',
        **kwargs: Any,
    ) -> None:
        if fs is not None and not isinstance(fs, Storage):
            raise TypeError(f'{type(self).__name__} needs a Storage as fs, not {type(fs).__name__}')
        for given in (on_delete, on_replace):
            if given not in ('keep', 'remove') and not callable(given):
                raise ValueError(f"on_delete and on_replace must be 'keep', 'remove' or a function, not {given!r}")
        self.fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.on_delete = on_delete
        self.on_replace = on_replace
        super().__init__(*args, **kwargs)

    def reference(self, value: Any = None, *, document: Any = None) -> Any:
        """A reference to be put into a list or map of such files; empty unless *value* says what it refers to.

        :param value: What can be assigned to a field of this kind.
        :param document: The document that it will be in, for ``upload_to`` and ``basename``.
        """
        reference = self._refer(self.stored(value))
        if document is not None:
            # Nowhere in it yet.
            self._bind(reference, document, '')
        return reference

    def stored(self, value: Any) -> Stored:
        """What *value* refers to.

        :raises ValidationError: If it cannot be assigned to this field.
        """
        if isinstance(value, FileReference):
            if value and value._fs is not self.fs:
                self.error(f'{value!r} is not in {self.fs!r}: store its content there')
            return self._kept(value._stored)
        self._refuse_content(value)
        try:
            return Stored.of(value, whole=self._whole)
        except ValueError as error:
            self.error(f'this cannot be read as a stored file: {error}')
        raise AssertionError  # pragma: no cover - error() always raises

    def _default_files(self) -> frozenset[str]:
        """The files of its default, which belong to no document."""
        default = self.default() if callable(self.default) else self.default
        return frozenset(self.stored(default).files())

    def _read(self, value: Any) -> Stored:
        """What *value*, from MongoDB, refers to."""
        stored = Stored.read(value, whole=self._whole)
        if stored.problem is not None:
            owner = 'a document' if self.owner_document is None else self.owner_document.__name__
            field = 'an item' if self.name is None else repr(self.name)
            reading = 'only a part of it is read' if stored.filename else 'it reads as no file'
            text = f'A value of {field} in {owner} is malformed, so {reading}: {stored.problem}'
            warnings.warn(text, MalformedReferenceWarning, stacklevel=2)
        return stored

    def _refuse_content(self, value: Any) -> None:
        if isinstance(value, os.PathLike) or hasattr(value, 'read'):
            self.error('a file cannot be assigned: store it with document.attribute.save(file)')

    def _kept(self, stored: Stored) -> Stored:
        more = stored.original or stored.thumbnails or stored.bbox
        # What is of a picture is no part of a file.
        return Stored(stored.filename) if more and stored.problem is None else stored

    def _refer(self, stored: Stored) -> Any:
        reference = self.proxy_class(**self._options(stored))
        # As it is, with what could not be read.
        reference._stored, reference._field = stored, self
        return reference

    def _options(self, stored: Stored) -> dict[str, Any]:
        """What a reference is made from."""
        return {
            'fs': self.fs,
            'filename': stored.filename,
            'upload_to': self.upload_to,
            'basename': self.basename,
            'instance': None,
            'name': self.name,
        }

    def _bind(self, reference: FileReference, document: Any, name: str) -> None:
        reference.instance, reference.name, reference._on_change = document, name, changes.note

    # --- What MongoEngine asks of a field.

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
        self._bind(reference, document, str(self.name))
        return reference

    def __set__(self, instance: Any, value: Any) -> None:
        # An empty reference is what MongoEngine reads from a new document before it sets the default.
        empty = not value and getattr(value, 'malformed', None) is None
        if empty and not self.null and self.default is not None:
            value = self.default() if callable(self.default) else self.default
        stored = self.stored(value)
        reference = self._in(instance)
        if instance._initialised:
            reference._change(stored)
        else:
            reference._stored = stored

    def to_python(self, value: Any) -> Any:
        """The reference for *value*, which MongoDB has, or a document is made with."""
        if not isinstance(value, FileReference):
            self._refuse_content(value)
            return self._refer(self._read(value))
        # One that belongs to an attribute stays there; a list gets its own.
        mine = isinstance(value, self.proxy_class) and value._fs is self.fs and value.instance is None
        return value if mine else self.reference(value)

    def to_mongo(self, value: Any) -> Any:
        """The form in MongoDB: ``{filename: …}``; None for no file."""
        return self.stored(value).to_mongo()

    def validate(self, value: Any, clean: bool = True) -> None:
        stored = self.stored(value)
        if stored.problem is not None:
            # What MongoDB has is no reason to refuse a change of something else.
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
        """The field inside of the stored form, for queries."""
        return _MEMBERS.get(member_name)

    def _set_owner_document(self, owner_document: Any) -> None:
        super()._set_owner_document(owner_document)
        # The field of a list or map has no name: nobody reads it as an attribute.
        traversal.declared(owner_document, in_container=self.name is None)
        if self.on_delete != 'keep':
            cleaning.watch_deletions(owner_document)
        if self.on_replace != 'keep':
            cleaning.watch_replacements()


class ImageField(FileField):
    """A picture of a document, kept in a storage with its thumbnails. The attribute is always an :class:`ImageReference`.

    In MongoDB it is ``{filename, original?, thumbnails?: {size: filename}, bbox?}``; a plain name is read too.

    The main file ``name.png`` is the upload as it is, with all that it says about where it was taken, unless it is larger
    than *max_size*, or *optimize* is true: then it is made from the upload, which is kept as ``name-original.png``. What is
    made, thumbnails included, holds no metadata. Thumbnails are ``name-100.png``. An SVG is never made into another file.

    :param max_size: The most pixels across and down of the main file: (width, height), or one number for both.
    :param thumbnails: The width and height of each square thumbnail, in pixels.
    :param optimize: Whether to spend time on smaller files; by default as the storage's setting ``IMAGES_OPTIMIZE`` says
        when a picture is saved.
    :param limits: How much a picture may demand before it is refused; by default as many pixels as the storage's setting
        ``IMAGES_MAX_PIXELS`` says.
    :param args: What :class:`FileField` takes by position, first *fs*.
    :param kwargs: What :class:`FileField` takes, such as *fs*, *upload_to* and *on_delete*.
    """

    proxy_class: type[FileReference] = ImageReference

    _whole = True

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
            raise TypeError(f'{type(self).__name__} takes its storage by name: {type(self).__name__}(fs=…)')
        self.max_size = max_size_of(max_size)
        self.thumbnails = sizes_of(thumbnails)
        self.optimize = optimize
        self.limits = limits
        super().__init__(*args, **kwargs)

    def _kept(self, stored: Stored) -> Stored:
        return stored

    def _options(self, stored: Stored) -> dict[str, Any]:
        options = {
            **super()._options(stored),
            'original': stored.original,
            'max_size': self.max_size,
            'thumbnail_sizes': self.thumbnails,
            'thumbnails': stored.thumbnails,
            'bbox': stored.bbox,
            'optimize': self.optimize,
        }
        return options if self.limits is None else {**options, 'limits': self.limits}

    if TYPE_CHECKING:

        @overload
        def __get__(self: F, instance: None, owner: Any) -> F: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> ImageReference: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
