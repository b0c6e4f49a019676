"""References to images and the files derived from them: a main file of limited size, and thumbnails."""

from __future__ import annotations

import contextlib
import operator
import os
import re
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from flask_fs.errors import FileExists, FileNotFound, InvalidContent, OperationNotSupported, Replaced
from flask_fs.files import extension
from flask_fs.references import FileReference
from flask_fs.storage import Storage
from flask_fs.transaction import FileTransaction, suffixed
from flask_fs.upload_checks import check_type, limited, position_of, restore_position, validated

from .derivatives import Derivatives, derive
from .limits import Limits
from .spec import Spec, size_of
from .stored import Bbox, StoredImage, Thumbnails, bbox_of


class ImageReference(FileReference):
    """A reference to an image in a storage, or to none.

    ``filename`` is the main file, the one to show. If the upload is larger than *max_size*, or if *optimize* is true,
    the main file is made from the upload, and ``original`` is the unmodified upload. Otherwise both are the upload. A
    HEIC always gets a JPEG as its main file, because few browsers show HEIC: ``a.jpg`` for the original ``a.heic``.

    :param original: The name of the unmodified file, if it is not the main file.
    :param max_size: The maximum width and height of the main file in pixels: (width, height), or one number for both.
    :param thumbnail_sizes: The width and height of each square thumbnail that :meth:`save` makes, in pixels.
    :param thumbnails: The filename of each existing thumbnail, by size.
    :param bbox: The part of the image that the thumbnails show: (left, upper, right, lower).
    :param optimize: Whether to spend time on smaller files; None uses the application's setting at each save.
    :param limits: Limits on the size of images. Larger images are refused.
    :param kwargs: The parameters of :class:`FileReference`, such as *fs* and *filename*.
    :raises ValueError: If a name, a size, or the bbox is invalid.
    """

    stored_type = StoredImage
    stored: StoredImage

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
        self.stored = StoredImage.of(form)
        self.max_size = max_size_of(max_size)
        self.thumbnail_sizes = sizes_of(thumbnail_sizes)
        self.optimize = optimize
        self.limits = limits

    @property
    def original(self) -> str | None:
        """The name of the unmodified file."""
        return self.stored.upload

    @property
    def thumbnails(self) -> dict[int, str]:
        """The name of each existing thumbnail, by size. You can look up a size as a number or as stored text.

        This is a copy: changing it does not change the reference.
        """
        return Thumbnails(self.stored.thumbnails)

    @property
    def bbox(self) -> list[float] | None:
        """The part of the image that the thumbnails show: [left, upper, right, lower]."""
        return None if self.stored.bbox is None else Bbox(self.stored.bbox)

    def thumbnail(self, size: int) -> str | None:
        """The name of the thumbnail of that size.

        If the image was stored before the field declared that size, this is the name of the file that :meth:`best_url`
        links to, until :meth:`rerender`.

        :raises ValueError: If no thumbnail of that size is declared.
        """
        if size not in self.thumbnail_sizes:
            declared = ', '.join(map(str, self.thumbnail_sizes)) or 'none'
            what = type(self).__name__ if self.name is None else repr(self.name)
            raise ValueError(f'{what} has no thumbnail of size {size} (declared sizes: {declared})')
        return self._best(size)

    def best_url(self, size: int | None = None, external: bool = False) -> str | None:
        """The URL of the smallest thumbnail of at least *size* pixels, or else of the main file; None without an image.

        Calling the reference does the same.

        :param size: The size in pixels. If omitted, the URL is that of the main file.
        :param external: Whether to return a full URL, with scheme and host.
        """
        name = self._best(size)
        return None if name is None else self.fs.url(name, external)

    def __call__(self, size: int | None = None, external: bool = False) -> str | None:
        return self.best_url(size, external)

    def full(self, external: bool = False) -> str | None:
        """The URL of the main file, like ``url``; None without an image. It never links to a separate ``original``.

        :param external: Whether to return a full URL, with scheme and host.
        """
        return None if self.filename is None else self.fs.url(self.filename, external)

    def as_json(self, external: bool = False) -> dict[str, Any] | None:
        """The JSON form of the image for API responses, ``jsonify``, and serializers; None without an image.

        It never names a separate ``original``, and no method links to it.

        :param external: Whether to return full URLs, with scheme and host.
        :returns: ``{'filename': …, 'url': …, 'thumbnails': {'100': …}}``, with the URL of each thumbnail by its size.
            Sizes are strings, like all keys in JSON.
        """
        form = super().as_json(external)
        if form is not None:
            form['thumbnails'] = {
                str(size): self.fs.url(name, external) for size, name in sorted(self.stored.thumbnails.items())
            }
        return form

    def _best(self, size: int | None) -> str | None:
        made = self.stored.thumbnails
        large_enough = [side for side in made if size is not None and side >= size]
        return made[min(large_enough)] if large_enough else self.filename

    def _derive(self, file: Any, bbox: Iterable[float] | None, filename: str, *, remake: bool = False) -> Derivatives:
        """Make the derived files of the image in *file*, according to the current settings."""
        config = self.fs.config
        effort = bool(config.get('images_optimize') if self.optimize is None else self.optimize)
        limits = self.limits or Limits(
            pixels=config.get('images_max_pixels') or Limits.pixels, concurrency=config.get('images_concurrency')
        )
        main = Spec(self.max_size, effort=effort)
        try:
            return derive(file, main, self.thumbnail_sizes, bbox, limits=limits, filename=filename, remake=remake)
        except InvalidContent as error:
            error.storage = error.storage or self.fs.name
            raise
        except FileNotFoundError as error:
            # It was removed from a folder a moment ago.
            raise FileNotFound(filename, storage=self.fs.name) from error

    # --- Changes.

    def save(  # pyright: ignore[reportIncompatibleMethodOverride]  # the documented names and order
        self,
        file_or_wfs: Any,
        filename: str | None = None,
        bbox: Iterable[float] | None = None,
        overwrite: bool | None = None,
        *,
        prefix: str | None = None,
        user: str | None = None,
    ) -> str:
        """Store an image and its derived files, refer to them, and return the name of the main file.

        If anything fails, none of these files is kept, and the reference does not change. Save the document afterward.
        Derived files get available names: they never replace unrelated files and never cause ``FileExists``.

        :param file_or_wfs: A file or path accepted by :meth:`flask_fs.Storage.save`, or the token of an upload that has
            arrived: see :meth:`flask_fs.Storage.accept_upload`.
        :param filename: The name of the main file, or of the HEIC that the main file is made from; by default the
            ``basename`` with the extension of the upload, or else the name of the upload.
        :param bbox: The part of the image that the thumbnails show, (left, upper, right, lower) in pixels.
        :param overwrite: Whether to replace an existing main file; by default the ``overwrite`` setting of the storage.
            Of derived files, only those of this reference are replaced.
        :param prefix: A folder under ``upload_to``.
        :param user: The user that the upload ticket was made for, if it was made for one.
        :raises FileExists: If a file with the name of the main file already exists and must not be replaced.
        :raises UnauthorizedFileType: If the extension is not allowed. The image is then not decoded.
        :raises FileTooLarge: If the file is larger than ``MAX_BYTES``. The image is then not decoded.
        :raises InvalidContent: If the file is not an image, is broken, or exceeds the limits.
        :raises NoFile: If the form was sent without a file, or the upload has not arrived.
        :raises InvalidToken: If *file_or_wfs* is a string but not a valid token of the storage.
        :raises ValueError: If the bbox is invalid or outside the image.
        """
        with self._upload(file_or_wfs, user) as file:
            return self._save(file, self._full_name(file, filename, prefix), bbox, self._may_replace(overwrite))

    def _save(self, file: Any, main: str, bbox: Iterable[float] | None, replace: bool) -> str:
        part = None if bbox is None else bbox_of(bbox)
        # Checked before doing any work.
        check_type(file, main, self.fs, self.fs.config)
        with _rereadable(file, main, self.fs) as source, self.owner.transaction(self) as transaction:
            made = self._derive(source, part, main)
            known = self.stored.original if made.renamed(main) != main else self.stored.filename
            mine = self.stored if replace and transaction.takes_place(main, known) else StoredImage()
            original = None
            if made.main is None:
                alone = not (made.thumbnails or self.owner.checksum)
                main = transaction.save(source, main, replace=replace, alone=alone, former=mine.filename)
            elif made.renamed(main) != main:
                # The upload keeps its name; the main file replaces the previous main file or gets an available name.
                original = transaction.save(source, main, replace=replace, former=mine.original)
                main = self._write(transaction, made.renamed(original), made.main.file, mine.filename)
            else:
                known = mine.original if extension(mine.original or '') == extension(main) else None
                original = suffixed(main, 'original')
                try:
                    original = transaction.save(source, original, former=known)
                except FileExists:
                    # Usually an image with the same name exists. Then this write is refused before more is stored.
                    main = transaction.write(main, made.main.file, replace=replace, former=mine.filename)
                    original = transaction.save(source, original, available=True)
                else:
                    main = transaction.write(main, made.main.file, replace=replace, former=mine.filename)
            thumbnails = self._store_thumbnails(transaction, made, main, mine)
            parts: dict[str, Any] = {'original': original, 'thumbnails': thumbnails, 'bbox': part}
            stored = StoredImage(main, checksum=self._checksum(transaction, main), **parts)
            self._drop(transaction, _remade(mine, made, stored), stored)
        self._refer_to_new(transaction, mine, stored)
        return main

    def rerender(self) -> None:
        """Regenerate the derived files from the original, as the field now declares them. Save the document afterward.

        Files keep their names, so the document never refers to a missing file, saved or not. They are replaced once all
        new files are stored. In a unit of work, such as the transaction of a database row, the new files get other
        names, and the old ones are removed after the commit. Additional files get available names. The original is only
        read. The reference drops thumbnails of sizes that the field no longer declares; ``on_replace='remove'`` also
        deletes them.

        :raises FileNotFound: If the original does not exist or is removed in the meantime.
        :raises Replaced: If the original is replaced in the meantime.
        :raises InvalidContent: If the original is not an image, is broken, or exceeds the field's limits.
        """
        if self.filename is None or self.original is None:
            return
        stored, separate = self.stored, self.stored.original is not None
        version = self._version_of(self.original)
        with self.fs.local_file(self.original) as path, self.owner.transaction(self) as transaction:
            made = self._derive(Path(path), stored.bbox, self.original, remake=separate)
            main, original = self.filename, stored.original
            if made.main is not None and separate:
                name = main if transaction.in_place else _main_name(self.original, made)
                main = transaction.write(name, made.main.file, former=main)
            elif made.main is not None:
                # The file that the document refers to is not modified; the smaller one is a new file.
                name = made.renamed(main) if made.renamed(main) != main else suffixed(main, 'main')
                original, main = main, transaction.write(name, made.main.file, available=True)
            thumbnails = self._store_thumbnails(transaction, made, main, stored)
            if self._version_of(self.original) != version:
                # Files made from the previous image would show that image again.
                raise Replaced(self.original, storage=self.fs.name)
            checksum = stored.checksum if made.main is None else self._checksum(transaction, main)
            parts: dict[str, Any] = {'original': original, 'thumbnails': thumbnails, 'bbox': stored.bbox}
            new = StoredImage(main, rest=stored.rest, checksum=checksum, **parts)
            self._drop(transaction, _remade(stored, made, new), new)
        if made.main is not None or made.thumbnails:
            self._refer_to_new(transaction, stored, new)
        else:
            self.refer_to(new)

    def _version_of(self, name: str) -> Any:
        """A value that changes with the content of a file, if the backend reports one.

        :raises FileNotFound: If the file does not exist.
        """
        try:
            info = self.fs.stat(name)
        except OperationNotSupported:
            return None
        return info.etag or (info.size, info.modified)

    def _store_thumbnails(
        self, transaction: FileTransaction, made: Derivatives, main: str, mine: StoredImage
    ) -> Mapping[int, str]:
        """Store the thumbnails in place of those of *mine*, or under available names; return their names by size."""
        thumbnails = dict.fromkeys(made.sizes_of_main, main)
        named_after = mine.filename if transaction.in_place and mine.filename else main
        for size, rendered in made.thumbnails.items():
            known = mine.thumbnails.get(size)
            if known in (mine.filename, mine.original, *thumbnails.values()):
                known = None
            name = suffixed(made.renamed(named_after), size)
            thumbnails[size] = self._write(transaction, name, rendered.file, known)
        return thumbnails

    @staticmethod
    def _write(transaction: FileTransaction, name: str, content: IO[bytes], former: str | None) -> str:
        """Store a derived file in place of *former*, or under an available name if there is no *former*."""
        return transaction.write(name, content, former=former, available=former is None)


def _remade(mine: StoredImage, made: Derivatives, stored: StoredImage) -> list[str]:
    """The files of *mine* that *stored* replaces, without thumbnails of sizes that are no longer declared."""
    thumbnails = [name for size, name in mine.thumbnails.items() if size in made.thumbnails]
    original = mine.original if stored.original else None
    return [name for name in (*thumbnails, original, mine.filename) if name]


def _main_name(original: str, made: Derivatives) -> str:
    """The name of the main file made from *original*: ``a.png`` for ``a-original.png``."""
    if (renamed := made.renamed(original)) != original:
        return renamed
    stem, dot, ending = original.rpartition('.')
    asked = re.sub('-original(_[0-9]+)?$', '', stem)
    return asked + dot + ending if asked != stem else suffixed(original, 'main')


@contextlib.contextmanager
def _rereadable(file: Any, name: str, storage: Storage) -> Generator[Any]:
    """*file*, opened if it is a path, in a form that can be read twice: to derive files from it, and to store it.

    :raises FileTooLarge: If the file is larger than ``MAX_BYTES``.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(file, os.PathLike) and not hasattr(file, 'read'):
            file = stack.enter_context(open(file, 'rb'))
        stack.callback(restore_position, file, position_of(file))
        file = limited(file, name, storage.name, storage.config)
        yield stack.enter_context(validated(file, name, (), storage.name))


def max_size_of(given: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """*given* as (width, height).

    :raises ValueError: If it is not a valid size.
    """
    return None if given is None else size_of(given)


def sizes_of(given: Iterable[int] | None) -> tuple[int, ...]:
    """The sizes of thumbnails.

    :raises TypeError: If a size is not an integer.
    :raises ValueError: If a size is less than 1.
    """
    sizes = tuple(map(operator.index, given or ()))
    if any(size < 1 for size in sizes):
        raise ValueError(f'the size of a thumbnail must be 1 or more, not {min(sizes)}')
    return sizes
