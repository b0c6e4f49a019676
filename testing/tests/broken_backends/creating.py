"""Backends that are each broken in one way: creating."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from typing import IO, Any

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, Source, chunks_of
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_create_keeps_the_first_writer')
class IgnoresCreate(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, attributes=attributes)


@caught_by('test_create_keeps_the_first_writer')
class WrapsItsOwnRefusal(LocalBackend):
    """Has every error of the operating system handled in one place. FileExists is one, and so it is wrapped."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except OSError as error:
            raise self.error(fs.BackendError, name, str(error)) from error


@caught_by('test_create_keeps_the_first_writer')
class LosesWhatItCannotMove(MemoryBackend):
    """Takes the file from its old name first."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        content = self._found(name)[1]
        self._remove(name)
        self._put(target, Source(io.BytesIO(content)), create=create)


@caught_by('test_keeping_both_gives_each_file_a_name_of_its_own')
class ClosesWhatItRefuses(MemoryBackend):
    """Closes the file that it was given on every way out but one."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        try:
            super()._put(name, stream, create=create, attributes=attributes)
        except fs.FileExists:
            if (file := stream.seekable_file) is not None:
                file.close()
            raise


@caught_by('test_keeping_both_gives_each_file_a_name_of_its_own')
class ExplainsEveryRefusal(LocalBackend):
    """Hands on what its library says, and so says that a folder is in the way."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except fs.FileExists as error:
            raise self.error(fs.FileExists, name, os.strerror(errno.EEXIST)) from error


@caught_by('test_a_large_file_is_refused_before_it_is_read')
class SpoolsBeforeItCreates(LocalBackend):
    """Has a temporary file first, as its library wants to know the size."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        with tempfile.TemporaryFile() as spool:
            spool.writelines(chunks_of(stream))
            spool.seek(0)
            super()._put(name, Source(spool), create=create, attributes=attributes)


@caught_by('test_a_large_file_is_refused_before_it_is_read')
class RefusesAtTheEnd(LocalBackend):
    """Has the last step decide alone, as that is free of races."""

    def _refuse_early(self, name: str, path: str, create: bool) -> None:
        pass


@caught_by('test_a_large_file_is_refused_before_it_is_read')
class SendsItAllBeforeItIsRefused(HTTPBackend):
    """Sends the condition with the file, and looks for a response when all of that is sent."""

    def refuse_early(self, name: str, stream: Source) -> None:
        pass


@caught_by('test_a_name_taken_while_the_source_is_read_is_refused')
class ReplacesARival(LocalBackend):
    """Tries once more without create if storing fails at the end, as with any error that may pass."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create and os.path.exists(self.path(name)):
            raise self.error(fs.FileExists, name)
        content = stream.read()
        try:
            super()._put(name, Source(io.BytesIO(content)), create=create)
        except fs.FileExists:
            super()._put(name, Source(io.BytesIO(content)))


@caught_by('test_a_name_taken_while_the_source_is_read_is_refused')
class KeepsWhatWasRefused(LocalBackend):
    """Stores under a temporary name, and goes without a look back when that cannot become the name."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if not create:
            super()._put(name, stream)
            return
        self._refuse_early(name, os.fspath(self.path(name)), create)
        part = f'{name}.part'
        super()._put(part, stream)
        os.link(self.path(part), self.path(name))
        os.unlink(self.path(part))


@caught_by('test_a_name_taken_while_the_source_is_read_is_refused')
class RefusesAtTheBeginning(LocalBackend):
    """The condition goes with the first byte of an upload, and counts no longer when its last one has come."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        head = stream.take(1)
        if create and os.path.exists(self.path(name)):
            raise self.error(fs.FileExists, name)
        stream.unread(head)
        super()._put(name, stream)


@caught_by('test_a_file_opened_to_be_created_replaces_nothing')
class LooksWhenItOpens(MemoryBackend):
    """Refuses at open(), and at close() no longer."""

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if 'x' in mode and self.exists(filename):
            raise self.error(fs.FileExists, filename)
        return super().open(filename, mode.replace('x', 'w'), **kwargs)


@caught_by('test_a_file_opened_to_be_created_replaces_nothing')
class CreatesTextOnly(MemoryBackend):
    """Compares the mode with one word, where there are three."""

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        return super().open(filename, mode if mode == 'x' else mode.replace('x', 'w'), **kwargs)


@caught_by('test_a_file_and_a_folder_of_one_name')
class ClaimsNestedNames(LocalBackend):
    capabilities = LocalBackend.capabilities | Capability.NESTED_NAMES


@caught_by('test_a_file_and_a_folder_of_one_name')
class ReplacesAFileByAFolder(LocalBackend):
    """Makes room for the folder that it needs."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        parent = os.path.dirname(self.path(name))
        if os.path.isfile(parent):
            os.unlink(parent)
        super()._put(name, stream, **options)


@caught_by('test_a_copy_or_move_of_any_size_replaces_nothing')
class CopiesLargeFilesAnyway(MemoryBackend):
    """In parts, and the last request has no condition."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create and self._stat(name).size < CHUNK_BYTES)


@caught_by('test_a_copy_or_move_of_any_size_replaces_nothing')
class MovesLargeFilesAnyway(LocalBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        super()._move(name, target, create=create and self._stat(name).size < CHUNK_BYTES)


@caught_by('test_create_keeps_the_first_writer')
class TakesEqualContentForItsOwn(MemoryBackend):
    """As if the response to its first attempt had been lost."""

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> fs.FileInfo:
        if create:
            self.refuse_early(name, stream)
        info, content = self._received(name, stream, attributes)
        try:
            return self._keep(info, content, create=create)
        except fs.FileExists:
            if (there := self._stat(name)).checksum != info.checksum:
                raise
            return there


@caught_by('test_create_keeps_the_first_writer')
class TakesAnEmptyFileForNone(MemoryBackend):
    """Looks at the content, which is false."""

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> fs.FileInfo:
        there = self._files.get(name)
        return super()._put(name, stream, create=create and bool(not there or there[1]), attributes=attributes)


@caught_by('test_create_keeps_the_first_writer')
class CopiesOverAnEmptyFile(MemoryBackend):
    """Looks at the size, which is false."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        there = self._files.get(target)
        super()._copy(name, target, create=create and bool(not there or there[0].size))
