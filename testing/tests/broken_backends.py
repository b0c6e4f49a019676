"""Backends that are each broken in one way: what the kit has to catch."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
import os
import re
import shutil
import socket
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from flask import Response, url_for

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Capability, Opened, Source
from flask_fs.backends.http import respond
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import BoundedReader

PAGE = 1000


class TakesAnyName(MemoryBackend):
    def _key(self, filename: str) -> str:
        return self._prefix + filename


class NormalisesNames(MemoryBackend):
    def _key(self, filename: str) -> str:
        return unicodedata.normalize('NFC', super()._key(filename))


class TrimsNames(MemoryBackend):
    def _key(self, filename: str) -> str:
        return super()._key(filename).strip()


class ShowsThePrefix(MemoryBackend):
    def _strip_prefix(self, info: fs.FileInfo) -> fs.FileInfo:
        return info


class StoresOneChunk(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read(1 << 20))), **options)


class ReadsOnce(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(stream.read(1 << 30))), **options)


class ClosesTheSource(MemoryBackend):
    def save(self, file: Any, filename: str, **options: Any) -> None:
        super().save(file, filename, **options)
        getattr(file, 'close', lambda: None)()


class RewindsTheSource(MemoryBackend):
    def save(self, file: Any, filename: str, **options: Any) -> None:
        if hasattr(file, 'seek'):
            file.seek(0)
        super().save(file, filename, **options)


class SavesOverWhatIsThere(MemoryBackend):
    def save(self, file: Any, filename: str, *_: Any, **options: Any) -> None:
        super().save(file, filename, True, mime=options.get('mime'))


class WritesWholeFiles(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        if hasattr(content, 'seek'):
            content.seek(0)
        super().write(filename, content, **options)


class StoresTextAsLatin1(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        super().write(filename, content.encode('latin-1') if isinstance(content, str) else content, **options)


class LeaksAPartialFile(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        content = b''
        try:
            while chunk := stream.read(1 << 16):
                content += chunk
        finally:
            super()._put(name, Source(io.BytesIO(content)), **options)


class LeavesTemporaryFiles(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        Path(self.root).mkdir(parents=True, exist_ok=True)
        temporary = Path(self.root, f'{name.replace("/", "-")}.part')
        with temporary.open('wb') as file:
            shutil.copyfileobj(stream, file)
        with temporary.open('rb') as file:
            super()._put(name, Source(file), **options)
        temporary.unlink()


class WritesInPlace(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        path = Path(self.path(name))
        if create or not path.exists():
            super()._put(name, stream, create=create)
        else:
            with path.open('r+b') as file:
                shutil.copyfileobj(stream, file)


class OpensInPlace(LocalBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if 'w' not in mode:
            return super().open(filename, mode, **kwargs)
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return open(self.path(filename), mode, **kwargs)


class FindsOutLate(MemoryBackend):
    def read_chunks(self, filename: str, chunk_size: int = 1 << 20) -> Any:
        yield from super().read_chunks(filename, chunk_size)


class CannotSeek(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        return Opened(info, BoundedReader(stream, 1 << 40))  # type: ignore[arg-type]


class TakesTheStopAsIncluded(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, None if stop is None else stop + 1, etag=etag)


class TakesASuffixForTheStart(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, max(start, 0), stop, etag=etag)


class GivesNothingBeyondTheEnd(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        try:
            return super()._open(name, start, stop, etag=etag)
        except fs.RangeNotSatisfiable:
            return Opened(self._stat(name), io.BytesIO())


class GivesTheSizeOfTheRange(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        content = stream.read()
        return Opened(dataclasses.replace(info, size=len(content)), io.BytesIO(content))


class LooksAfterOpening(MemoryBackend):
    """Two requests: one for the bytes, and one for the metadata, which may be that of the next version."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        stream = super()._open(name, start, stop, etag=etag).stream
        return Opened(self._stat(name), stream)


class ReadsToTheEnd(MemoryBackend):
    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        return super().read_range(filename, start)


class IgnoresTheEtag(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        return super()._open(name, start, stop)


class ServesTwoVersions(MemoryBackend):
    """Sends the type, length and ETag that it saw before the bytes that it sees now."""

    def serve(self, filename: str) -> Any:
        name = self._key(filename)

        def open_file(start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
            return Opened(self._stat(name), self._open(name, start, stop).stream)

        return respond(lambda: self._stat(name), open_file)


class NeedsItsFolder(LocalBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        os.listdir(self.root)
        return super()._scan(prefix)

    def _names(self, prefix: str) -> Iterator[str]:
        os.listdir(self.root)
        return super()._names(prefix)


class IgnoresCreate(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, attributes=attributes)


class LooksBeforeItWrites(LocalBackend):
    """What nearly every first version does: the name is free now, so it will be in a moment."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create and os.path.exists(self.path(name)):
            raise self.error(fs.FileExists, name)
        super()._put(name, stream)


class LetsNobodyWin(LocalBackend):
    """Takes its own reservation of a name for that of another writer."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create:
            raise self.error(fs.FileExists, name)
        super()._put(name, stream)


class RefusesInOtherWords(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except fs.FileExists as error:
            raise self.error(fs.Unavailable, name, 'another writer holds the name') from error


class MovesByCopyAndRemove(MemoryBackend):
    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        name, new = self._key(filename), self._key(target)
        self._copy(name, new, create=not overwrite)
        self._remove(name)


class MovesHalf(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._copy(name, target, create=create)


class ClaimsNestedNames(LocalBackend):
    capabilities = LocalBackend.capabilities | Capability.NESTED_NAMES


class ComplainsOfNothingToDelete(MemoryBackend):
    def _remove(self, name: str) -> None:
        self._stat(name)
        super()._remove(name)


class RemovesWhatIsUnderIt(MemoryBackend):
    def _remove(self, name: str) -> None:
        for below in (name, *self._names(f'{name}/')):
            super()._remove(below)


class DeletesSiblings(MemoryBackend):
    def _delete(self, name: str) -> None:
        for found in list(self._names(name)):
            self._remove(found)


class DeletesOnePage(MemoryBackend):
    def _delete(self, name: str) -> None:
        self._remove(name)
        for below in list(itertools.islice(self._names(f'{name}/'), PAGE)):
            self._remove(below)


class ListsOnePage(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return itertools.islice(super()._scan(prefix), PAGE)


class TakesAPrefixAsAPattern(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (info for info in super()._scan() if re.match(prefix, info.name))


class ListsFolders(LocalBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        yield from super()._names(prefix)
        yield from (entry.name for entry in os.scandir(self.root) if entry.is_dir() and entry.name.startswith(prefix))


class KnowsOnlyItsOwnFiles(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._index: set[str] = set()

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, stream, **options)
        self._index.add(name)

    def _names(self, prefix: str) -> Iterator[str]:
        return (name for name in super()._names(prefix) if name in self._index)


class ListsWhatNoVerbTakes(MemoryBackend):
    def list_files(self, prefix: str = '') -> Iterator[str]:
        return self._names(self._prefix + prefix)


class TellsOfWhatNoVerbTakes(MemoryBackend):
    def scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return self._scan(self._prefix + prefix)


class TellsLocalTime(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        assert info.modified is not None
        return dataclasses.replace(info, modified=info.modified.replace(tzinfo=None))


class TellsLooseFacts(MemoryBackend):
    def stat(self, filename: str) -> Any:
        info = super().stat(filename)
        return SimpleNamespace(**dataclasses.asdict(info))


class TellsTheEtagAsChecksum(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, checksum=f'md5:{info.etag}')


class ChecksumsTheLastChunk(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info, content = self._found(name)
        last = content[len(content) // (1 << 20) * (1 << 20) :]
        return dataclasses.replace(info, checksum=f'sha256:{hashlib.sha256(last).hexdigest()}')


class RemembersTheFirstChecksum(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        first = self.__dict__.setdefault('first', {}).setdefault(name, info)
        return dataclasses.replace(info, checksum=first.checksum, etag=first.etag)


class ForgetsTheType(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, create=create)


class ClaimsAPath(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.LOCAL_PATH

    def _local_path(self, name: str) -> str:
        return os.path.join(os.sep, 'nowhere', name)


class TellsAPathUnasked(MemoryBackend):
    def _local_path(self, name: str) -> str:
        return name


class ServesWithoutValidators(MemoryBackend):
    def serve(self, filename: str) -> Response:
        info, content = self._found(self._key(filename))
        return Response(content, mimetype=info.mime)


class ServesWhateverTheClientHas(MemoryBackend):
    def serve(self, filename: str) -> Response:
        info, content = self._found(self._key(filename))
        response = Response(content, mimetype=info.mime)
        response.set_etag(info.etag or '')
        return response


class ServesNothingForMissingFiles(MemoryBackend):
    def serve(self, filename: str) -> Any:
        return super().serve(filename) if self._key(filename) in self._files else Response(b'')


class SignsUnasked(MemoryBackend):
    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        return f'https://store.example/{filename}'


class SignsForNobody(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        # To the application's own URL, which needs a signature of its own.
        return url_for('fs.get_file', fs=self.name, filename=name, signature='none', _external=True)


class SharesOneTemporaryFile(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(self.root, '.fs-tmp-shared')
        with temporary.open('wb') as file:
            shutil.copyfileobj(stream, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)


class WorksInOneProcess(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._process = os.getpid()

    def _refuse_others(self) -> None:
        if os.getpid() != self._process:
            raise self.error(fs.Unavailable, reason='the connection belongs to another process')

    def read(self, filename: str) -> bytes:
        self._refuse_others()
        return super().read(filename)


class ConnectsAtOnce(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        with socket.socket() as connection, contextlib.suppress(OSError):
            connection.connect(('127.0.0.1', 9))


class ConnectsInTheBackground(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        thread = threading.Thread(target=self._connect)
        thread.start()
        thread.join()

    def _connect(self) -> None:
        with socket.socket() as connection, contextlib.suppress(OSError, AssertionError):
            connection.connect(('127.0.0.1', 9))


class IgnoresThePrefix(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._prefix = ''


class KeepsItsStreams(LocalBackend):
    kept: list[Any] = []  # noqa: RUF012
    lock = threading.Lock()

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        self.kept.append(os.dup(self._open_file(name)[0]))
        return super()._open(name, start, stop, etag=etag)


class ReadsEverythingIntoMemory(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        super()._put(name, Source(io.BytesIO(b''.join(iter(lambda: stream.read(1 << 20), b'')))), **options)


class NamesNoFile(MemoryBackend):
    def local_file(self, filename: str) -> Any:
        return super().local_file(filename) if filename == 'missing' else open(os.devnull)
