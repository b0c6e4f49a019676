"""Backends that are each broken in one way: creating."""

from __future__ import annotations

import os
from typing import Any

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Capability, Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_create_keeps_the_first_writer')
class IgnoresCreate(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, attributes=attributes)


@caught_by('test_of_many_threads_one_creates_a_name', 'test_of_many_processes_one_creates_a_name')
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


@caught_by('test_a_file_and_a_folder_of_one_name')
class ClaimsNestedNames(LocalBackend):
    capabilities = LocalBackend.capabilities | Capability.NESTED_NAMES
