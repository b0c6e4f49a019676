"""Backends that are each broken in one way: errors."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from typing import IO, Any

from http_store import HTTPBackend, Refused

import flask_fs as fs
from flask_fs.backends import Opened, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import chunks_of

from . import caught_by

# --- What an error says.


@caught_by('test_an_error_says_what_and_where')
class RaisesBareErrors(MemoryBackend):
    def _found(self, name: str) -> tuple[fs.FileInfo, bytes]:
        if name not in self._files:
            raise fs.FileNotFound(name)
        return super()._found(name)


@caught_by('test_an_error_says_what_and_where')
class NamesTheKeyInTheStore(MemoryBackend):
    def error(self, kind: Any, name: str | None = None, reason: str | None = None) -> Any:
        return super().error(kind, f'bucket/{name}' if name else name, reason)


@caught_by('test_an_error_says_what_and_where')
class NamesTheKeyOfACopy(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        try:
            super()._copy(name, target, create=create)
        except fs.FileExists:
            raise fs.FileExists(target, storage=self.name, backend=self.kind) from None


@caught_by('test_an_error_says_what_and_where')
class NamesTheKeyThatIsMissing(MemoryBackend):
    """Without self.error(), which would remove the prefix."""

    def _found(self, name: str) -> tuple[fs.FileInfo, bytes]:
        if name not in self._files:
            raise fs.FileNotFound(name, storage=self.name, backend=self.kind)
        return super()._found(name)


class Missing(fs.FileNotFound):
    def __init__(self, response: Any, name: str, **where: str) -> None:
        super().__init__(name, **where)
        self.response = response


@caught_by('test_an_error_says_what_and_where')
class RaisesErrorsThatCannotBePickled(MemoryBackend):
    def _found(self, name: str) -> tuple[fs.FileInfo, bytes]:
        if name not in self._files:
            raise Missing(404, name, storage=self.name, backend=self.kind)
        return super()._found(name)


# --- Folders.


@caught_by('test_a_folder_is_no_file_and_a_file_no_folder')
class TakesAFileOnTheWayForAFailure(LocalBackend):
    def _translate(self, error: Exception, name: str | None) -> tuple[type[fs.FSError], str | None]:
        if isinstance(error, NotADirectoryError):
            return fs.BackendError, str(error)
        return super()._translate(error, name)


@caught_by('test_a_folder_is_no_file_and_a_file_no_folder')
class LooksAtFoldersToo(LocalBackend):
    def exists(self, filename: str) -> bool:
        return os.path.exists(self.path(filename))


@caught_by('test_a_folder_is_no_file_and_a_file_no_folder')
class RemovesTheFileOnTheWay(MemoryBackend):
    """As a store does that takes a name for that of its first part."""

    def _remove(self, name: str) -> None:
        super()._remove(name.partition('/')[0])
        super()._remove(name)


# --- Names at the limits.


@caught_by('test_a_name_at_the_limits_works_or_is_refused')
class LeaksTheErrorsOfLongNames(LocalBackend):
    errors = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)


@caught_by('test_a_name_at_the_limits_works_or_is_refused')
class CutsLongNamesOff(MemoryBackend):
    def _key(self, filename: str) -> str:
        return super()._key(filename)[:255]


@caught_by('test_a_name_at_the_limits_works_or_is_refused')
class GoesDownByRecursion(MemoryBackend):
    """Through each folder, by a function that calls itself several times on its way."""

    def _stat(self, name: str) -> fs.FileInfo:
        self._descend(name.split('/'))
        return super()._stat(name)

    def _descend(self, parts: list[str]) -> None:
        if len(parts) > 250:
            raise RecursionError('maximum recursion depth exceeded')
        if parts:
            self._descend(parts[1:])


# --- Wrong types.


@caught_by('test_content_of_a_wrong_type_is_refused')
class StoresTheTextOfAnything(MemoryBackend):
    def write(self, filename: str, content: Any, *args: Any, **options: Any) -> Any:
        known = isinstance(content, (str, bytes, bytearray, memoryview)) or hasattr(content, 'read')
        return super().write(filename, content if known else str(content), *args, **options)


@caught_by('test_content_of_a_wrong_type_is_refused')
class TakesNothingForEmpty(MemoryBackend):
    def write(self, filename: str, content: Any, *args: Any, **options: Any) -> Any:
        return super().write(filename, content or b'', *args, **options)


@caught_by('test_content_of_a_wrong_type_is_refused')
class SavesPathsToo(LocalBackend):
    def save(self, file_or_wfs: Any, filename: str, *args: Any, **options: Any) -> Any:
        if not isinstance(file_or_wfs, (str, os.PathLike)):
            return super().save(file_or_wfs, filename, *args, **options)
        with open(file_or_wfs, 'rb') as file:
            return super().save(file, filename, *args, **options)


@caught_by('test_content_of_a_wrong_type_is_refused')
class StoresWhatCameBeforeTheWrongType(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        pieces = list[bytes]()
        with contextlib.suppress(TypeError):
            pieces.extend(chunks_of(stream))
        return super()._put(name, Source(io.BytesIO(b''.join(pieces))), **options)


# --- Modes.


@caught_by('test_a_mode_that_no_store_has_is_refused')
class TakesOtherModesForReading(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **options: Any) -> IO[Any]:
        is_known = mode in ('r', 'rb', 'rt', 'w', 'wb', 'wt', 'x', 'xb', 'xt')
        return super().open(filename, mode if is_known else 'rb', **options)


@caught_by('test_a_mode_that_no_store_has_is_refused')
class ReplacesInsteadOfAppending(LocalBackend):
    def open(self, filename: str, mode: str = 'r', **options: Any) -> IO[Any]:
        return super().open(filename, mode.replace('a', 'w'), **options)


# --- Closed sources.


@caught_by('test_a_closed_source_is_refused')
class TakesAClosedSourceForEmpty(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        pieces = list[bytes]()
        with contextlib.suppress(ValueError):
            pieces.extend(chunks_of(stream))
        return super()._put(name, Source(io.BytesIO(b''.join(pieces))), **options)


@caught_by('test_a_closed_source_is_refused')
class CreatesAFileBeforeItReads(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if not super().exists(name):
            super()._put(name, Source(io.BytesIO()), **options)
            options['create'] = False
        super()._put(name, stream, **options)


# --- Empty files.


@caught_by('test_an_empty_file_is_a_file')
class StoresNoEmptyFile(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo | None:  # type: ignore[override]  # broken
        stream.unread(head := stream.read(1))
        return super()._put(name, stream, **options) if head else None


@caught_by('test_an_empty_file_is_a_file')
class TakesAnEmptyFileForMissing(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        if not info.size:
            raise self.error(fs.FileNotFound, name)
        return info


@caught_by('test_an_empty_file_is_a_file')
class RefusesRangesOfEmptyFiles(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        opened = super()._open(name, start, stop, etag=etag)
        if start < 0 and not opened.info.size:
            raise self.error(fs.RangeNotSatisfiable, name)
        return opened


# --- Secrets.


@caught_by('test_no_secret_is_shown')
class ShowsItsSettings(HTTPBackend):
    def __repr__(self) -> str:
        return f'{type(self).__name__}({dict(self.config)})'


@caught_by('test_no_secret_is_shown')
class QuotesTheRefusedRequest(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        if isinstance(error, Refused) and error.status == 403:
            return self.error(fs.PermissionDenied, name, f'{error} with {self._headers}')
        return super().translate(error, name)


@caught_by('test_no_secret_is_shown')
class ShowsItsTokenInItsLocation(HTTPBackend):
    def describe_location(self) -> str:
        return f'http://{self.config.token}@{self.config.endpoint}/{self.config.bucket}'


@caught_by('test_what_cannot_be_opened_is_not_missing')
class TakesEveryErrorForMissing(LocalBackend):
    """Errors of some clients have no number, so that its author saw only one kind."""

    def _translate(self, error: Exception, name: str | None) -> tuple[type[fs.FSError], str | None]:
        return fs.FileNotFound, None


@caught_by('test_what_cannot_be_opened_is_not_missing')
class ListsWhatItCanOpen(LocalBackend):
    """os.walk() passes over folders that it cannot open."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for folder, _, files in os.walk(self.root):
            for name in (os.path.relpath(os.path.join(folder, file), self.root) for file in files):
                if name.startswith(prefix):
                    yield self._stat(name)


@caught_by('test_a_name_at_the_limits_works_or_is_refused')
class LeaksTheErrorsOfLongTargets(MemoryBackend):
    """Of moves alone."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        if len(target) > 255:
            raise OSError(errno.ENAMETOOLONG, 'File name too long')
        super()._move(name, target, create=create)
