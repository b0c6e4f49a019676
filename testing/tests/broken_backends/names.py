"""Backends that are each broken in one way: names."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import flask_fs as fs
from flask_fs.backends import Source
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_hostile_names_are_refused_by_every_verb')
class TakesAnyName(MemoryBackend):
    def _key(self, filename: str) -> str:
        return self._prefix + filename


@caught_by('test_hostile_names_are_refused_by_every_verb')
class CleansNames(MemoryBackend):
    """Instead of refusing them."""

    def _key(self, filename: str) -> str:
        parts = [part for part in filename.replace('\\', '/').split('/') if part not in ('', '.', '..')]
        return super()._key('/'.join(parts) or '_')


@caught_by('test_odd_names_make_the_round_trip')
class NormalisesNames(MemoryBackend):
    def _key(self, filename: str) -> str:
        return unicodedata.normalize('NFC', super()._key(filename))


@caught_by('test_odd_names_make_the_round_trip')
class TrimsNames(MemoryBackend):
    def _key(self, filename: str) -> str:
        return super()._key(filename).strip()


@caught_by('test_a_key_prefix_is_invisible_in_names')
class ShowsThePrefix(MemoryBackend):
    def _strip_prefix(self, info: fs.FileInfo) -> fs.FileInfo:
        return info


@caught_by('test_a_key_prefix_is_invisible_in_names', 'test_one_storage_stays_apart_in_two_applications')
class IgnoresThePrefix(MemoryBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._prefix = ''


@caught_by('test_odd_names_make_the_round_trip')
class CreatesWithoutCase(MemoryBackend):
    """A unique index whose collation folds case, which only those who create meet."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> fs.FileInfo:
        if create and any(name.casefold() == other.casefold() for other in self._files):
            raise self.error(fs.FileExists, name)
        return super()._put(name, stream, create=create, **options)


@caught_by('test_odd_names_make_the_round_trip')
class CreatesByNormalForm(MemoryBackend):
    """An index over composed letters, which only those who create meet."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> fs.FileInfo:
        form = unicodedata.normalize('NFC', name)
        if create and any(form == unicodedata.normalize('NFC', other) for other in self._files):
            raise self.error(fs.FileExists, name)
        return super()._put(name, stream, create=create, **options)


@caught_by('test_odd_names_make_the_round_trip')
class TakesTheBeginningForTheName(MemoryBackend):
    """Looks for a file by listing its name as a prefix, and takes the first one found."""

    def _stat(self, name: str) -> fs.FileInfo:
        for info in self._scan(name):
            return info
        raise self.error(fs.FileNotFound, name)


@caught_by('test_odd_names_make_the_round_trip')
class IgnoresWhatFollowsADot(TakesTheBeginningForTheName):
    """The same, with an extension."""

    def _stat(self, name: str) -> fs.FileInfo:
        return super()._stat(name if name in self._files else f'{name}.')
