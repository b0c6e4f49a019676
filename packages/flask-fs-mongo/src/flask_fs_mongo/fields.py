"""The fields that a document declares."""

from __future__ import annotations

import operator
import os
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

from flask_fs import InvalidFilename, Storage, names
from flask_fs_images import Limits, Spec

from . import cleaning, walking
from .images import ImageReference
from .references import FileReference, FromDocument
from .stored import EMPTY, Stored

#: ``keep`` leaves files alone, ``remove`` removes them; a function is asked with the reference as it was stored, and true
#: removes them.
Cleaning = Literal['keep', 'remove'] | Callable[[Any], bool]

F = TypeVar('F', bound='FileField')

# What can be asked for inside of the stored form: Doc.objects(image__filename='x.png').
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

    :param fs: The storage.
    :param upload_to: A folder under the storage's own, or a function that gives one.
    :param basename: The name of every file, without extension, or a function that gives it. Functions may take the document
        that has the field; that is the embedded one, for an embedded document.
    :param on_delete: What becomes of the files when the document was deleted.
    :param on_replace: What becomes of the files that a saved document no longer refers to.
    :param kwargs: What every field of MongoEngine takes. A ``default`` is the name of a file, which is never removed.
    """

    _reference: type[FileReference] = FileReference

    def __init__(
        self,
        fs: Storage,
        upload_to: FromDocument | None = None,
        basename: FromDocument | None = None,
        *,
        on_delete: Cleaning = 'keep',
        on_replace: Cleaning = 'keep',
        **kwargs: Any,
    ) -> None:
        if not isinstance(fs, Storage):
            raise TypeError(f'{type(self).__name__} needs a Storage as fs, not {type(fs).__name__}')
        for given in (on_delete, on_replace):
            if given not in ('keep', 'remove') and not callable(given):
                raise ValueError(f"on_delete and on_replace must be 'keep', 'remove' or a function, not {given!r}")
        self.fs = fs
        self.upload_to = upload_to
        self.basename = basename
        self.on_delete = on_delete
        self.on_replace = on_replace
        super().__init__(**kwargs)

    def reference(self, value: Any = None, *, document: Any = None) -> Any:
        """A reference to be put into a list or map of such files; empty unless *value* says what it refers to.

        :param value: What can be assigned to a field of this kind.
        :param document: The document that it will be in, for ``upload_to`` and ``basename``.
        """
        reference = self._reference(self, self.stored(value))
        if document is not None:
            # Nowhere in it yet.
            reference._bind(document, '')
        return reference

    def stored(self, value: Any) -> Stored:
        """What *value* refers to.

        :raises ValidationError: If it cannot be assigned to this field.
        """
        if value is None:
            return EMPTY
        if isinstance(value, FileReference):
            if value and value.fs is not self.fs:
                self.error(f'{value!r} is not in {self.fs!r}: store its content there')
            return self._kept(value._stored)
        if isinstance(value, (str, Mapping)):
            try:
                return self._kept(Stored.of(value))
            except (TypeError, ValueError) as error:
                self.error(f'{value!r} cannot be read as a stored file: {error}')
        if isinstance(value, os.PathLike) or hasattr(value, 'read'):
            self.error('a file cannot be assigned: store it with document.attribute.save(file)')
        self.error(f'a file is assigned by its name, not as {type(value).__name__}')
        raise AssertionError  # pragma: no cover - error() always raises

    def _kept(self, stored: Stored) -> Stored:
        return stored if stored.filename is None else Stored(stored.filename)

    # --- What MongoEngine asks of a field.

    @overload
    def __get__(self: F, instance: None, owner: Any) -> F: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> FileReference: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._in(instance)

    def _in(self, document: Any) -> FileReference:
        reference = document._data.get(self.name)
        if not isinstance(reference, FileReference):
            reference = document._data[self.name] = self._reference(self, self.stored(reference))
        reference._bind(document, str(self.name))
        return reference

    def __set__(self, instance: Any, value: Any) -> None:
        # An empty reference is what MongoEngine reads from a new document before it sets the default.
        if not value and not self.null and self.default is not None:
            value = self.default() if callable(self.default) else self.default
        stored = self.stored(value)
        reference = self._in(instance)
        if instance._initialised:
            reference._change(stored)
        else:
            reference._stored = stored

    def to_python(self, value: Any) -> Any:
        # One that belongs to an attribute stays there; a list gets its own.
        if isinstance(value, FileReference) and value._field is self and value._owner is None:
            return value
        return self.reference(value)

    def to_mongo(self, value: Any) -> Any:
        return self.stored(value).to_mongo()

    def validate(self, value: Any, clean: bool = True) -> None:
        stored = self.stored(value)
        if self.required and stored.filename is None:
            self.error('Field is required')
        for name in stored.files():
            try:
                names.check(name)
            except InvalidFilename as error:
                self.error(str(error))

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
        walking.declared(owner_document, in_container=self.name is None)
        if self.on_delete != 'keep':
            cleaning.watch_deletions(owner_document)
        if self.on_replace != 'keep':
            cleaning.watch_replacements()


class ImageField(FileField):
    """A picture of a document, kept in a storage with its thumbnails. The attribute is always an :class:`ImageReference`.

    In MongoDB it is ``{filename, original?, thumbnails?: {size: filename}, bbox?}``; a plain name is read too.

    The main file ``name.png`` is the upload as it is, with all that it tells about where it was taken, unless it is larger
    than *max_size*, or *optimize* is true: then it is made from the upload, which is kept as ``name-original.png``. What is
    made, thumbnails included, holds no metadata. Thumbnails are ``name-100.png``. An SVG is never made into another file.

    :param max_size: The most pixels across and down of the main file: (width, height), or one number for both.
    :param thumbnails: The width and height of each square thumbnail, in pixels.
    :param optimize: Whether to spend time on smaller files; by default the storage's setting ``IMAGES_OPTIMIZE``.
    :param limits: How much a picture may demand before it is refused; by default as many pixels as the storage's setting
        ``IMAGES_MAX_PIXELS`` says.
    """

    _reference: type[FileReference] = ImageReference

    def __init__(
        self,
        fs: Storage,
        upload_to: FromDocument | None = None,
        basename: FromDocument | None = None,
        max_size: int | tuple[int, int] | None = None,
        thumbnails: Iterable[int] | None = None,
        optimize: bool | None = None,
        *,
        on_delete: Cleaning = 'keep',
        on_replace: Cleaning = 'keep',
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        given = Spec(max_size).size
        self.max_size = given if given is None or isinstance(given, tuple) else (given, given)
        self.thumbnails = tuple(operator.index(size) for size in thumbnails or ())
        if any(size < 1 for size in self.thumbnails):
            raise ValueError(f'the size of a thumbnail must be 1 or more, not {min(self.thumbnails)}')
        self.optimize = optimize
        self.limits = limits
        super().__init__(fs, upload_to, basename, on_delete=on_delete, on_replace=on_replace, **kwargs)

    def optimizes(self) -> bool:
        """Whether files are made smaller, in the current application."""
        return bool(self.fs.config.get('images_optimize')) if self.optimize is None else self.optimize

    def limits_now(self) -> Limits:
        """How much a picture may demand, in the current application."""
        return self.limits or Limits(pixels=self.fs.config.get('images_max_pixels') or Limits.pixels)

    def _kept(self, stored: Stored) -> Stored:
        return stored

    if TYPE_CHECKING:

        @overload
        def __get__(self: F, instance: None, owner: Any) -> F: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> ImageReference: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
