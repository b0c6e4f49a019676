"""The hooks of a driver: required ones, and those with a default."""

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
    MAX_POSITION,
    TranslatedStream,
    TranslatingFile,
    limited,
    undone_by,
)
from .translation import Translation


class Hooks(Translation):
    """The hooks that a driver implements, and helpers for them."""

    # --- Hooks that every driver implements.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        """The bytes [start, stop) of a file, with the metadata of that version, in one request.

        The stream raises if it ends before its last byte: a file is never silently truncated. The stream has its own position,
        and works in any thread, independently of other streams and operations. If the file is replaced or removed, the stream
        returns the bytes of the opened version, or raises.

        :param start: The first byte. A negative number counts from the end, and then *stop* is None.
        :param stop: The end, exclusive, larger than *start*. None, or a number beyond the end, means the end of the file. Both
            fit in 64 bits, whatever a client requests, and can be far beyond the end of any file.
        :param etag: The requested version, by the ``etag`` of its :class:`~flask_fs.FileInfo`. None means the newest version.
        :raises FileNotFound: In this call, before the first byte is read.
        :raises Replaced: In this call, if the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If *start* is at or after the end of the file. A range that begins at 0, or at a
            negative *start*, always exists: in an empty file, it is empty.
        """
        return legacy.open_file(self, name, start, stop)

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> FileInfo | None:
        """Store the content of *stream*, read once and in bounded memory. It appears completely, or not at all.

        Until it is complete, none of it is visible, and nobody waits for it: the source can take minutes. It replaces an
        existing file completely. If anything is raised in the meantime, including interrupts such as KeyboardInterrupt, the old
        file stays, and no new data is left behind. Only after a lost connection can the new file exist. If the connection is
        lost, or the process is killed, hidden data can be left that :meth:`_sweep` removes.

        :param create: Fail if a file (not a folder) with that name exists. Race-free if ATOMIC_CREATE is declared. If the file
            already exists at the start, fail after reading at most one part of a large file (:meth:`refuse_early`): nobody
            should wait for gigabytes that can't be stored.
        :param attributes: The attributes to store with it: all of them with ATTRIBUTES, only the media type with MIME. A backend
            that finds out here that its store doesn't support them raises OperationNotSupported, and stores nothing.
        :return: The metadata of the new file, if it is known without another request.
        :raises FileExists: With *create*, if a file with that name exists. It has a reason only if something else is in the
            way, such as a folder.
        """
        legacy.put(self, name, stream, create)
        return None

    def _stat(self, name: str) -> FileInfo:
        """The metadata of a file, in one request that doesn't transfer its content."""
        return legacy.stat(self, name)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with the literal text *prefix*, lazily.

        Files can appear and disappear during the listing. A file that exists the whole time is listed once. If the store doesn't
        list a media type, it is the one that the name suggests. A checksum or etag that it doesn't list is None. No content is
        transferred.
        """
        return legacy.scan(self, prefix)

    def _remove(self, name: str) -> None:
        """Remove one file, and nothing under ``name/``. Do nothing if it doesn't exist."""
        legacy.remove(self, name)

    # --- Hooks with a default that is correct for every store.

    def _names(self, prefix: str) -> Iterator[str]:
        """The names that :meth:`_scan` would return."""
        return legacy.names(self, prefix)

    def _delete(self, name: str) -> None:
        """Remove a file and all files under it."""
        if self.batch_size > 1:
            for _, error in self._failures(itertools.chain((name,), self._names(f'{name}/'))):
                raise error
            return
        # The files under a name are removed first, because a custom backend's remove() might remove more than one file.
        for below in sorted(self._names(f'{name}/'), reverse=True):
            self._remove(below)
        self._remove(name)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> FileInfo | None:
        """Like :meth:`_put`, but replace only the version *etag* of a file, with COMPARE_AND_SWAP.

        :param etag: The ``etag`` of its :class:`~flask_fs.FileInfo`.
        :raises Changed: If the file is no longer that version, or no longer exists.
        """
        raise self._lacks('_swap')

    def _remove_many(self, names: Iterable[str]) -> dict[str, FSError]:
        """Remove files, each like :meth:`_remove`, in as few requests as the store allows. Return the errors of the remaining ones.

        The files of a failed request can share its error. They can include files that don't exist. The default uses
        :meth:`_remove_batch`, or removes files one by one. Once the store is Unavailable, it doesn't try the rest.
        """
        return dict(self._failures(names))

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        """Remove up to ``batch_size`` files in one request, each like :meth:`_remove`. Called for two or more files.

        :return: The files whose removal the store doesn't confirm, with their errors. If an error is None, the file is
            removed by itself, which also shows why that fails.
        """
        raise self._lacks('_remove_batch')

    def _retain(self, name: str) -> None:
        """Delete one file in a way that it can be restored. Do nothing if it doesn't exist."""
        if (kept := retention.kept_name(name, self._prefix)) is None:
            raise self.unsupported(
                name, 'its name is too long to keep it for restoring; move it to a shorter name before you delete it'
            )
        with contextlib.suppress(FileNotFound):
            self._call_hook(functools.partial(self._move, target=kept, create=False), name)

    def _deleted(self, prefix: str) -> Iterator[DeletedFile]:
        """The files deleted by :meth:`_retain` whose names begin with *prefix*, in no particular order."""
        kept = self._scan(retention.folder_of(self._prefix) + prefix.removeprefix(self._prefix))
        # A deleted file is kept in a folder with its name, so files under `a/` can be versions of the file `a`.
        return (file for file in retention.deleted_files(kept, self._prefix) if file.name.startswith(prefix))

    def _restore(self, file: DeletedFile) -> None:
        """Restore a deleted file under its name.

        :raises FileNotFound: If it is no longer kept.
        :raises FileExists: If a file with that name exists.
        """
        self._move(file.id, file.name, create=True)

    def _purge(self, file: DeletedFile) -> None:
        """Permanently remove a deleted file."""
        self._remove(file.id)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        """One page of the direct contents of a folder, in few requests, however many files are below it.

        :param prefix: Empty, or the prefix of all names in the folder, with a trailing slash. The folder might not exist.
        :param after: The ``next`` of the previous page.
        :param limit: The maximum number of files and folders together, 1 to 1000. The page can have fewer.
        """
        return page_of(self._scan(prefix), prefix, after, limit)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change attributes of a file, with ATTRIBUTES. Its content and its other attributes don't change.

        Content that another writer replaces in the meantime never comes back, and a removed file stays removed. If two callers
        change attributes of one file at the same time, the last one can undo the other's changes. The default reads the file and
        swaps it. A driver without COMPARE_AND_SWAP needs its own implementation.

        :param changes: The new value of each attribute that changes, for :func:`~flask_fs.backends.changed`.
        :raises Replaced: If another writer interfered, and the change can be retried: then this is called again, up to 20
            times.
        :raises Changed: If the file was replaced in the meantime, and the change can't be retried.
        """
        if Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self._lacks('_set_attributes')
        info, stream = self._open_translated(name)
        with stream:
            self._swap(name, Source(stream), str(info.etag), attributes=changed(info.attributes, changes))

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        """Copy a file to another name, with the attributes that are stored with it.

        The copy is independent: it stays when the original is removed. If copying fails, an existing *target* doesn't change.

        :raises FileNotFound: If the file doesn't exist. Folders don't count.
        :raises FileExists: With *create*, if *target* exists, however large the file is.
        """
        info, stream = self._open_translated(name)
        attributes = info.attributes if Capability.ATTRIBUTES in self.capabilities else NO_ATTRIBUTES
        with stream:
            self._put_translated(target, stream, create=create, mime=info.given_mime, attributes=attributes)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        """Rename a file: like :meth:`_copy`, but the old name is removed.

        If it is interrupted, the file is under one of the names or both, and an existing *target* is intact or replaced.
        """
        self._copy(name, target, create=create)
        self._remove(name)

    def _local_path(self, name: str) -> str:
        """The path of a file on this machine, with LOCAL_PATH."""
        raise self.unsupported(name, 'its files have no path on this machine; use local_file()')

    def _internal_location(self, name: str) -> str | None:
        """The internal location from which nginx sends a file, or None."""
        return None

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        """A link signed by the store, with SIGNED_URL: for one file, one method and *expires_s* seconds.

        Changing any part of it invalidates it, except perhaps the download name, which not every store can sign.

        :param expires_s: The lifetime in whole seconds.
        :param download_name: The name under which browsers save the file, any printable text without slashes. None lets them
            show the file.
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
        """A request signed by the store, with SIGNED_UPLOAD, that creates one file *name* within *expires_s* seconds.

        As far as it can, the store rejects requests that differ from what was signed. What it can't enforce is checked when the
        file is accepted, such as the size if it stores the first part of a broken request. Such a request can be sent again. If
        the store names files itself, the file can be under ``name/`` instead. If a second request could replace the file,
        :meth:`_join` compares versions.

        :param size: The exact size in bytes, if it is known.
        :param max_bytes: The maximum size, if *size* is unknown.
        :param mime: The media type that the request must have, if any.
        :param checksum: ``sha256:hex`` of the content, if it is known.
        :raises OperationNotSupported: Without *size*, if the store might keep part of the file as if it were complete: then
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
        """A signed request of S3's multipart API, with which a client stores the file *name* in parts.

        The method and the other parameters select the request, as in S3's API: ``POST`` begins an upload, or, with *upload_id*,
        completes it; ``PUT`` with *part_number* stores a part, ``GET`` lists the parts, and ``DELETE`` aborts.

        :param upload_id: The ID in the store's response to the first request.
        :param part_number: The number of the part, from 1.
        :param mime: The media type that the first request must have, if any.
        :raises OperationNotSupported: If the store has no such API.
        :raises ValueError: If no such request exists.
        """
        raise self.unsupported(
            name, "it doesn't support multipart uploads by clients; use the pieces of tickets instead"
        )

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        """Make the store accept requests from pages of *origins*, so that browsers can send signed requests there (CORS).

        This allows GET, HEAD, PUT, POST and DELETE with any header, and reading the response headers ``ETag`` and ``Location``.
        Rules for other origins don't change, and calling it again changes nothing.

        :param origins: Origins as browsers send them, such as ``https://app.example.org``.
        :param dry_run: Whether to change nothing.
        :return: The resulting rules, as text for people; also with *dry_run*.
        :raises OperationNotSupported: If clients send no requests to the store itself.
        """
        if Capability.SIGNED_UPLOAD in self.capabilities:
            raise self._lacks('_allow_origins')
        raise self.unsupported(None, 'clients upload to the application, so the store needs no CORS rule')

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        """Make the file *target* from the content of *pieces*, in this order; otherwise like :meth:`_put`.

        The pieces are hidden files of this backend. They can stay or not: the caller removes the remaining ones. With
        SIGNED_UPLOAD, clients stored them, with unchecked media types: none of their attributes is kept, and their content does
        not pass through the application.

        If this raises, the pieces stay, because they might be joined under another name.

        :param pieces: The versions to use, as returned by :meth:`_scan`.
        :raises Replaced: If one of them was replaced, if clients are able to do that.
        :raises FileNotFound: If one of them is gone.
        """
        if len(pieces) == 1 and not attributes.given() and Capability.SIGNED_UPLOAD not in self.capabilities:
            self._move(pieces[0].name, target, create=create)
            return
        opening = (lambda piece=piece: self._open_translated(piece.name, etag=piece.etag).stream for piece in pieces)
        with JoinedStream(opening) as stream:
            self._put_translated(target, stream, create=create, attributes=attributes)

    def _sweep(self, older_than_s: float) -> int | None:
        """Remove the leftovers of crashed processes, but never a file, and return the number of leftovers.

        :param older_than_s: The minimum time since they last changed, in seconds.
        :return: None if this backend never has leftovers.
        """
        return None

    # --- For drivers.

    def require_attributes(self, name: str, attributes: Attributes) -> None:
        """Check that this backend stores all of *attributes*, because dropping one silently would lose data.

        :raises OperationNotSupported: If it doesn't.
        """
        given = attributes.given()
        if Capability.MIME in self.capabilities:
            given.pop('mime', None)
        if given and Capability.ATTRIBUTES not in self.capabilities:
            raise self.unsupported(name, f"it doesn't store {', '.join(given)} with a file")

    def refuse_early(self, name: str, stream: Source) -> None:
        """For ``_put`` with *create*: raise if the name is taken, before a large *stream* is read.

        A stream of less than a mebibyte costs no request for this, because storing it finds out. The final check always happens
        when the file is stored, because the name can be taken in the meantime.

        :raises FileExists: If *stream* is larger, and a file with that name exists.
        """
        if (size := stream.remaining_size) is None:
            stream.unread(head := stream.take(CHUNK_BYTES))
            size = len(head)
        if size >= CHUNK_BYTES:
            with contextlib.suppress(FileNotFound):
                self._call_hook(self._stat, name)
                raise self.error(FileExists, name)

    def range_start(self, info: FileInfo, start: int, etag: str | None = None) -> int:
        """The offset where a range of a file begins: *start*, or counted from the end if it is negative.

        :raises Replaced: If the file is no longer the version *etag*.
        :raises RangeNotSatisfiable: If *start* is at or after the end of the file, and not 0.
        """
        # Accessed only if necessary, because getting the etag of a local file can take a moment.
        if etag is not None and etag != info.etag:
            raise self.error(Replaced, info.name)
        if start >= max(info.size, 1):
            raise self.error(RangeNotSatisfiable, info.name)
        return max(0, info.size + start) if start < 0 else start

    def opened(
        self, given: Opened, content_range: str | None, length: int, start: int, stop: int | None, etag: str | None
    ) -> Opened:
        """The result of :meth:`_open` for an HTTP response of a store: *given*, after checking that it is the requested range.

        :param given: The metadata of the complete file, and the body, which is closed if the check fails.
        :param content_range: The header with that name, if any. Without it, the body is the complete file. A range that begins
            at 0 can be cut from that.
        :param length: The number of bytes in the body.
        :param etag: Compared here, even if the store was asked to compare it.
        :raises Replaced: If the file is no longer the version *etag*.
        :raises BackendError: If it is another range.
        """
        with undone_by(given.stream.close):
            if etag not in (None, given.info.etag):
                raise self.error(Replaced, given.info.name)
            if content_range is None:
                is_right = start == 0 or length <= -start
            else:
                # For an empty file, some stores send odd ranges.
                is_right = http.is_range(content_range, length, start, stop) or given.info.size == length == 0
            if not is_right:
                reason = 'the store sent a different range of the file than requested'
                raise self.error(BackendError, given.info.name, reason)
        if content_range is None and stop is not None:
            return given._replace(stream=limited(given.stream, stop))
        return given

    def opened_empty(self, info: FileInfo, start: int, etag: str | None = None) -> Opened:
        """The result of :meth:`_open` after a store responded that the range doesn't exist (416): an empty file's.

        :param info: The file's current metadata.
        :raises Replaced: If it is no longer the version *etag*, or not empty: then it was shorter a moment ago.
        :raises RangeNotSatisfiable: If *start* is at or after the end of the file.
        """
        self.range_start(info, start, etag)
        if info.size:
            raise self.error(Replaced, info.name)
        return Opened(info, io.BytesIO())

    # --- Internal.

    def _failures(self, names: Iterable[str]) -> Iterator[tuple[str, FSError]]:
        """Remove files in batches, and yield the errors of the remaining ones."""
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
                    # Each further attempt would take the same time to fail.
                    yield from zip(left, itertools.repeat(failure))

    def _open_translated(
        self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None
    ) -> Opened:
        if start or stop is not None:
            # Clients can request any number. Larger ones overflow in protocols and databases.
            start = max(-MAX_POSITION, min(start, MAX_POSITION - 1))
            stop = None if stop is None else min(stop, MAX_POSITION)
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
        """Store the content of *reader*.

        :param mime: The media type to store if the backend can, unless *attributes* have one.
        """
        stream = Source(reader)
        if attributes is not NO_ATTRIBUTES:
            self.require_attributes(key, attributes)
        if mime and not attributes.mime and Capability.MIME in self.capabilities:
            attributes = dataclasses.replace(attributes, mime=mime)
        if if_match is not None and Capability.COMPARE_AND_SWAP not in self.capabilities:
            raise self.unsupported(key, 'it cannot compare and swap, so if_match would not be race-free')
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
