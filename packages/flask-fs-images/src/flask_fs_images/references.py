"""References to pictures, with the files made from them: a main file that is small enough, and thumbnails."""

from __future__ import annotations

import contextlib
import operator
import os
import re
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from flask_fs.errors import FileExists, InvalidContent, OperationNotSupported, Replaced
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
    """A picture of a storage, or none.

    ``filename`` is the main file, the one to show. It is made from the upload if that is larger than *max_size* or if
    *optimize* is true; then ``original`` is the upload, unmodified. Otherwise both are the upload. A HEIC, which browsers do
    not show, always gets a JPEG as its main file: ``a.jpg`` for the original ``a.heic``.

    :param original: The name of the unmodified file, where that is not the main file.
    :param max_size: The maximum width and height of the main file in pixels: (width, height), or one number for both.
    :param thumbnail_sizes: The width and height of each square thumbnail that :meth:`save` makes, in pixels.
    :param thumbnails: The file of each size that was made.
    :param bbox: The part of the picture that the thumbnails show: (left, upper, right, lower).
    :param optimize: Whether to spend time on smaller files; None follows the application's setting when a picture is saved.
    :param limits: How much a picture may demand before it is refused.
    :param kwargs: The parameters of :class:`FileReference`, such as *fs* and *filename*.
    :raises ValueError: If a name, a size or the bbox is invalid.
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
        """The name of the thumbnail of each size that was made. A size is a number, or text as it is stored.

        A copy: changing it changes nothing else.
        """
        return Thumbnails(self.stored.thumbnails)

    @property
    def bbox(self) -> list[float] | None:
        """The part of the picture that the thumbnails show: [left, upper, right, lower]."""
        return None if self.stored.bbox is None else Bbox(self.stored.bbox)

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
        """The URL of the main file, as ``url``; None without a picture. It is never that of a separate ``original``.

        :param external: A full URL, with scheme and host.
        """
        return None if self.filename is None else self.fs.url(self.filename, external)

    def as_json(self, external: bool = False) -> dict[str, Any] | None:
        """What an API returns to a client about the picture, for ``jsonify`` and serializers; None without one.

        It never names a separate ``original``, as no method links to it.

        :param external: Full URLs, with scheme and host.
        :returns: ``{'filename': …, 'url': …, 'thumbnails': {'100': …}}``, with the URLs of the thumbnails by their sizes,
            which are text, as keys in JSON are.
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
        """What to make from the picture in *file*, according to the current settings."""
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
        """Store a picture with all that is made from it, refer to it, and return the name of the main file.

        If anything fails, none of these files stays, and the reference does not change. Save the document next. Files made
        from the picture get available names: they replace no other file, and none makes this raise ``FileExists``.

        :param file_or_wfs: A file or path that :meth:`flask_fs.Storage.save` accepts, or the token of an upload that has
            arrived: see :meth:`flask_fs.Storage.accept_upload`.
        :param filename: The name of the main file, or of a HEIC, from which the main file is made; by default the
            ``basename`` with the extension of the upload, or else the name of the upload.
        :param bbox: The part of the picture that the thumbnails show, (left, upper, right, lower) in pixels.
        :param overwrite: Whether to replace a main file of that name; by default the ``overwrite`` of the storage. Of the
            files made from a picture, only those of this reference are replaced.
        :param prefix: A folder under ``upload_to``.
        :param user: For whom the ticket of the upload was made, if it was for one.
        :raises FileExists: If there is a file with the name of the main file, and it is not to be replaced.
        :raises UnauthorizedFileType: If its extension is not allowed. The picture is not decoded then.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``. The picture is not decoded then.
        :raises InvalidContent: If it is not a picture, is broken, or exceeds the limits.
        :raises NoFile: If the form was sent without a file, or nothing has arrived.
        :raises InvalidToken: If *file_or_wfs* is text, and not a valid token of the storage.
        :raises ValueError: If the bbox is invalid, or lies outside of the picture.
        """
        with self._upload(file_or_wfs, user) as file:
            return self._save(file, self._full_name(file, filename, prefix), bbox, self._may_replace(overwrite))

    def _save(self, file: Any, main: str, bbox: Iterable[float] | None, replace: bool) -> str:
        part = None if bbox is None else bbox_of(bbox)
        # Before any work is put into it.
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
                # The upload keeps its name; the main file replaces that of the former upload, or gets an available name.
                original = transaction.save(source, main, replace=replace, former=mine.original)
                main = self._write(transaction, made.renamed(original), made.main.file, mine.filename)
            else:
                known = mine.original if extension(mine.original or '') == extension(main) else None
                original = suffixed(main, 'original')
                try:
                    original = transaction.save(source, original, former=known)
                except FileExists:
                    # Usually that of a picture with the same name: then the main file is refused, before more is stored.
                    main = transaction.write(main, made.main.file, replace=replace, former=mine.filename)
                    original = transaction.save(source, original, available=True)
                else:
                    main = transaction.write(main, made.main.file, replace=replace, former=mine.filename)
            thumbnails = self._store_thumbnails(transaction, made, main, mine)
            parts: dict[str, Any] = {'original': original, 'thumbnails': thumbnails, 'bbox': part}
            stored = StoredImage(main, checksum=self._checksum(transaction, main), **parts)
            self._drop(transaction, _remade(mine, made, stored), stored)
        self.refer_to(stored)
        return main

    def rerender(self) -> None:
        """Make the derived files again from the original, as the field is declared now. Save the document next.

        Files keep their names, so the document never refers to a missing file, saved or not; they are replaced once all new
        ones are stored. In a unit of work, as that of a row, the new ones have other names, and the former ones are removed
        after the commit. A new file gets an available name. The original is only read. The reference drops thumbnails of sizes
        that the field no longer declares; ``on_replace='remove'`` removes them.

        :raises FileNotFound: If the original is gone, or was removed in the meantime.
        :raises Replaced: If the original was replaced in the meantime.
        :raises InvalidContent: If it is not a picture, is broken, or exceeds the field's limits.
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
                # The file that the document refers to stays unmodified; the smaller one is a new file.
                name = made.renamed(main) if made.renamed(main) != main else suffixed(main, 'main')
                original, main = main, transaction.write(name, made.main.file, available=True)
            thumbnails = self._store_thumbnails(transaction, made, main, stored)
            if self._version_of(self.original) != version:
                # Files of the former picture would show it again.
                raise Replaced(self.original, storage=self.fs.name)
            checksum = stored.checksum if made.main is None else self._checksum(transaction, main)
            parts: dict[str, Any] = {'original': original, 'thumbnails': thumbnails, 'bbox': stored.bbox}
            new = StoredImage(main, rest=stored.rest, checksum=checksum, **parts)
            self._drop(transaction, _remade(stored, made, new), new)
        self.refer_to(new)

    def _version_of(self, name: str) -> Any:
        """A value that changes with the content of a file, if the backend reports one.

        :raises FileNotFound: If there is no such file.
        """
        try:
            info = self.fs.stat(name)
        except OperationNotSupported:
            return None
        return info.etag or (info.size, info.modified)

    def _store_thumbnails(
        self, transaction: FileTransaction, made: Derivatives, main: str, mine: StoredImage
    ) -> Mapping[int, str]:
        """Store the thumbnails in place of those of *mine*, or under available names; return the name of each size."""
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
        """Store a file made from the picture in place of *former*; without that, under an available name."""
        return transaction.write(name, content, former=former, available=former is None)


def _remade(mine: StoredImage, made: Derivatives, stored: StoredImage) -> list[str]:
    """The files of *mine* in place of which there are others in *stored*: no sizes that are not declared any more."""
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
    """*file*, opened if it is a path, such that it can be read twice: to make other files from it, and to store it.

    :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
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

    :raises TypeError: If one is not an integer.
    :raises ValueError: If one is less than 1.
    """
    sizes = tuple(map(operator.index, given or ()))
    if any(size < 1 for size in sizes):
        raise ValueError(f'the size of a thumbnail must be 1 or more, not {min(sizes)}')
    return sizes
