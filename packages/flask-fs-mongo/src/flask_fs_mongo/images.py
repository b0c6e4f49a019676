"""What a document's image field gives: the picture, its original and its thumbnails."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from flask_fs.names import join

from .making import make, readable_twice
from .references import FileReference, beside
from .stored import Bbox, Stored, box, suffixed
from .writing import Together

if TYPE_CHECKING:
    from .fields import ImageField


class ImageReference(FileReference):
    """The picture of a document, or none.

    ``filename`` is the main file, the one to show. It is made from the upload if that is larger than the field's
    ``max_size`` or the field optimises; then ``original`` is the upload, unmodified. Otherwise both are the upload.
    """

    __slots__ = ()

    def _image_field(self) -> ImageField:
        return cast('ImageField', self._field)

    @property
    def original(self) -> str | None:
        """The name of the unmodified file."""
        return self._stored.original or self.filename

    @property
    def thumbnails(self) -> Mapping[int, str]:
        """The name of the thumbnail of each size that was made."""
        return self._stored.thumbnails

    @property
    def bbox(self) -> Bbox | None:
        """The part of the picture that the thumbnails show: (left, upper, right, lower)."""
        return self._stored.bbox

    def thumbnail(self, size: int) -> str | None:
        """The name of the thumbnail of that size.

        Where the field has that size and the picture was stored before it did, it is the name that :meth:`best_url` links
        to, until :meth:`rerender`.

        :raises ValueError: If the field declares no thumbnail of that size.
        """
        if size not in self._image_field().thumbnails:
            declared = ', '.join(map(str, self._image_field().thumbnails)) or 'none'
            raise ValueError(f'{self._field.name!r} has no thumbnail of size {size} (declared: {declared})')
        return self._best(size)

    def best_url(self, size: int | None = None, external: bool = False) -> str | None:
        """The address of the smallest thumbnail that fills *size* pixels, or of the main file; None without a picture.

        Calling the reference does the same.

        :param size: By default, it is the address of the largest thumbnail there is.
        :param external: A full address, with scheme and host.
        """
        name = self._best(size)
        return None if name is None else self.fs.url(name, external)

    def __call__(self, size: int | None = None, external: bool = False) -> str | None:
        return self.best_url(size, external)

    def full(self, external: bool = False) -> str | None:
        """The address of the main file, as ``url``; None without a picture. It never is that of another ``original``.

        :param external: A full address, with scheme and host.
        """
        return None if self.filename is None else self.fs.url(self.filename, external)

    def _best(self, size: int | None) -> str | None:
        if size is None and self.thumbnails:
            return self.thumbnails[max(self.thumbnails)]
        large_enough = [made for made in self.thumbnails if size is not None and made >= size]
        return self.thumbnails[min(large_enough)] if large_enough else self.filename

    # --- Changes.

    def save(  # type: ignore[override]  # the documented order
        self,
        file: Any,
        filename: str | None = None,
        bbox: Iterable[float] | None = None,
        overwrite: bool | None = None,
        *,
        prefix: str | None = None,
    ) -> str:
        """Store a picture with all that the field makes from it, refer to it, and return the name of the main file.

        If anything fails, no file of it stays and the reference is as it was. Save the document next.

        :param file: What :meth:`flask_fs.Storage.save` takes.
        :param filename: Its name; by default the one that it brings along. If the field has a ``basename``, only the
            extension is taken from it.
        :param bbox: The part of the picture that the thumbnails show, (left, upper, right, lower) in pixels.
        :param overwrite: Whether to replace files of those names; by default as the storage was made.
        :param prefix: A folder under the field's ``upload_to``.
        :raises InvalidContent: If it is no picture, or a broken one, or over the field's limits.
        :raises ValueError: If the bbox is none, or lies outside of the picture.
        """
        replace = self.fs.overwrite if overwrite is None else overwrite
        name, folder = self._filename_for(file, filename), self._folder(prefix)
        part = None if bbox is None else box(bbox)
        with readable_twice(file) as source, Together(self.fs) as together:
            made = make(self._image_field(), source, part, name)
            if made.main is None:
                original = None
                main = together.save(source, name, folder, replace=replace, alone=not made.thumbnails)
            else:
                original = together.save(source, suffixed(name, 'original'), folder, replace=replace)
                main = join(posixpath.dirname(original), posixpath.basename(name))
                together.write(main, made.main.file, replace=replace)
            thumbnails = dict.fromkeys(made.stands_in_for, main)
            for size, rendered in made.thumbnails.items():
                thumbnails[size] = suffixed(main, size)
                together.write(thumbnails[size], rendered.file, replace=replace)
            together.finish()
        self._change(Stored(main, original, MappingProxyType(thumbnails), part))
        return main

    def rerender(self) -> None:
        """Make the derived files again from the original, as the field is declared now. Save the document next.

        Files keep their names, so the document never refers to a file that is not there, saved or not; they are replaced
        once all new ones are stored. What is new gets a free name. The original is only read. Thumbnails of sizes that
        the field no longer has are no longer referred to; ``on_replace='remove'`` removes them.

        :raises FileNotFound: If the original is gone.
        :raises InvalidContent: If it is no picture, or a broken one, or over the field's limits.
        """
        if self.filename is None or self.original is None:
            return
        stored, separate = self._stored, self._stored.original is not None
        with self.fs.local_file(self.original) as path, Together(self.fs) as together:
            made = make(self._image_field(), Path(path), stored.bbox, self.original, remake=separate)
            main, original = self.filename, stored.original
            if made.main is not None:
                if not separate:
                    # The file that the document refers to stays what it is; a smaller one stands beside it.
                    original, main = main, beside(self.fs, suffixed(main, 'main'))
                together.write(main, made.main.file, replace=separate)
            thumbnails = dict.fromkeys(made.stands_in_for, main)
            for size, rendered in made.thumbnails.items():
                known = stored.thumbnails.get(size)
                mine = known is not None and known not in (self.filename, self.original)
                thumbnails[size] = known if known and mine else beside(self.fs, suffixed(self.filename, size))
                together.write(thumbnails[size], rendered.file, replace=mine)
            together.finish()
        self._change(Stored(main, original, MappingProxyType(thumbnails), stored.bbox))
