"""Backends that are each broken in one way: attributes that are changed without the bytes."""

from __future__ import annotations

import dataclasses
import datetime
import io
import time
from collections.abc import Iterator, Mapping
from typing import Any

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, BaseBackend, Capability, Source, changed, with_attributes
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

WHAT_IT_NAMES = 'test_a_change_of_attributes_changes_only_what_it_names'
NOT_THERE = 'test_attributes_of_what_is_not_there_cannot_change'
BRINGS_BACK = 'test_a_change_of_attributes_never_brings_replaced_bytes_back'
INTERRUPTED = 'test_an_interrupted_change_leaves_old_or_new_attributes'
ONE_VERSION = 'test_a_file_whose_attributes_changed_is_one_version'


@caught_by(WHAT_IT_NAMES)
class ReplacesAllAttributes(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(
            name, changed(NO_ATTRIBUTES, changes).given() | dict.fromkeys({'metadata'} - changes.keys())
        )
        info, content = self._files[name]
        self._files[name] = with_attributes(info, changed(NO_ATTRIBUTES, changes)), content


@caught_by(WHAT_IT_NAMES)
class RemovesNothing(MemoryBackend):
    """Takes None for what is not to change."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(name, {attribute: value for attribute, value in changes.items() if value is not None})


@caught_by(WHAT_IT_NAMES)
class MergesMetadata(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        merged = {**self._stat(name).metadata, **(changes.get('metadata') or {})}
        super()._set_attributes(name, {**changes, **({'metadata': merged} if changes.get('metadata') else {})})


@caught_by(WHAT_IT_NAMES)
class LosesTheChecksum(MemoryBackend):
    """What the store computed when the file was stored goes with its old headers."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(name, changes)
        info, content = self._files[name]
        self._files[name] = dataclasses.replace(info, checksum=None), content


@caught_by(WHAT_IT_NAMES)
class ChangesAllThatBeginsWithAName(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(name, changes)
        for other in list(self._names(name)):
            super()._set_attributes(other, changes)


@caught_by(NOT_THERE)
class MakesWhatIsNotThere(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        if name not in self._files:
            self._put(name, Source(io.BytesIO()))
        super()._set_attributes(name, changes)


@caught_by(NOT_THERE)
class SaysNothingOfWhatIsNotThere(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        if name in self._files:
            super()._set_attributes(name, changes)


@caught_by(NOT_THERE)
class ChangesFolders(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        below = list(self._names(f'{name}/'))
        for each in below or [name]:
            super()._set_attributes(each, changes)


@caught_by(BRINGS_BACK)
class StoresTheBytesAgain(MemoryBackend):
    """As the template does, and the store does not compare."""

    capabilities = MemoryBackend.capabilities & ~Capability.COMPARE_AND_SWAP

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        BaseBackend._set_attributes(self, name, changes)


@caught_by(BRINGS_BACK)
class LooksAgainBeforeItStores(MemoryBackend):
    """Whether the file is still there, but not which version it is."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        info, content = self._found(name)
        self._stat(name)
        self._files[name] = with_attributes(info, changed(info.attributes, changes)), content


@caught_by(INTERRUPTED)
class RemovesAttributesFirst(HTTPBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        attributes = changed(self._stat(name).attributes, changes)
        self._ask('PATCH', name).close()
        self._ask('PATCH', name, headers=self._headers_of(name, attributes)).close()


@caught_by(INTERRUPTED)
class ChangesOneByOne(HTTPBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        for attribute, value in changes.items():
            super()._set_attributes(name, {attribute: value})


@caught_by(INTERRUPTED)
class LeavesADraftOfTheChange(HTTPBackend):
    """Stores a copy with the new attributes, and gives it the name."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        info, stream = self._open(name)
        with stream:
            self._put(f'{name}.draft', Source(stream), attributes=changed(info.attributes, changes))
        with self._translated(name):
            self._ask_once('MOVE', self._path(f'{name}.draft'), {'Destination': name}).close()


@caught_by(WHAT_IT_NAMES)
class TakesEmptyMetadataForNone(MemoryBackend):
    """It does not remove what there is."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(name, {attribute: value for attribute, value in changes.items() if value != {}})


@caught_by(BRINGS_BACK)
class BringsBackWhatWasRemoved(MemoryBackend):
    """It notices another version, and not that there is none."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        former = self._found(name)
        time.sleep(0.0005)
        with self._lock:
            info, content = self._files.get(name, former)
            self._files[name] = with_attributes(info, changed(info.attributes, changes)), content


class Rewrites(MemoryBackend):
    """Makes a new version of the metadata."""

    def _rewritten(self, info: fs.FileInfo) -> fs.FileInfo:
        raise NotImplementedError

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        super()._set_attributes(name, changes)
        info, content = self._files[name]
        self._files[name] = self._rewritten(info), content


@caught_by(ONE_VERSION)
class ForgetsTheEtag(Rewrites):
    def _rewritten(self, info: fs.FileInfo) -> fs.FileInfo:
        return dataclasses.replace(info, etag=None)


@caught_by(ONE_VERSION)
class ForgetsWhenItWasWritten(Rewrites):
    def _rewritten(self, info: fs.FileInfo) -> fs.FileInfo:
        return dataclasses.replace(info, modified=datetime.datetime.fromtimestamp(0, datetime.timezone.utc))


@caught_by(ONE_VERSION)
class ListsFormerAttributes(MemoryBackend):
    """What was listed is remembered by its etag, which attributes do not change."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        listed = self.__dict__.setdefault('_listed', {})
        return (listed.setdefault(info.etag, info) for info in super()._scan(prefix))


@caught_by(WHAT_IT_NAMES)
class DropsTheCharsetOfAChangedType(MemoryBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        essence = {'mime': changes['mime'].partition(';')[0]} if changes.get('mime') else {}
        super()._set_attributes(name, {**changes, **essence})


@caught_by(WHAT_IT_NAMES)
class KeepsTheCharsetOfAChangedType(HTTPBackend):
    """Sends it in a header of its own, which the next change does not remove."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        _, charset, value = self._stat(name).mime.partition('; charset=')
        if changes.get('mime') and charset:
            changes = {**changes, 'mime': f'{changes["mime"]}; charset={value}'}
        super()._set_attributes(name, changes)


class ChangesMetadataTo(MemoryBackend):
    """Encodes the metadata of a change in another way than that of a new file."""

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        encoded = {key: self._encoded(value) for key, value in (changes.get('metadata') or {}).items()}
        super()._set_attributes(name, {**changes, 'metadata': encoded} if encoded else changes)

    def _encoded(self, value: str) -> str:
        raise NotImplementedError


@caught_by(WHAT_IT_NAMES)
class ChangesMetadataToLatin1(ChangesMetadataTo):
    def _encoded(self, value: str) -> str:
        return value.encode('latin-1', 'replace').decode('latin-1')


@caught_by(WHAT_IT_NAMES)
class ChangesMetadataToCharacterReferences(ChangesMetadataTo):
    def _encoded(self, value: str) -> str:
        return value.encode('latin-1', 'xmlcharrefreplace').decode('latin-1')
