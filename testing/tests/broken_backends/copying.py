"""Backends that are each broken in one way: copying and moving."""

from __future__ import annotations

from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_copy_and_move_onto_themselves_lose_nothing')
class MovesByCopyAndRemove(MemoryBackend):
    def move(self, filename: str, target: str, overwrite: bool = True) -> None:
        name, new = self._key(filename), self._key(target)
        self._copy(name, new, create=not overwrite)
        self._remove(name)


@caught_by('test_copy_and_move_do_what_they_say')
class MovesHalf(MemoryBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        self._copy(name, target, create=create)
