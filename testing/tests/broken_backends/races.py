"""Backends that are each broken in one way: writers that create one name at the same moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Source
from flask_fs.backends.local import LocalBackend

from . import caught_by


@caught_by(
    'test_of_many_threads_one_creates_a_name',
    'test_of_many_processes_one_creates_a_name',
    'test_a_name_taken_while_the_source_is_read_is_refused',
)
class LooksBeforeItWrites(LocalBackend):
    """What nearly every first version does: the name is free now, so it will be in a moment."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create and os.path.exists(self.path(name)):
            raise self.error(fs.FileExists, name)
        super()._put(name, stream)


@caught_by('test_of_many_threads_one_creates_a_name')
class LetsNobodyWin(LocalBackend):
    """Takes its own reservation of a name for that of another writer."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if create:
            raise self.error(fs.FileExists, name)
        super()._put(name, stream)


@caught_by('test_of_many_threads_one_creates_a_name')
class RefusesInOtherWords(LocalBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except fs.FileExists as error:
            raise self.error(fs.Unavailable, name, 'another writer holds the name') from error


class Locks(LocalBackend):
    """Looks first, and writes under a lock; a subclass has one that is not for all."""

    lock: Any

    def _refuse(self, name: str, create: bool) -> None:
        if create and os.path.exists(self.path(name)):
            raise self.error(fs.FileExists, name)

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        with self.lock:
            self._refuse(name, create)
            super()._put(name, stream)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        with self.lock:
            self._refuse(target, create)
            super()._copy(name, target, create=False)

    def _move(self, name: str, target: str, *, create: bool) -> None:
        with self.lock:
            self._refuse(target, create)
            super()._move(name, target, create=False)


@caught_by(
    'test_of_many_processes_one_creates_a_name',
    'test_of_many_processes_that_copy_or_move_to_a_name_one_wins',
)
class LocksInThisProcess(Locks):
    lock = threading.RLock()


@caught_by('test_of_many_threads_that_create_by_any_verb_one_wins')
class LocksInThisBackend(Locks):
    """Another storage of the application, or another application, has another lock."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.lock = threading.RLock()


@caught_by('test_of_many_threads_one_creates_a_large_file', 'test_a_name_taken_while_the_source_is_read_is_refused')
class CompletesPartsWithoutTheCondition(LocalBackend):
    """What is larger than a part is stored by other requests, whose last one has no condition."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        head = stream.take(CHUNK_BYTES)
        if create and len(head) == CHUNK_BYTES:
            self._refuse_early(name, os.fspath(self.path(name)), create)
            create = False
        stream.unread(head)
        super()._put(name, stream, create=create)


@caught_by('test_of_many_threads_one_creates_a_large_file')
class MixesParts(LocalBackend):
    """Parts are named after the file, not after the upload: those of two writers mix."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        if not create:
            super()._put(name, stream)
            return
        parts = f'{self.path(name)}.parts'
        os.makedirs(os.path.dirname(parts), exist_ok=True)
        number = 0
        with open(parts, 'wb') as file:
            while part := stream.take(CHUNK_BYTES // 4):
                file.seek(number)
                file.write(part)
                file.flush()
                number += len(part)
        try:
            os.link(parts, self.path(name))
        except FileExistsError as error:
            raise self.error(fs.FileExists, name) from error


@caught_by('test_of_many_threads_that_create_by_any_verb_one_wins')
class LooksBeforeItCopies(LocalBackend):
    """Storing is free of races; copying looks first, and then replaces, as ``cp`` does."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        if create and os.path.exists(self.path(target)):
            raise self.error(fs.FileExists, target)
        super()._copy(name, target, create=False)


@caught_by(
    'test_of_many_threads_that_create_by_any_verb_one_wins',
    'test_of_many_processes_that_copy_or_move_to_a_name_one_wins',
)
class LooksBeforeItMoves(LocalBackend):
    """Storing is free of races; moving looks first, and then renames, which replaces."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        if create and os.path.exists(self.path(target)):
            raise self.error(fs.FileExists, target)
        super()._move(name, target, create=False)


@caught_by(
    'test_of_many_threads_that_create_by_any_verb_one_wins',
    'test_of_many_processes_that_copy_or_move_to_a_name_one_wins',
)
class RemovesWhatItCouldNotMove(LocalBackend):
    """Copies without races, and removes the source whoever has won."""

    def _move(self, name: str, target: str, *, create: bool) -> None:
        try:
            self._copy(name, target, create=create)
        finally:
            self._remove(name)
