"""Backends that are each broken in one way: metadata."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from types import SimpleNamespace
from typing import Any

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Capability, Source
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_facts_are_true_and_the_same_everywhere')
class TellsLocalTime(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        assert info.modified is not None
        return dataclasses.replace(info, modified=info.modified.replace(tzinfo=None))


@caught_by('test_facts_do_not_change')
class TellsLooseFacts(MemoryBackend):
    def stat(self, filename: str) -> Any:
        info = super().stat(filename)
        return SimpleNamespace(**dataclasses.asdict(info))


@caught_by('test_checksums_are_true')
class TellsTheEtagAsChecksum(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, checksum=f'md5:{info.etag}')


@caught_by('test_checksums_are_true')
class ChecksumsTheLastChunk(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info, content = self._found(name)
        last = content[len(content) // (1 << 20) * (1 << 20) :]
        return dataclasses.replace(info, checksum=f'sha256:{hashlib.sha256(last).hexdigest()}')


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class RemembersTheFirstChecksum(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        first = self.__dict__.setdefault('first', {}).setdefault(name, info)
        return dataclasses.replace(info, checksum=first.checksum, etag=first.etag)


@caught_by('test_a_given_media_type_is_kept_where_promised')
class ForgetsTheType(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        super()._put(name, stream, create=create)


@caught_by('test_paths_are_told_where_promised')
class ClaimsAPath(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.LOCAL_PATH

    def _local_path(self, name: str) -> str:
        return os.path.join(os.sep, 'nowhere', name)


@caught_by('test_paths_are_told_where_promised')
class TellsAPathUnasked(MemoryBackend):
    def _local_path(self, name: str) -> str:
        return name


@caught_by('test_any_file_can_be_had_as_a_local_one')
class NamesNoFile(MemoryBackend):
    def local_file(self, filename: str) -> Any:
        return super().local_file(filename) if filename == 'missing' else open(os.devnull)
