"""Backends that are each broken in one way: copying and moving."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
from pathlib import Path

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.files import mime_type

from . import caught_by


@caught_by('test_copy_and_move_onto_themselves_lose_nothing')
class MovesByCopyAndRemove(MemoryBackend):
    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        name, new = self._key(filename), self._key(target)
        self._copy(name, new, create=not overwrite)
        self._remove(name)


@caught_by('test_copy_and_move_onto_themselves_lose_nothing')
class ClearsTheTargetFirst(MemoryBackend):
    def copy(self, filename: str, target: str, overwrite: bool = True) -> None:
        if overwrite:
            self.remove(target)
        super().copy(filename, target, overwrite)


@caught_by('test_copy_and_move_onto_themselves_lose_nothing')
class CallsItselfCopied(MemoryBackend):
    """Does nothing where both names are one, whether there is such a file or not."""

    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        if filename != target:
            super().move(filename, target, overwrite)


@caught_by('test_copy_and_move_do_what_they_say')
class MovesHalf(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._copy(name, target, create=create)


@caught_by('test_copy_and_move_do_what_they_say')
class MovesWithinAFolder(LocalBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._stat(name)
        os.replace(self.path(name), self.path(target))


@caught_by('test_copy_and_move_do_what_they_say')
class StumblesOverEmptyFolders(LocalBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if os.path.isdir(self.path(name)):
            raise self.error(fs.FileExists, name)
        super()._put(name, stream, create=create, attributes=attributes)


@caught_by('test_copying_or_moving_what_is_not_there_changes_nothing')
class MovesFolders(LocalBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        path = Path(self.path(target))
        if create and path.exists():
            raise self.error(fs.FileExists, target)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.path(name), path)


@caught_by('test_copying_or_moving_what_is_not_there_changes_nothing')
class OpensTheTargetBeforeTheSource(LocalBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if not create:
            with contextlib.suppress(fs.FSError):
                self._put(target, Source(io.BytesIO()))
        super()._copy(name, target, create=create)


@caught_by('test_copying_or_moving_what_is_not_there_changes_nothing')
class CopiesNothing(MemoryBackend):
    """Takes a source that is missing for an empty one."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if name not in self._files:
            self._put(target, Source(io.BytesIO()), create=create)
        else:
            super()._copy(name, target, create=create)


@caught_by('test_a_refused_copy_or_move_loses_nothing')
class RemovesWhateverHappens(LocalBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        try:
            self._copy(name, target, create=create)
        finally:
            self._remove(name)


@caught_by('test_a_refused_copy_or_move_loses_nothing')
class MakesRoomForTheTarget(LocalBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if os.path.isdir(self.path(target)):
            shutil.rmtree(self.path(target))
        super()._copy(name, target, create=create)


@caught_by('test_nothing_of_a_replaced_target_stays', 'test_a_given_type_goes_along_and_a_suggested_one_does_not')
class KeepsTheFactsOfTheTarget(MemoryBackend):
    """Updates the row of the target, and sets its content alone."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        old = self._files.get(target)
        super()._copy(name, target, create=create)
        info, content = self._files[target]
        mime = info.mime if old is None else old[0].mime
        self._files[target] = dataclasses.replace(info, mime=mime, name=target), content

    def _move(self, name: str, target: str, *, create: bool) -> None:
        with self._lock:
            if create and target in self._files:
                raise self.error(fs.FileExists, target)
            info, content = self._found(name)
            del self._files[name]
            self._files[target] = dataclasses.replace(info, name=target), content


@caught_by('test_nothing_of_a_replaced_target_stays')
class CopiesOverTheBeginning(LocalBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if create or not os.path.isfile(self.path(target)):
            super()._copy(name, target, create=create)
            return
        with open(self.path(name), 'rb') as source, open(self.path(target), 'r+b') as file:
            shutil.copyfileobj(source, file)


@caught_by('test_a_given_type_goes_along_and_a_suggested_one_does_not')
class GuessesTheTypeOfCopies(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self._put(target, Source(self._open(name).stream), create=create)


@caught_by('test_a_given_type_goes_along_and_a_suggested_one_does_not')
class CopiesTheTypeAsItIs(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info, stream = self._open(name)
        self._put(target, Source(stream), create=create, attributes=Attributes(mime=info.mime))


@caught_by('test_a_copy_is_a_file_of_its_own')
class CopiesOneMebibyte(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self._put(target, Source(self._open(name, 0, 1 << 20).stream), create=create)


@caught_by('test_a_copy_is_a_file_of_its_own')
class CopiesByReference(LocalBackend):
    """A hard link, and what replaces a file writes into it."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        path = Path(self.path(name))
        if create or not path.is_file():
            super()._put(name, stream, create=create)
        else:
            path.write_bytes(b''.join(iter(lambda: stream.read(1 << 20), b'')))

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        os.unlink(self.path(target))
        os.link(self.path(name), self.path(target))


@caught_by('test_a_copy_is_a_file_of_its_own')
class KeepsNoChecksumOfCopies(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        info, content = self._files[target]
        self._files[target] = dataclasses.replace(info, checksum=None), content


@caught_by('test_a_move_that_fails_half_way_loses_nothing')
class RemovesTheSourceBeforeItStores(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        content = self._open(name).stream
        self._remove(name)
        self._put(target, Source(content), create=create)


@caught_by('test_a_move_that_fails_half_way_loses_nothing')
class ClearsTheTargetOfAMove(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        if not create:
            self._remove(target)
        super()._move(name, target, create=create)


@caught_by('test_a_move_that_fails_half_way_loses_nothing')
class UndoesTooMuch(MemoryBackend):
    """Takes the copy back if the source cannot be removed, which has replaced what was there; or has been removed."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._copy(name, target, create=create)
        try:
            self._remove(name)
        except BaseException:
            MemoryBackend._remove(self, target)
            raise


@caught_by('test_a_source_that_vanishes_leaves_the_target_whole')
class CopiesInTwoSteps(MemoryBackend):
    """Makes the target empty, and fills it."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self._stat(name)
        MemoryBackend._put(self, target, Source(io.BytesIO()), create=create)
        super()._copy(name, target, create=False)
        self._stat(name)


@caught_by('test_a_source_that_vanishes_leaves_the_target_whole')
class TakesAMissingSourceForMoved(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._stat(name)
        with contextlib.suppress(fs.FileNotFound):
            super()._move(name, target, create=create)


@caught_by('test_a_given_type_goes_along_and_a_suggested_one_does_not')
class CopiesPartsWithoutTheirType(MemoryBackend):
    """Copies what is large part by part, which takes no metadata along."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        info, content = self._files[target]
        if info.size > CHUNK_BYTES:
            self._files[target] = (dataclasses.replace(info, mime=mime_type(target)), content)


class _ByPieces:
    """Opens the file anew for each piece, by its name alone."""

    def __init__(self, backend: LocalBackend, info: fs.FileInfo) -> None:
        self._backend = backend
        self._info = info
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, 1 << 18, self._info.size - self._at)
        if size <= 0:
            return b''
        with self._backend._open(self._info.name, self._at, self._at + size).stream as stream:
            piece = stream.read()
        self._at += len(piece)
        return piece


@caught_by('test_a_copy_is_of_one_version')
class CopiesByRanges(LocalBackend):
    """Copies by ranges that do not name the version."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        self._put(target, Source(_ByPieces(self, self._stat(name))), create=create)


@caught_by('test_a_copy_is_of_one_version')
class CopiesTheMetadataOfBefore(MemoryBackend):
    """Looks at the metadata, then copies whatever has the name by then."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info = self._stat(name)
        mime = info.given_mime or mime_type(target)
        self._keep(dataclasses.replace(info, name=target, mime=mime), self._found(name)[1], create)


class CopiesWithAttributes(MemoryBackend):
    """In another step than the bytes."""

    def _copy_with(self, info: fs.FileInfo, content: bytes, target: str, *, create: bool) -> None:
        self._put(target, Source(io.BytesIO(content)), create=create, attributes=info.attributes)


@caught_by('test_a_copy_is_of_one_version')
class LooksUpAttributesBeforeItCopies(CopiesWithAttributes):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info = self._stat(name)
        self._copy_with(info, self._found(name)[1], target, create=create)


@caught_by('test_a_copy_is_of_one_version')
class LooksUpAttributesAfterItHasRead(CopiesWithAttributes):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        with self._open(name).stream as stream:
            content = stream.read()
        self._copy_with(self._stat(name), content, target, create=create)


@caught_by('test_copy_and_move_do_what_they_say')
class MovesAndDeletesWhatIsBelow(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._copy(name, target, create=create)
        self._delete(name)


@caught_by('test_copy_and_move_do_what_they_say')
class MovesWhatIsBelow(MemoryBackend):
    """As renaming a folder does."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        super()._move(name, target, create=create)
        for below in list(self._names(f'{name}/')):
            super()._move(below, target + below.removeprefix(name), create=False)
