"""Backends that are each broken in one way: interrupts."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Opened, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import Mode, chunks_of
from flask_fs.backends.writers import FileWriter

from . import caught_by


class Drafting(LocalBackend):
    """Writes beside the file and renames: right itself, but for names that end in ``.part``."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        if create and path.exists():
            raise self.error(fs.FileExists, name)
        draft = path.with_name(f'{path.name}.part')
        self.store(draft, path, stream)

    def store(self, draft: Path, path: Path, stream: Source) -> None:
        try:
            with draft.open('wb') as file:
                shutil.copyfileobj(stream, file)
            self.publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def publish(self, draft: Path, path: Path) -> None:
        draft.replace(path)


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class CleansUpAfterErrorsOnly(Drafting):
    def store(self, draft: Path, path: Path, stream: Source) -> None:
        try:
            with draft.open('wb') as file:
                shutil.copyfileobj(stream, file)
        except Exception:
            draft.unlink()
            raise
        self.publish(draft, path)


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class TakesAnInterruptForTheEnd(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        class Ending:
            def read(self, size: int = -1, /) -> bytes:
                try:
                    return stream.read(size)
                except BaseException as error:
                    if isinstance(error, Exception):
                        raise
                    return b''

        super()._put(name, Source(Ending()), **options)


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class TranslatesInterrupts(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except Exception:
            raise
        except BaseException as error:
            raise self.error(fs.Unavailable, name, 'the upload was aborted') from error


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class KeepsItsConnection(MemoryBackend):
    """Its pool has one, which does not come back."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.pool = threading.Semaphore(1)

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        if not self.pool.acquire(timeout=0.2):
            raise self.error(fs.Unavailable, name, 'the pool is exhausted')
        try:
            super()._put(name, stream, **options)
        except Exception:
            self.pool.release()
            raise
        self.pool.release()


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class LeavesItsThreadWaiting(MemoryBackend):
    """It sends what comes through a queue, until None comes."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        sent: list[bytes] = []

        def send() -> None:
            # Not for ever, as there are other tests.
            with contextlib.suppress(queue.Empty):
                sent.extend(iter(lambda: pieces.get(timeout=5), None))

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            for piece in chunks_of(stream):
                pieces.put(piece)
        except Exception:
            pieces.put(None)
            raise
        pieces.put(None)
        sender.join()
        super()._put(name, Source(io.BytesIO(b''.join(sent))), **options)


class WritingUnlessError(FileWriter):
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            self.discard()
        else:
            self.close()


class Opening(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        how, key = Mode(mode), self._key(filename)
        if how.reads or how.text:
            return super().open(filename, mode, **kwargs)
        return self.writer(key, how)

    def writer(self, key: str, how: Mode) -> Any:
        raise NotImplementedError


@caught_by('test_an_interrupted_writer_stores_nothing')
class StoresWhenInterrupted(Opening):
    def writer(self, key: str, how: Mode) -> Any:
        return WritingUnlessError(lambda stream: self._put(key, Source(stream), create=how.creates))


@caught_by('test_an_interrupted_writer_stores_nothing')
class StoresInFinally(Opening):
    @contextlib.contextmanager
    def writer(self, key: str, how: Mode) -> Generator[Any]:
        writer = FileWriter(lambda stream: self._put(key, Source(stream), create=how.creates))
        try:
            yield writer
        except Exception:
            writer.discard()
            raise
        finally:
            writer.close()


@caught_by('test_an_interrupted_reader_gives_back_what_it_held')
class ClosesStreamsAtTheirEnd(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.opened: set[Any] = set()

    def read_chunks(self, filename: str, chunk_size: int = 1 << 20, **options: Any) -> Any:
        stream = self._open(filename).stream
        self.opened.add(stream)
        yield from chunks_of(stream, chunk_size)
        stream.close()
        self.opened.discard(stream)


@caught_by('test_an_interrupted_reader_gives_back_what_it_held')
class ClosesListingsAtTheirEnd(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.listings: set[Any] = set()

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        entries = os.scandir(self.root)
        self.listings.add(entries)
        for entry in entries:
            yield self._stat(entry.name)
        self.listings.discard(entries)


@caught_by('test_an_interrupted_reader_gives_back_what_it_held')
class LeavesTheLocalCopy(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.copies = tempfile.TemporaryDirectory()  # goes with the backend

    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        path = Path(self.copies.name, 'copy')
        path.write_bytes(self.read(filename))
        try:
            yield str(path)
        except Exception:
            path.unlink()
            raise
        path.unlink()


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class RemovesBeforeItRenames(Drafting):
    """As on systems where a rename refuses to replace."""

    def publish(self, draft: Path, path: Path) -> None:
        path.unlink(missing_ok=True)
        draft.rename(path)


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class MovesTheOldFileAside(Drafting):
    def publish(self, draft: Path, path: Path) -> None:
        backup = path.with_name(f'{path.name}.bak')
        if path.exists():
            path.rename(backup)
        draft.rename(path)
        backup.unlink(missing_ok=True)


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class MovesOverNothing(LocalBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        if not create:
            self._remove(target)
        super()._move(name, target, create=True)


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class CleansUpAfterOSErrorsOnly(Drafting):
    def store(self, draft: Path, path: Path, stream: Source) -> None:
        with draft.open('wb') as file:
            shutil.copyfileobj(stream, file)
        try:
            self.publish(draft, path)
        except OSError:
            draft.unlink()
            raise


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class TakesAnInterruptForAbsence(LocalBackend):
    def exists(self, filename: str) -> bool:
        try:
            return os.path.basename(filename) in os.listdir(os.path.dirname(self.path(filename)))
        except BaseException:  # noqa: BLE001  # as a bare except
            return False


@caught_by('test_an_interrupt_at_any_call_leaves_a_file_old_or_new')
class LeaksTheFileItReads(LocalBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.left: list[int] = []

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        number = os.open(self.path(name), os.O_RDONLY) if os.path.isfile(self.path(name)) else -1
        found = super()._open(name, start, stop, etag=etag)
        if number >= 0:
            os.close(number)
        return found


class DraftsASwap(MemoryBackend):
    """Stores the new version under a name of its own first."""

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        draft = f'.fs-tmp-{name}'
        self._put(draft, Source(io.BytesIO()))
        info, content = self._received_for(draft, name, stream, attributes)
        self._remove(draft)
        return self._keep(info, content, etag=etag)

    def _received_for(self, draft: str, name: str, stream: Source, attributes: Attributes) -> tuple[fs.FileInfo, bytes]:
        raise NotImplementedError


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class CleansUpASwapAfterErrorsOnly(DraftsASwap):
    def _received_for(self, draft: str, name: str, stream: Source, attributes: Attributes) -> tuple[fs.FileInfo, bytes]:
        try:
            return self._received(name, stream, attributes)
        except Exception:
            self._remove(draft)
            raise


@caught_by('test_an_interrupted_source_leaves_nothing_new')
class SwapsWhatCameBeforeTheInterrupt(MemoryBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> fs.FileInfo:
        came = io.BytesIO()
        try:
            came.writelines(chunks_of(stream))
        finally:
            came.seek(0)
            swapped = super()._swap(name, Source(came), etag, attributes=attributes)
        return swapped
