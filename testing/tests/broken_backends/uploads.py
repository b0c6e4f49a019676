"""Backends that are each broken in one way: what files are stored from."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import mimetypes
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, FileInfo, Opened, Source, chunks_of
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_pieces_of_any_size_make_the_same_file')
class WritesTheReprOfAPiece(MemoryBackend):
    """Takes what is no bytes for text."""

    def save(self, file: Any, filename: str, *args: Any, **options: Any) -> None:
        pieces = []
        while piece := file.read(65_536):
            pieces.append(piece if isinstance(piece, bytes) else str(piece).encode())
        super().save(io.BytesIO(b''.join(pieces)), filename, *args, **options)


@caught_by('test_pieces_of_any_size_make_the_same_file')
class TrustsTheSizeItRequested(MemoryBackend):
    """Fills a buffer, and drops what does not fit."""

    def save(self, file: Any, filename: str, *args: Any, **options: Any) -> None:
        pieces = []
        while piece := file.read(65_536):
            pieces.append(bytes(piece[:65_536]))
        super().save(io.BytesIO(b''.join(pieces)), filename, *args, **options)


@caught_by('test_every_kind_of_bytes_is_stored_as_its_bytes')
class CountsItems(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        if isinstance(content, memoryview):
            content = content.tobytes()[: len(content)]
        super().write(filename, content, **options)


@caught_by('test_every_kind_of_bytes_is_stored_as_its_bytes')
class WritesTheReprOfABuffer(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        if not (isinstance(content, bytes) or hasattr(content, 'read')):
            content = str(content)
        super().write(filename, content, **options)


@caught_by('test_bytes_that_mean_something_elsewhere_are_kept')
class Decompresses(MemoryBackend):
    """As client libraries do with what is sent as Content-Encoding: gzip."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        is_encoded = name.endswith('.gz') and content.startswith(b'\x1f\x8b')
        return Opened(info, io.BytesIO(gzip.decompress(content) if is_encoded else content))


@caught_by('test_bytes_that_mean_something_elsewhere_are_kept')
class TrimsItsBlocks(MemoryBackend):
    """Which it fills up with zeros."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read().rstrip(b'\0'))), **options)


@caught_by('test_bytes_that_mean_something_elsewhere_are_kept')
class DropsByteOrderMarks(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read().removeprefix(b'\xef\xbb\xbf'))), **options)


@caught_by('test_a_buffer_changed_after_it_was_stored_changes_no_file')
class KeepsTheBuffer(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.buffers: dict[str, Any] = {}

    def write(self, filename: str, content: Any, **options: Any) -> None:
        super().write(filename, content, **options)
        if not hasattr(content, 'read'):
            self.buffers[filename] = content

    def read(self, filename: str) -> bytes:
        return bytes(self.buffers[filename]) if filename in self.buffers else super().read(filename)


@caught_by('test_a_buffer_changed_after_it_was_stored_changes_no_file')
class UploadsLater(MemoryBackend):
    """When somebody looks, which is often never."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.waiting: dict[str, Callable[[], object]] = {}

    def save(self, file: Any, filename: str, *args: Any, **options: Any) -> None:
        if not isinstance(file, io.BytesIO):
            super().save(file, filename, *args, **options)
            return
        later = super().save
        self.waiting[self._key(filename)] = lambda: later(file, filename, *args, **options)

    def _open(self, name: str, *args: Any, **options: Any) -> Opened:
        with contextlib.suppress(KeyError):
            self.waiting.pop(name)()
        return super()._open(name, *args, **options)


class Drafting(LocalBackend):
    """Looks whether a name is taken when the draft is complete."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> FileInfo | None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(self.draft_name(path.name))
        with draft.open('wb') as file:
            shutil.copyfileobj(stream, file)
        if create and path.exists():
            self.refuse(draft)
            raise self.error(fs.FileExists, name)
        draft.replace(path)
        return None

    def draft_name(self, name: str) -> str:
        return f'.fs-tmp-{name}'

    def refuse(self, draft: Path) -> None:
        """Before it is refused."""


@caught_by('test_a_refused_create_leaves_nothing')
class LeavesARefusedDraft(Drafting):
    """Hidden, so that nobody sees it."""


@caught_by('test_a_refused_create_leaves_nothing')
class KeepsARefusedDraftAsAFile(Drafting):
    """Under a name of its own, for whoever wants it."""

    def refuse(self, draft: Path) -> None:
        draft.rename(draft.with_name('x-1'))


@caught_by('test_a_refused_create_leaves_nothing')
class ClosesARefusedSource(MemoryBackend):
    def save(self, file: Any, filename: str, *args: Any, **options: Any) -> None:
        try:
            super().save(file, filename, *args, **options)
        except fs.FileExists:
            getattr(file, 'close', lambda: None)()
            raise


@caught_by('test_a_refused_create_leaves_nothing')
class ClosesTheFileOfARefusedCreate(LocalBackend):
    """Clients that close what they could not send do that."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        file = stream.file
        try:
            super()._put(name, stream, **options)
        except fs.FileExists:
            if file is not None:
                file.close()
            raise


@caught_by('test_a_refused_create_leaves_nothing')
class KeepsTheTypeOfTheRefused(MemoryBackend):
    """Stores metadata in one table and content in another, of which only one refuses."""

    def _put(self, name: str, stream: Source, *, attributes: Attributes = NO_ATTRIBUTES, **options: Any) -> FileInfo:
        if (entry := self._files.get(name)) is not None and attributes.mime is not None:
            self._files[name] = (dataclasses.replace(entry[0], mime=attributes.mime), entry[1])
        return super()._put(name, stream, attributes=attributes, **options)


@caught_by('test_bytes_that_mean_something_elsewhere_are_kept')
class GuessesEncodingsByTheName(MemoryBackend):
    """Takes the second of the two that mimetypes.guess_type() gives for what the content is encoded by."""

    def _stat(self, name: str) -> FileInfo:
        return dataclasses.replace(super()._stat(name), content_encoding=mimetypes.guess_type(name)[1])


@caught_by('test_bytes_that_mean_something_elsewhere_are_kept')
class GuessesEncodingsByTheContent(MemoryBackend):
    def _stat(self, name: str) -> FileInfo:
        info, content = self._found(name)
        return dataclasses.replace(info, content_encoding='gzip' if content.startswith(b'\x1f\x8b') else None)


@caught_by('test_every_kind_of_bytes_is_stored_as_its_bytes')
class TakesEveryViewForContiguous(MemoryBackend):
    def write(self, filename: str, content: Any, *args: Any, **options: Any) -> Any:
        if isinstance(content, memoryview):
            content = content.cast('B')
        return super().write(filename, content, *args, **options)


@caught_by('test_a_buffer_changed_after_it_was_stored_changes_no_file')
class KeepsThePieceOfTheSource(MemoryBackend):
    """If there is only one, there is nothing to join."""

    def _received(self, name: str, stream: Source, attributes: Attributes) -> tuple[fs.FileInfo, bytes]:
        pieces = list(chunks_of(stream))
        info, content = super()._received(name, Source(io.BytesIO(b''.join(pieces))), attributes)
        return info, pieces[0] if len(pieces) == 1 else content
