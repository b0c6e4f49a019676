"""The hooks of a driver: those that it implements, and those with a default."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, cast

from ..errors import (
    BackendError,
    FileExists,
    FileNotFound,
    FSError,
    RangeNotSatisfiable,
    Replaced,
    Unavailable,
)
from . import http, legacy, retention
from .attributes import changed
from .batching import batched
from .contract import (
    CHUNK_BYTES,
    NO_ATTRIBUTES,
    Attributes,
    ByteReader,
    Capability,
    DeletedFile,
    FileInfo,
    Folder,
    Opened,
    SignedRequest,
)
from .paging import page_of
from .pieces import JoinedStream
from .sources import Source
from .streams import (
    TranslatedStream,
    TranslatingFile,
    limited,
    undone_by,
)
from .translation import Translation


class Hooks(Translation):
    """What a driver implements, and helpers for that."""

    # --- Hooks that every driver implements.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        """The bytes [start, stop) of a file, with the metadata of that version, by one request.

        The stream raises if it ends before its last byte: a file is never silently short. It is read from a position of its
        own, by whatever thread and whatever else is open or done meanwhile, and gives the bytes of that version, or raises, if
        the file is replaced or removed.

        :param start: Where to begin; a negative one counts from the end, and then *stop* is None.
        :param stop: Larger than *start*; None, or beyond the end, is the end of the file.
        :param etag: The version that is wanted, by the ``etag`` of its :class:`~flask_fs.FileInfo`; None is the newest one.
        :raises FileNotFound: Here, before the first byte is read.
        :raises Replaced: Here too, if the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If the file ends at *start* or before. Every file has a range that begins at 0, or
            at a negative *start*: in an empty one, it is empty.
        """
        return legacy.open_file(self, name, start, stop)

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo | None:
        """Store what *stream* holds, read once and in bounded memory, so that it appears whole or not at all.

        Until it is whole nothing of it is seen, and nobody waits for it: its source may take minutes. It replaces all of a
        file of that name. Whatever is raised meanwhile, interrupts such as KeyboardInterrupt too, leaves the old file, and
        nothing new behind; only where the connection is lost may the new file be there, or something hidden that
        :meth:`_sweep` removes.

        :param create: Fail if the name is taken, by a file and not by a folder. Race-free where ATOMIC_CREATE is declared.
            If it was taken before, fail when no more than one part of a large file was read (:meth:`refuse_early`): nobody
            is to wait for gigabytes that cannot be stored.
        :param attributes: What to keep with it, all of it with ATTRIBUTES; with MIME alone, the media type. A backend that
            finds out here that its store cannot keep them raises OperationNotSupported, and stores nothing.
        :return: The metadata of the new file, if it is known without a further request.
        :raises FileExists: With *create*, if there is a file of that name; with a reason only where something
            else is in the way, such as a folder.
        """
        legacy.put(self, name, stream, create)
        return None

    def _stat(self, name: str) -> FileInfo:
        """A file's metadata, by one request without its content."""
        return legacy.stat(self, name)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with the literal text *prefix*, lazily.

        Files may come and go meanwhile: one that is there all the time is given once. Where the store does not list a
        type, it is the one that the name suggests; a checksum or etag that it does not list is None.
        """
        return legacy.scan(self, prefix)

    def _remove(self, name: str) -> None:
        """Remove one file, and nothing under ``name/``; an absent one is removed already."""
        legacy.remove(self, name)

    # --- Hooks with a default that is right everywhere.

    def _names(self, prefix: str) -> Iterator[str]:
        """The names that :meth:`_scan` would give."""
        return legacy.names(self, prefix)

    def _delete(self, name: str) -> None:
        """Remove a file and all files under it."""
        if self.batch_size > 1:
            for _, error in self._failures(itertools.chain((name,), self._names(f'{name}/'))):
                raise error
            return
        # What is under a name goes before it: a custom backend's remove may take more than one file.
        for below in sorted(self._names(f'{name}/'), reverse=True):
            self._remove(below)
        self._remove(name)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo | None:
        """Like :meth:`_put`, but replace only the version *etag* of a file, with COMPARE_AND_SWAP.

        :param etag: The ``etag`` of its :class:`~flask_fs.FileInfo`.
        :raises Changed: If the file is no longer that version, or gone.
        """
        raise self._lacks('_swap')

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        """Remove files, each like :meth:`_remove`, by as few requests as the store allows; the errors of those that stay.

        Files of a request that failed may share its error; those that were absent may be among them. The default removes
        them by :meth:`_remove_batch`, or one by one; once the store is Unavailable, it does not try the rest.
        """
        return dict(self._failures(names))

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        """Remove up to ``batch_size`` files by one request, each like :meth:`_remove`; called for two and more.

        :return: Those of which the store does not say that they are gone, with their errors. None removes such a file by
            itself, which also shows why it cannot be.
        """
        raise self._lacks('_remove_batch')

    def _retain(self, name: str) -> None:
        """Delete one file so that it can be restored; an absent one is deleted already."""
        if (kept := retention.kept_name(name, self._prefix)) is None:
            raise self.unsupported(
                name, 'its name is too long to keep it; move it to a shorter one before you delete it'
            )
        with contextlib.suppress(FileNotFound):
            self._call_hook(functools.partial(self._move, target=kept, create=False), name)

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        """The files that :meth:`_retain` has deleted and whose name begins with *prefix*, in no order."""
        kept = self._scan(retention.folder_of(self._prefix) + prefix.removeprefix(self._prefix))
        # As a file is kept in a folder of its name, what lies under `a/` may be the file `a`.
        return (file for file in retention.deleted_files(kept, self._prefix) if file.name.startswith(prefix))

    def _restore(self, file: DeletedFile) -> None:
        """Give a deleted file its name back.

        :raises FileNotFound: If it is not kept any more.
        :raises FileExists: If there is a file of that name.
        """
        self._move(file.id, file.name, create=True)

    def _purge(self, file: DeletedFile) -> None:
        """Remove a deleted file for good."""
        self._remove(file.id)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        """One page of what is directly in a folder; with few requests, however much is below it.

        :param prefix: Empty, or what the names in the folder begin with: it ends with a slash. There may be no such folder.
        :param after: The ``next`` of the page before.
        :param limit: How many files and folders together it has at most, 1 to 1000. It may have fewer.
        """
        return page_of(self._scan(prefix), prefix, after, limit)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change attributes of a file, with ATTRIBUTES, and leave its content and its other attributes as they are.

        Bytes that are replaced meanwhile are never brought back, and a file that is removed stays removed. Of two that change
        attributes of one file at once, the last one may undo what the other has changed. The default reads the file and swaps it;
        a driver without COMPARE_AND_SWAP needs a way of its own.

        :param changes: The new value of each attribute that changes, for :func:`~flask_fs.backends.changed`.
        :raises Replaced: If another writer came in between, and all can be done again: then this is called once more, up to
            20 times.
        :raises Changed: If the file was replaced meanwhile, and it cannot.
        """
        if Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self._lacks('_set_attributes')
        info, stream = self._open_translated(name)
        with stream:
            self._swap(name, Source(stream), str(info.etag), attributes=changed(info.attributes, changes))

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        """Copy a file to another name, with the attributes that were given with it, if they are kept.

        The copy is a file of its own, which stays when the other one goes. If it fails, what was at the target stays.

        :raises FileNotFound: If there is no such file; a folder is none.
        :raises FileExists: With *create*, if there is a file *target*.
        """
        info, stream = self._open_translated(name)
        attributes = info.attributes if Capability.ATTRIBUTES in self.capabilities else NO_ATTRIBUTES
        with stream:
            self._put_translated(target, stream, create=create, mime=info.given_mime, attributes=attributes)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        """Give a file another name; like :meth:`_copy`, but for the old name.

        Interrupted half-way, it leaves the file under one of the names or both, and what was at the target whole or replaced.
        """
        self._copy(name, target, create=create)
        self._remove(name)

    def _local_path(self, name: str) -> str:
        """The path of a file on this machine, with LOCAL_PATH."""
        raise self.unsupported(name, 'its files have no path on this machine; use local_file()')

    def _internal_location(self, name: str) -> str | None:
        """The internal location from which nginx sends a file, if it does."""
        return None

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        """A link signed by the store, with SIGNED_URL: for one file, one method and *expires_s* seconds.

        No part of it can be changed without making it useless; that the signature covers the download name too may be
        beyond the store.

        :param expires_s: Whole seconds.
        :param download_name: What browsers save the file as; None lets them show it. Any printable text without slashes.
        """
        raise self._lacks('_signed_url')

    def _signed_upload(
        self,
        name: str,
        *,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int,
    ) -> SignedRequest:
        """A request signed by the store, with SIGNED_UPLOAD, that stores one file *name* if there is none, within *expires_s* seconds.

        The store refuses what differs from what was signed, as far as it can: what it cannot enforce is checked by what
        accepts the file, such as the length where it keeps what has come of a request that was cut. Such a request can be
        sent again. Where the store names files itself, the file may be under ``name/`` instead. If a second request could
        replace the file, :meth:`_join` compares versions.

        :param size: The exact length in bytes, if it is known.
        :param max_bytes: The maximum length, if *size* is not known.
        :param mime: The media type that the request must have, if any.
        :param checksum: ``sha256:hex`` of the content, if it is known.
        :raises OperationNotSupported: Without *size*, if the store might keep a part of the file as if it were all of it: then
            the application receives it.
        """
        raise self._lacks('_signed_upload')

    def _signed_part(
        self,
        name: str,
        *,
        method: str,
        upload_id: str | None,
        part_number: int | None,
        mime: str | None,
        expires_s: int,
    ) -> SignedRequest:
        """One of the requests of S3's multipart API with which a client stores a file *name* in parts, signed by the store.

        Which one *method* and the other parameters say, as in S3's API: ``POST`` begins an upload, or, with *upload_id*,
        completes it; ``PUT`` with *part_number* stores a part, ``GET`` lists the parts, and ``DELETE`` aborts.

        :param upload_id: What the store has responded to the first request.
        :param part_number: From 1 on.
        :param mime: The media type that the first request must have, if any.
        :raises OperationNotSupported: If the store has no such API.
        :raises ValueError: If there is no such request.
        """
        raise self.unsupported(name, "it has no multipart uploads that clients could send; use the tickets' own pieces")

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        """Have the store accept requests from pages of *origins*, so that browsers send there what was signed (CORS).

        That are GET, HEAD, PUT, POST and DELETE with any header, and the response headers ``ETag`` and ``Location`` may be read.
        Rules of other origins stay, and calling it again changes nothing.

        :param origins: Such as ``https://app.example.org``, as browsers send them.
        :param dry_run: Change nothing.
        :return: What is set then, as text to be shown; also with *dry_run*.
        :raises OperationNotSupported: If clients send nothing to the store itself.
        """
        if Capability.SIGNED_UPLOAD in self.capabilities:
            raise self._lacks('_allow_origins')
        raise self.unsupported(
            None, 'clients send their files to the application, so there is no rule to set in a store'
        )

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        """Make the file *target* of the content of *pieces*, in this order; like :meth:`_put` in all other respects.

        The pieces are hidden files of this backend, which may stay or go: the caller removes what is left of them. With
        SIGNED_UPLOAD clients have stored them, with types that nobody has checked: of their attributes none is kept, and
        their content does not pass through the application.

        If it raises, the pieces stay: they may be joined under another name.

        :param pieces: What :meth:`_scan` gave: the versions to use.
        :raises Replaced: If one of them was replaced, where clients could.
        :raises FileNotFound: If one of them is gone.
        """
        if len(pieces) == 1 and not attributes.given() and Capability.SIGNED_UPLOAD not in self.capabilities:
            self._move(pieces[0].name, target, create=create)
            return
        opening = (lambda piece=piece: self._open_translated(piece.name, etag=piece.etag).stream for piece in pieces)
        with JoinedStream(opening) as stream:
            self._put_translated(target, stream, create=create, attributes=attributes)

    def _sweep(self, older_than_s: float) -> int | None:
        """Remove what processes left behind when they died half-way, and return how much that was.

        :param older_than_s: How long it has not changed, in seconds.
        :return: None where they leave nothing behind.
        """
        return None

    # --- For drivers.

    def require_attributes(self, name: str, attributes: Attributes) -> None:
        """Refuse to store a file with *attributes* that are not kept: dropping one silently would lose it.

        :raises OperationNotSupported: If there are any.
        """
        given = attributes.given()
        if Capability.MIME in self.capabilities:
            given.pop('mime', None)
        if given and Capability.ATTRIBUTES not in self.capabilities:
            raise self.unsupported(name, f'it does not keep {", ".join(given)} with a file')

    def refuse_early(self, name: str, stream: Source) -> None:
        """For ``_put`` with *create*: refuse a name that is taken before a large *stream* is read.

        One of less than a mebibyte costs no request for that: storing it finds out. So does storing a larger one, whose name
        may be taken meanwhile.

        :raises FileExists: If *stream* is larger, and there is a file of that name.
        """
        if (size := stream.remaining_size) is None:
            stream.unread(head := stream.take(CHUNK_BYTES))
            size = len(head)
        if size >= CHUNK_BYTES:
            with contextlib.suppress(FileNotFound):
                self._call_hook(self._stat, name)
                raise self.error(FileExists, name)

    def range_start(self, info: FileInfo, start: int, etag: str | None = None) -> int:
        """Where a range of a file begins: *start*, or counted from the end if that is negative.

        :raises Replaced: If the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If it ends at *start* or before, and *start* is not 0.
        """
        # Looked at only where it is requested: finding that of a local file may take a moment.
        if etag is not None and etag != info.etag:
            raise self.error(Replaced, info.name)
        if start >= max(info.size, 1):
            raise self.error(RangeNotSatisfiable, info.name)
        return max(0, info.size + start) if start < 0 else start

    def opened(
        self, given: Opened, content_range: str | None, length: int, start: int, stop: int | None, etag: str | None
    ) -> Opened:
        """What :meth:`_open` returns, after a store has responded over HTTP: *given*, once it is the range that was requested.

        :param given: The metadata of the whole file, and the body, which is closed if it is not.
        :param content_range: The header of that name, if there is one. Without it, the body is the whole file, of which the
            first bytes are as good as a range.
        :param length: How many bytes the body has.
        :param etag: Compared even if the store was requested to.
        :raises Replaced: If the file is no longer the version *etag*.
        :raises BackendError: If it is another range.
        """
        with undone_by(given.stream.close):
            if etag not in (None, given.info.etag):
                raise self.error(Replaced, given.info.name)
            if content_range is None:
                is_right = start == 0 or length <= -start
            else:
                # Of an empty file some stores send odd ranges.
                is_right = http.is_range(content_range, length, start, stop) or given.info.size == length == 0
            if not is_right:
                reason = 'the store sent another part of the file than the one requested'
                raise self.error(BackendError, given.info.name, reason)
        if content_range is None and stop is not None:
            return given._replace(stream=limited(given.stream, stop))
        return given

    def opened_empty(self, info: FileInfo, start: int, etag: str | None = None) -> Opened:
        """What :meth:`_open` returns where a store says that there is no such range (416): that of an empty file.

        :param info: What the file is now.
        :raises Replaced: If it is no longer the version *etag*, or not empty: then it was shorter a moment ago.
        :raises RangeNotSatisfiable: If it ends at *start* or before.
        """
        self.range_start(info, start, etag)
        if info.size:
            raise self.error(Replaced, info.name)
        return Opened(info, io.BytesIO())

    # --- Inside the template.

    def _failures(self, names: Iterable[str]) -> Iterator[tuple[str, FSError]]:
        """Remove files by batches, and give the errors of those that are still there."""
        left = iter(names)
        for batch in batched(left, self.batch_size):
            found: Mapping[str, FSError | None] = dict.fromkeys(batch)
            if len(batch) > 1:
                try:
                    found = self._call_hook(lambda _: self._remove_batch(batch), batch[0])  # noqa: B023  # at once
                except FSError as error:
                    found = dict.fromkeys(batch, error)
            failures = {name: error for name, error in found.items() if error is not None}
            failures |= self._each(self._remove, [name for name in found if name not in failures])
            yield from failures.items()
            for failure in failures.values():
                if isinstance(failure, Unavailable):
                    # It would take the same time for each of them to fail.
                    yield from zip(left, itertools.repeat(failure))

    def _open_translated(
        self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
    ) -> Opened:
        opened = self._call_hook(lambda name: self._open(name, start, stop, etag=etag), name)
        if not self.errors or isinstance(opened.stream, TranslatingFile):
            return opened
        stream = TranslatedStream(opened.stream, self._translatable, lambda error: self._raise_translated(error, name))
        return Opened(opened.info, cast('IO[bytes]', stream))

    def _put_translated(
        self,
        key: str,
        reader: ByteReader,
        *,
        create: bool,
        mime: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        if_match: str | None = None,
    ) -> FileInfo | None:
        """Store what *reader* holds.

        :param mime: Kept if the backend can, unless *attributes* have one.
        """
        stream = Source(reader)
        if attributes is not NO_ATTRIBUTES:
            self.require_attributes(key, attributes)
        if mime and not attributes.mime and Capability.MIME in self.capabilities:
            attributes = dataclasses.replace(attributes, mime=mime)
        if if_match is not None and Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self.unsupported(key, 'it cannot compare and swap, so if_match would not be free of races')
        try:
            if if_match is None:
                info = self._put(key, stream, create=create, attributes=attributes)
            else:
                info = self._swap(key, stream, if_match, attributes=attributes)
        except self._translatable as error:
            if error is stream.error:
                raise
            self._raise_translated(error, key)
        return None if info is None else self._strip_prefix(info)
