"""Backends that are each broken in one way: metadata."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import io
import mimetypes
import os
from collections.abc import Generator, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, Source
from flask_fs.backends.copies import temporary_copy
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend
from flask_fs.files import mime_type

from . import caught_by


@caught_by('test_facts_are_true_and_the_same_everywhere')
class TellsLocalTime(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        assert info.modified is not None
        return dataclasses.replace(info, modified=info.modified.replace(tzinfo=None))


@caught_by('test_facts_are_true_and_the_same_everywhere')
class ScansBlocks(LocalBackend):
    """Lists the size that a file takes on the disk."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for info in super()._scan(prefix):
            yield dataclasses.replace(info, size=-(-info.size // 4096) * 4096)


@caught_by('test_facts_are_true_and_the_same_everywhere')
class ScansQuotedEtags(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return (dataclasses.replace(info, etag=f'"{info.etag}"') for info in super()._scan(prefix))


@caught_by('test_facts_are_true_and_the_same_everywhere')
class GuessesByTheLastSuffix(MemoryBackend):
    """A type for each verb: one is made from the name in another way."""

    def _metadata(self, key: str) -> dict[str, Any]:
        return {**super()._metadata(key), 'mime': mimetypes.guess_type(key)[0]}


@caught_by('test_times_are_in_utc_wherever_the_application_runs')
class TakesLocalTimeForUTC(LocalBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        local = datetime.datetime.fromtimestamp(os.stat(self.path(name)).st_mtime)  # noqa: DTZ006  # the fault
        return dataclasses.replace(super()._stat(name), modified=local.replace(tzinfo=datetime.timezone.utc))


@caught_by('test_times_are_in_utc_wherever_the_application_runs')
class ScansInTheZoneOfTheMachine(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for info in super()._scan(prefix):
            assert info.modified is not None
            yield dataclasses.replace(info, modified=info.modified.astimezone())


@caught_by('test_facts_do_not_change')
class TellsMoreThanFacts(MemoryBackend):
    """A dictionary with attributes, as SDKs give it."""

    def stat(self, filename: str) -> Any:
        info = super().stat(filename)
        return type('Facts', (dict,), dataclasses.asdict(info))()


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


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class ChecksumsTheName(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        return dataclasses.replace(super()._stat(name), checksum=f'sha256:{hashlib.sha256(name.encode()).hexdigest()}')


@caught_by('test_a_given_media_type_is_kept_where_promised')
class TrustsTheNameAlone(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        return dataclasses.replace(super()._stat(name), mime=mime_type(name))


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


@caught_by('test_any_file_can_be_had_as_a_local_one')
class NamesItsCopiesAnyhow(MemoryBackend):
    @contextlib.contextmanager
    def local_file(self, filename: str) -> Generator[str]:
        with temporary_copy(self._open(self._key(filename)).stream, 'copy') as path:
            yield path


@caught_by('test_facts_are_true_and_the_same_everywhere')
class KeepsTheTimeOfItsSource(LocalBackend):
    """Copies files on the disk with shutil.copy2()."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        file = stream.file
        super()._put(name, stream, **options)
        if file is not None:
            status = os.fstat(file.fileno())
            os.utime(self._local_path(name), ns=(status.st_atime_ns, status.st_mtime_ns))


@caught_by('test_facts_are_true_and_the_same_everywhere')
class ReturnsTheEtagOfTheUpload(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        info = super()._put(name, stream, **options)
        return dataclasses.replace(info, etag=f'{info.etag}-1')


@caught_by('test_facts_are_true_and_the_same_everywhere')
class ReturnsTheSizeThatWasAnnounced(MemoryBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        size = stream.remaining_size or 0
        return dataclasses.replace(super()._put(name, stream, **options), size=size)


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class KnowsContentByItsBeginning(MemoryBackend):
    """Stores equal content once, and takes what begins and ends at the same place for equal."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._contents: dict[tuple[int, bytes], bytes] = {}

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        content = stream.read()
        content = self._contents.setdefault((len(content), content[:4096]), content)
        return super()._put(name, Source(io.BytesIO(content)), **options)


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class TagsTheFirstPart(MemoryBackend):
    """Its etag is of the size and the first part."""

    def _keep(self, info: fs.FileInfo, content: bytes, **condition: Any) -> fs.FileInfo:
        etag = hashlib.sha256(content[: CHUNK_BYTES - 1] + str(info.size).encode()).hexdigest()
        return super()._keep(dataclasses.replace(info, etag=etag), content, **condition)

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        super()._put(name, stream, **options)
        return self._stat(name)


@caught_by('test_a_given_media_type_is_kept_where_promised')
class DropsTheParametersOfTypes(MemoryBackend):
    def _put(self, name: str, stream: Source, *, attributes: Attributes = NO_ATTRIBUTES, **options: Any) -> fs.FileInfo:
        mime = attributes.mime and attributes.mime.partition(';')[0]
        return super()._put(name, stream, attributes=Attributes(mime=mime), **options)


@caught_by('test_facts_are_true_and_the_same_everywhere')
class ReturnsTheTimeOfItsClock(MemoryBackend):
    """Tells when it stored a file by the clock of this machine, where that of the store counts."""

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        info = super()._put(name, stream, **options)
        assert info.modified is not None
        return dataclasses.replace(info, modified=info.modified - datetime.timedelta(seconds=3))


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class ReturnsTheTagOfAPart(MemoryBackend):
    """Of several parts, the response to the last one is taken for that to the whole file."""

    part: ClassVar[Mapping[str, str]] = {'etag': 'of a part'}

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        info = super()._put(name, stream, **options)
        return dataclasses.replace(info, **self.part) if info.size > CHUNK_BYTES else info


@caught_by('test_a_replaced_file_has_its_own_checksum_and_etag')
class ReturnsTheChecksumOfAPart(ReturnsTheTagOfAPart):
    part: ClassVar[Mapping[str, str]] = {'checksum': 'sha256:of a part'}
