"""Backends that are each broken in one way: content."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Opened, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.writers import FileWriter

from . import caught_by


@caught_by('test_content_of_any_size_comes_back')
class StoresOneChunk(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read(1 << 20))), **options)


@caught_by('test_a_source_with_only_short_reads_is_read_to_its_end')
class ReadsOnce(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read(1 << 30))), **options)


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class ClosesTheSource(MemoryBackend):
    def save(self, file: Any, filename: str, **options: Any) -> None:
        super().save(file, filename, **options)
        getattr(file, 'close', lambda: None)()


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class RewindsTheSource(MemoryBackend):
    def save(self, file: Any, filename: str, **options: Any) -> None:
        if hasattr(file, 'seek'):
            file.seek(0)
        super().save(file, filename, **options)


@caught_by('test_saving_keeps_a_file_that_is_there_unless_told_to_replace_it')
class SavesOverWhatIsThere(MemoryBackend):
    def save(self, file: Any, filename: str, *_: Any, **options: Any) -> None:
        super().save(file, filename, True, mime=options.get('mime'))


@caught_by('test_write_takes_what_can_be_read_too')
class WritesWholeFiles(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        if hasattr(content, 'seek'):
            content.seek(0)
        super().write(filename, content, **options)


@caught_by('test_text_is_stored_as_utf_8')
class StoresTextAsLatin1(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        super().write(filename, content.encode('latin-1') if isinstance(content, str) else content, **options)


@caught_by('test_a_source_that_fails_leaves_nothing_new')
class LeaksAPartialFile(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        content = b''
        try:
            while chunk := stream.read(1 << 16):
                content += chunk
        finally:
            super()._put(name, Source(io.BytesIO(content)), **options)


@caught_by('test_a_source_that_fails_leaves_nothing_new')
class LeavesTemporaryFiles(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        Path(self.root).mkdir(parents=True, exist_ok=True)
        temporary = Path(self.root, f'{name.replace("/", "-")}.part')
        with temporary.open('wb') as file:
            shutil.copyfileobj(stream, file)
        with temporary.open('rb') as file:
            super()._put(name, Source(file), **options)
        temporary.unlink()


@caught_by(
    'test_a_replaced_file_is_replaced_whole',
    'test_a_source_that_fails_leaves_nothing_new',
    'test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two',
)
class WritesInPlace(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        path = Path(self.path(name))
        if create or not path.exists():
            super()._put(name, stream, create=create)
        else:
            with path.open('r+b') as file:
                shutil.copyfileobj(stream, file)


@caught_by('test_a_file_open_for_writing_appears_when_it_is_closed')
class OpensInPlace(LocalBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if 'w' not in mode:
            return super().open(filename, mode, **kwargs)
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return open(self.path(filename), mode, **kwargs)


@caught_by('test_a_missing_file_is_said_to_be_missing_at_the_call')
class FindsOutLate(MemoryBackend):
    def read_chunks(self, filename: str, chunk_size: int = 1 << 20) -> Any:
        yield from super().read_chunks(filename, chunk_size)


@caught_by('test_a_missing_place_is_empty_and_made_by_the_first_write')
class NeedsItsFolder(LocalBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        os.listdir(self.root)
        return super()._scan(prefix)

    def _names(self, prefix: str) -> Iterator[str]:
        os.listdir(self.root)
        return super()._names(prefix)


PART_BYTES = 1 << 20


@caught_by('test_content_of_any_size_comes_back')
class LosesALastPartThatIsFull(MemoryBackend):
    """Sends a part when the next one has come, and what is left at the end if that is less than a part."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        parts, held = [], b''
        while part := stream.take(PART_BYTES):
            parts.append(held)
            held = part
        if len(held) < PART_BYTES:
            parts.append(held)
        super()._put(name, Source(io.BytesIO(b''.join(parts))), **options)


@caught_by('test_content_of_any_size_comes_back')
class TakesAFullBufferForAnEmptyOne(LocalBackend):
    """As a ring does whose end is where it begins."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        content = stream.read()
        left = len(content) % 65_536
        whole = content if left else content[:-65_536]
        super()._put(name, Source(io.BytesIO(whole)), **options)


@caught_by('test_a_source_with_only_short_reads_is_read_to_its_end', 'test_pieces_of_any_size_make_the_same_file')
class StopsAtAShortPiece(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        pieces = []
        while piece := stream.read(65_536):
            pieces.append(piece)
            if len(piece) < 65_536:
                break
        super()._put(name, Source(io.BytesIO(b''.join(pieces))), **options)


@caught_by('test_write_takes_what_can_be_read_too')
class ClosesWhatItWrites(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        if not hasattr(content, 'read'):
            super().write(filename, content, **options)
            return
        with contextlib.closing(content) if hasattr(content, 'close') else contextlib.nullcontext():
            super().write(filename, content, **options)


@caught_by('test_saving_keeps_a_file_that_is_there_unless_told_to_replace_it')
class KeepsWhatIsThere(MemoryBackend):
    def save(self, file: Any, filename: str, *_: Any, **options: Any) -> None:
        super().save(file, filename, **options)


@caught_by('test_text_is_stored_as_utf_8')
class AddsAByteOrderMark(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        super().write(filename, content.encode('utf-8-sig') if isinstance(content, str) else content, **options)


@caught_by('test_a_replaced_file_is_replaced_whole')
class RemembersSizes(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.sizes: dict[str, int] = {}

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, size=self.sizes.setdefault(name, info.size))

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        self._stat(name)


@caught_by('test_a_reader_of_a_file_that_is_replaced_gets_one_of_the_two')
class ReadsWhicheverVersion(MemoryBackend):
    seekable_streams = False

    def read_chunks(self, filename: str, chunk_size: int = PART_BYTES, **options: Any) -> Any:
        file = super().open(filename, 'rb')
        return iter(lambda: file.read(chunk_size), b'')

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop)


class StoringAtItsEnd(FileWriter):
    def __exit__(self, *_: object) -> None:
        self.close()


@caught_by('test_a_file_open_for_writing_appears_when_it_is_closed')
class StoresWhatWasGivenUp(MemoryBackend):
    """As every file of io does."""

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if mode != 'wb':
            return super().open(filename, mode, **kwargs)
        writer: Any = StoringAtItsEnd(lambda stream: self._put(self._key(filename), Source(stream)))
        return cast('IO[Any]', writer)


@caught_by('test_a_missing_file_is_said_to_be_missing_at_the_call')
class HasMetadataOfNothing(MemoryBackend):
    def metadata(self, filename: str) -> dict[str, Any]:
        return super().metadata(filename) if self.exists(filename) else {}


@caught_by('test_a_missing_place_is_empty_and_made_by_the_first_write')
class NeverMakesItsFolder(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if not os.path.isdir(self.root):
            raise self.error(fs.Unavailable, name, 'there is no folder')
        super()._put(name, stream, **options)


class _Descriptor:
    """Reads a file of the operating system by its number."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        return os.read(self._file.fileno(), 1 << 20 if size < 0 else size)


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class ReadsTheDescriptor(LocalBackend):
    """Reads on from where the buffer of the source has read to, as a call of sendfile() does."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(_Descriptor(stream.file)) if stream.file else stream, **options)


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class RewindsFilesOnTheDisk(LocalBackend):
    """Signs the content before it is sent, and begins again at the beginning."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if stream.file:
            stream.file.seek(0)
        super()._put(name, stream, **options)


@caught_by('test_a_source_that_fails_leaves_nothing_new')
class RetriesTheSource(MemoryBackend):
    """Tries again after a lost connection, also if it was that of the source, of which only a rest is left then."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            content = stream.read()
        except ConnectionError:
            content = stream.read()
        super()._put(name, Source(io.BytesIO(content)), **options)


@caught_by('test_a_source_that_fails_leaves_nothing_new')
class TakesATimeoutForItsOwn(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except TimeoutError as error:
            raise self.error(fs.Unavailable, name) from error


class SwapsWithTheFile(MemoryBackend):
    """Hands the file behind the source to the client library."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        if (file := stream.seekable_file) is None:
            return super()._swap(name, stream, etag, attributes=attributes)
        return self._swap_with(file, name, etag, attributes)

    def _swap_with(self, file: IO[bytes], name: str, etag: str, attributes: Attributes) -> fs.FileInfo:
        raise NotImplementedError


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class RewindsWhatItSwaps(SwapsWithTheFile):
    def _swap_with(self, file: IO[bytes], name: str, etag: str, attributes: Attributes) -> fs.FileInfo:
        file.seek(0)
        return super()._swap(name, Source(file), etag, attributes=attributes)


@caught_by('test_saving_starts_where_the_source_stands_and_leaves_it_open')
class ClosesWhatItSwaps(SwapsWithTheFile):
    def _swap_with(self, file: IO[bytes], name: str, etag: str, attributes: Attributes) -> fs.FileInfo:
        with file:
            return super()._swap(name, Source(file), etag, attributes=attributes)
