"""Backends that are each broken in one way: metadata that comes with what is read and served, and checksums."""

from __future__ import annotations

import dataclasses
import gzip
from typing import Any

from flask import Response

import flask_fs as fs
from flask_fs.backends import Checksum, Opened, Source, chunks_of
from flask_fs.backends.http import respond
from flask_fs.backends.memory import MemoryBackend
from flask_fs.files import mime_type

from . import caught_by


class Opening(MemoryBackend):
    """Opens files with metadata that is off."""

    def opened(self, info: fs.FileInfo, length: int) -> fs.FileInfo:
        raise NotImplementedError

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        length = len(stream.read())
        return Opened(self.opened(info, length), super()._open(name, start, stop, etag=etag).stream)


@caught_by('test_an_opened_file_has_the_metadata_of_stat')
class OpensWithTheSizeOfThePart(Opening):
    def opened(self, info: fs.FileInfo, length: int) -> fs.FileInfo:
        return dataclasses.replace(info, size=length)


@caught_by('test_an_opened_file_has_the_metadata_of_stat', 'test_a_served_file_has_the_metadata_of_stat')
class OpensWithoutTheType(Opening):
    def opened(self, info: fs.FileInfo, length: int) -> fs.FileInfo:
        return dataclasses.replace(info, mime=mime_type(info.name))


@caught_by('test_an_opened_file_has_the_metadata_of_stat', 'test_a_served_file_has_the_metadata_of_stat')
class OpensWithAWeakEtag(Opening):
    def opened(self, info: fs.FileInfo, length: int) -> fs.FileInfo:
        return dataclasses.replace(info, etag=f'{info.etag}-gzip')


@caught_by('test_a_served_file_has_the_metadata_of_stat')
class ServesEmptyFilesAsNothing(MemoryBackend):
    def serve(self, filename: str) -> Any:
        response = super().serve(filename)
        return response if response.content_length else Response(status=204)


@caught_by('test_a_served_file_has_the_metadata_of_stat')
class ServesTheTimeOfServing(MemoryBackend):
    def serve(self, filename: str) -> Any:
        name = self._key(filename)

        def stat() -> fs.FileInfo:
            info = self._stat(name)
            assert info.modified is not None
            return dataclasses.replace(info, modified=info.modified.replace(year=info.modified.year + 1))

        return respond(stat, lambda *args, **options: self._open(name, *args, **options))


@caught_by('test_a_checksum_is_of_the_algorithm_that_is_set')
class ChecksumsInOneWay(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> Any:
        configured, self.config['checksum'] = self.config.checksum, 'sha256'
        try:
            return super()._put(name, stream, **options)
        finally:
            self.config['checksum'] = configured


@caught_by('test_a_checksum_is_of_the_algorithm_that_is_set')
class ComputesInOneWay(MemoryBackend):
    def _checksum_of(self, key: str) -> str:
        digest = Checksum('sha1')
        for chunk in chunks_of(self._open(key).stream):
            digest.update(chunk)
        return str(digest)

    def _metadata(self, key: str) -> dict[str, Any]:
        return {**super()._metadata(key), 'checksum': self._checksum_of(key)}


@caught_by('test_a_checksum_is_of_the_algorithm_that_is_set')
class ChecksumsNothingOfEmptyFiles(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return info if info.size else dataclasses.replace(info, checksum=None)


@caught_by('test_a_checksum_is_true_when_the_setting_has_changed')
class NamesTheAlgorithmThatIsSet(MemoryBackend):
    """Keeps the digest, and not what it was made with."""

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        digest = (info.checksum or '').partition(':')[2]
        return dataclasses.replace(info, checksum=f'{self.config.checksum}:{digest}')


@caught_by('test_a_checksum_is_true_when_the_setting_has_changed')
class NamesTheAlgorithmOfCopies(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        info, content = self._files[target]
        digest = (info.checksum or '').partition(':')[2]
        self._files[target] = dataclasses.replace(info, checksum=f'{self.config.checksum}:{digest}'), content


@caught_by('test_an_encoded_file_stays_encoded')
class CopiesWithoutTheEncoding(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        self._set_attributes(target, {'content_encoding': None})


@caught_by('test_an_encoded_file_stays_encoded')
class OverlooksTheEncoding(Opening):
    """Serves what is encoded as if it were not."""

    def opened(self, info: fs.FileInfo, length: int) -> fs.FileInfo:
        return dataclasses.replace(info, content_encoding=None)


@caught_by('test_an_encoded_file_stays_encoded')
class DecodesWhatItReads(MemoryBackend):
    """As HTTP clients do unasked, while the size stays that of what is stored."""

    def read(self, filename: str) -> bytes:
        content = super().read(filename)
        return gzip.decompress(content) if self.stat(filename).content_encoding == 'gzip' else content
