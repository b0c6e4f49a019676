"""A picture by its name in a storage, with its original and its thumbnails: what an image field gives."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from flask_fs import FileExists, OperationNotSupported, Replaced
from flask_fs.files import extension
from flask_fs.uploads import check_type, limited
from flask_fs_images import Limits, Spec

from .derivatives import Derivatives, Recipe, make, readable_twice
from .references import FileReference
from .stored import Bbox, Stored, Thumbnails, box
from .transaction import FileTransaction, suffixed


class ImageReference(FileReference):
    """A picture of a storage, or none.

    ``filename`` is the main file, the one to show. It is made from the upload if that is larger than *max_size* or if
    *optimize* is true; then ``original`` is the upload, unmodified. Otherwise both are the upload. Of a HEIC, which browsers
    do not show, a JPEG is made in any case: ``a.jpg`` for the original ``a.heic``.

    :param original: The name of the unmodified file, where that is not the main file.
    :param max_size: The most pixels across and down of the main file: (width, height), or one number for both.
    :param thumbnail_sizes: The width and height of each square thumbnail that :meth:`save` makes, in pixels.
    :param thumbnails: The file of each size that was made.
    :param bbox: The part of the picture that the thumbnails show: (left, upper, right, lower).
    :param optimize: Whether to spend time on smaller files; None is as the application's setting says when a picture is
        saved.
    :param limits: How much a picture may demand before it is refused.
    :param kwargs: What :class:`FileReference` takes, such as *fs* and *filename*.
    :raises ValueError: If a name, a size or the bbox is impossible.
    """

    def __init__(
        self,
        original: str | None = None,
        max_size: int | tuple[int, int] | None = None,
        thumbnail_sizes: Iterable[int] | None = None,
        thumbnails: Mapping[Any, str] | None = None,
        bbox: Iterable[float] | None = None,
        optimize: bool | None = None,
        *,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        form = {'filename': kwargs.pop('filename', None), 'original': original, 'thumbnails': thumbnails, 'bbox': bbox}
        super().__init__(**kwargs)
        self._stored = Stored.of(form)
        self.max_size = max_size_of(max_size)
        self.thumbnail_sizes = sizes_of(thumbnail_sizes)
        self.optimize = optimize
        self.limits = limits

    @property
    def original(self) -> str | None:
        """The name of the unmodified file."""
        return self._stored.original or self.filename

    @property
    def thumbnails(self) -> dict[int, str]:
        """The name of the thumbnail of each size that was made. A size is a number, or text as in MongoDB.

        A copy: changing it changes nothing else.
        """
        return Thumbnails(self._stored.thumbnails)

    @property
    def bbox(self) -> list[float] | None:
        """The part of the picture that the thumbnails show: [left, upper, right, lower]."""
        return None if self._stored.bbox is None else Bbox(self._stored.bbox)

    def thumbnail(self, size: int) -> str | None:
        """The name of the thumbnail of that size.

        Where the field has that size and the picture was stored before it did, it is the name that :meth:`best_url` links
        to, until :meth:`rerender`.

        :raises ValueError: If no thumbnail of that size is declared.
        """
        if size not in self.thumbnail_sizes:
            declared = ', '.join(map(str, self.thumbnail_sizes)) or 'none'
            what = type(self).__name__ if self.name is None else repr(self.name)
            raise ValueError(f'{what} has no thumbnail of size {size} (declared: {declared})')
        return self._best(size)

    def best_url(self, size: int | None = None, external: bool = False) -> str | None:
        """The URL of the smallest thumbnail that fills *size* pixels, or else of the main file; None without a picture.

        Calling the reference does the same.

        :param size: Without one, it is the URL of the main file.
        :param external: A full URL, with scheme and host.
        """
        name = self._best(size)
        return None if name is None else self.fs.url(name, external)

    def __call__(self, size: int | None = None, external: bool = False) -> str | None:
        return self.best_url(size, external)

    def full(self, external: bool = False) -> str | None:
        """The URL of the main file, as ``url``; None without a picture. It never is that of another ``original``.

        :param external: A full URL, with scheme and host.
        """
        return None if self.filename is None else self.fs.url(self.filename, external)

    def _best(self, size: int | None) -> str | None:
        made = self._stored.thumbnails
        large_enough = [side for side in made if size is not None and side >= size]
        return made[min(large_enough)] if large_enough else self.filename

    def _recipe(self) -> Recipe:
        """What to make from a picture, by the settings of this moment."""
        config = self.fs.config
        optimize = config.get('images_optimize') if self.optimize is None else self.optimize
        limits = self.limits or Limits(
            pixels=config.get('images_max_pixels') or Limits.pixels, concurrency=config.get('images_concurrency')
        )
        return Recipe(self.max_size, self.thumbnail_sizes, bool(optimize), limits)

    # --- Changes.

    def save(  # pyright: ignore[reportIncompatibleMethodOverride]  # the documented names and order
        self,
        file_or_wfs: Any,
        filename: str | None = None,
        bbox: Iterable[float] | None = None,
        overwrite: bool | None = None,
        *,
        prefix: str | None = None,
    ) -> str:
        """Store a picture with all that is made from it, refer to it, and return the name of the main file.

        If anything fails, no file of it stays and the reference is as it was. Save the document next. Files made from the
        picture get free names: no other file is replaced, and none is a reason to refuse the picture.

        :param file_or_wfs: What :meth:`flask_fs.Storage.save` takes.
        :param filename: The name of the main file, or of a HEIC, from which the main file is made; by default the
            ``basename`` with the extension of the upload, or else the name that the upload has.
        :param bbox: The part of the picture that the thumbnails show, (left, upper, right, lower) in pixels.
        :param overwrite: Whether to replace a main file of that name; by default as the storage was made. Of the files made
            from a picture, only those that this reference has are replaced.
        :param prefix: A folder under ``upload_to``.
        :raises FileExists: If there is a file with the name of the main file, and it is not to be replaced.
        :raises UnauthorizedFileType: If its extension is not allowed. The picture is not decoded then.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``. Likewise.
        :raises InvalidContent: If it is no picture, or a broken one, or over the limits.
        :raises NoFile: If the form was sent without a file.
        :raises ValueError: If the bbox is none, or lies outside of the picture.
        """
        replace = self.fs.overwrite if overwrite is None else overwrite
        main, part = self._target(file_or_wfs, filename, prefix), None if bbox is None else box(bbox)
        mine = self._stored if replace and main == self._stored.filename else Stored()
        config = self.fs.config
        # Before any work is put into it.
        check_type(file_or_wfs, main, self.fs, config)
        limit = functools.partial(limited, name=main, storage=self.fs.name, config=config)
        with readable_twice(file_or_wfs, limit) as source, FileTransaction(self.fs) as transaction:
            made = make(self._recipe(), source, part, main, self.fs.name)
            original = None
            if made.main is None:
                main = transaction.save(source, main, replace=replace, alone=not made.thumbnails)
            elif made.renamed(main) != main:
                mine = self._stored if replace and main == self._stored.original else Stored()
                original = transaction.save(source, main, replace=replace)
                main = self._store_converted(transaction, made.main.file, made.renamed(original), mine)
            else:
                known = mine.original if extension(mine.original or '') == extension(main) else None
                original = known or suffixed(main, 'original')
                try:
                    original = transaction.save(source, original, replace=known is not None)
                except FileExists:
                    # Mostly of another picture with this name: then the main file is refused, before more is stored.
                    transaction.write(main, made.main.file, replace=replace)
                    original = transaction.save_free(source, original)
                else:
                    transaction.write(main, made.main.file, replace=replace)
            thumbnails = self._thumbnails(transaction, made, main, mine)
            transaction.finish()
        self._change(Stored(main, original, thumbnails, part))
        return main

    def _store_converted(self, transaction: FileTransaction, content: IO[bytes], name: str, mine: Stored) -> str:
        """Store the main file of an upload that keeps its name, in place of that of *mine*, or under a free name."""
        if mine.filename is None:
            return transaction.write_free(name, content)
        transaction.write(mine.filename, content, replace=True)
        return mine.filename

    def rerender(self) -> None:
        """Make the derived files again from the original, as the field is declared now. Save the document next.

        Files keep their names, so the document never refers to a file that is not there, saved or not; they are replaced
        once all new ones are stored. What is new gets a free name. The original is only read. Thumbnails of sizes that
        the field no longer has are no longer referred to; ``on_replace='remove'`` removes them.

        :raises FileNotFound: If the original is gone, or was removed meanwhile.
        :raises Replaced: If the original was replaced meanwhile.
        :raises InvalidContent: If it is no picture, or a broken one, or over the field's limits.
        """
        if self.filename is None or self.original is None:
            return
        stored, separate = self._stored, self._stored.original is not None
        version = self._version_of(self.original)
        with self.fs.local_file(self.original) as path, FileTransaction(self.fs) as transaction:
            made = make(self._recipe(), Path(path), stored.bbox, self.original, self.fs.name, remake=separate)
            main, original = self.filename, stored.original
            if made.main is not None and separate:
                transaction.write(main, made.main.file, replace=True)
            elif made.main is not None:
                # The file that the document refers to stays what it is; a smaller one is stored beside it.
                name = made.renamed(main) if made.renamed(main) != main else suffixed(main, 'main')
                original, main = main, transaction.write_free(name, made.main.file)
            thumbnails = self._thumbnails(transaction, made, main, stored)
            if self._version_of(self.original) != version:
                # Files of the former picture would show it again.
                raise Replaced(self.original, storage=self.fs.name)
            transaction.finish()
        self._change(Stored(main, original, thumbnails, stored.bbox, rest=stored.rest))

    def _version_of(self, name: str) -> Any:
        """What changes with the content of a file, as far as the backend says.

        :raises FileNotFound: If there is no such file.
        """
        try:
            info = self.fs.stat(name)
        except OperationNotSupported:
            return None
        return info.etag or (info.size, info.modified)

    def _thumbnails(
        self, transaction: FileTransaction, made: Derivatives, main: str, mine: Stored
    ) -> Mapping[int, str]:
        """Store the thumbnails in place of those of *mine*, or under free names, and return the name of each size."""
        thumbnails = dict.fromkeys(made.stands_in_for, main)
        for size, rendered in made.thumbnails.items():
            known = mine.thumbnails.get(size)
            if known is None or known in (mine.filename, mine.original, *thumbnails.values()):
                name = made.renamed(mine.filename or main)
                thumbnails[size] = transaction.write_free(suffixed(name, size), rendered.file)
            else:
                thumbnails[size] = known
                transaction.write(known, rendered.file, replace=True)
        return thumbnails


def max_size_of(given: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """*given* as (width, height).

    :raises ValueError: If it is no size.
    """
    if given is None:
        return None
    size = Spec(given).size
    return (size, size) if isinstance(size, int) else size


def sizes_of(given: Iterable[int] | None) -> tuple[int, ...]:
    """The sizes of thumbnails.

    :raises TypeError: If one is no whole number.
    :raises ValueError: If one is less than 1.
    """
    sizes = tuple(map(operator.index, given or ()))
    if any(size < 1 for size in sizes):
        raise ValueError(f'the size of a thumbnail must be 1 or more, not {min(sizes)}')
    return sizes
