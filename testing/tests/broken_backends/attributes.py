"""Backends that are each broken in one way: what is stored with a file besides its bytes."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import (
    CHUNK_BYTES,
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    Opened,
    Source,
    changed,
    decode_text,
    with_attributes,
)
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

COME_BACK = 'test_attributes_come_back_however_a_file_is_stored'
WERE_NOT_GIVEN = 'test_attributes_that_were_not_given_are_none'
ANY_TEXT = 'test_metadata_and_names_of_any_text_come_back_exactly'
OF_ITS_OWN = 'test_a_replaced_file_has_its_own_attributes'
FAILED = 'test_a_failed_put_leaves_the_old_attributes'
COPIES = 'test_copies_and_moves_keep_attributes'
REFUSED = 'test_attributes_that_are_not_kept_are_refused'


class Keeps(MemoryBackend):
    """Keeps something else than it was given."""

    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        raise NotImplementedError

    def _received(self, name: str, stream: Source, attributes: Attributes) -> tuple[fs.FileInfo, bytes]:
        info, content = super()._received(name, stream, attributes)
        return with_attributes(info, self.kept(attributes, content)), content


class KeepsMetadata(Keeps):
    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        return dataclasses.replace(attributes, metadata=self.kept_metadata(dict(attributes.metadata)))

    def kept_metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        return {name: self.kept_value(value) for name, value in metadata.items()}

    def kept_value(self, value: str) -> str:
        raise NotImplementedError


@caught_by(COME_BACK, COPIES)
class ForgetsTheDownloadName(Keeps):
    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        return dataclasses.replace(attributes, download_name=None)


@caught_by(COME_BACK, OF_ITS_OWN)
class ForgetsAttributesOfParts(Keeps):
    """What is stored in parts is completed by a request that has only the type."""

    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        return Attributes(mime=attributes.mime) if len(content) > CHUNK_BYTES else attributes


@caught_by(COME_BACK)
class CreatesWithoutAttributes(MemoryBackend):
    """The request with the condition is made elsewhere."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        return super()._put(name, stream, create=create, attributes=NO_ATTRIBUTES if create else attributes)


@caught_by(COME_BACK, 'test_attributes_are_served_as_headers')
class OpensWithoutAttributes(MemoryBackend):
    def _open(self, name: str, *args: Any, **options: Any) -> Opened:
        info, stream = super()._open(name, *args, **options)
        return Opened(with_attributes(info, Attributes(mime=info.given_mime)), stream)


@caught_by(COME_BACK)
class KeepsAttributesInTheBackend(MemoryBackend):
    """Other backends on the store have others."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._attributes: dict[str, Attributes] = {}

    def _put(self, name: str, stream: Source, *, attributes: Attributes = NO_ATTRIBUTES, **options: Any) -> Any:
        super()._put(name, stream, **options)
        self._attributes[name] = attributes

    def _stat(self, name: str) -> fs.FileInfo:
        return with_attributes(super()._stat(name), self._attributes.get(name, NO_ATTRIBUTES))


@caught_by(WERE_NOT_GIVEN)
class ReturnsEmptyTexts(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, cache_control=info.cache_control or '')


@caught_by(WERE_NOT_GIVEN, 'test_attributes_are_served_as_headers')
class HasADefaultForCaching(Keeps):
    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        return dataclasses.replace(attributes, cache_control=attributes.cache_control or 'public, max-age=60')


@caught_by(WERE_NOT_GIVEN)
class ListsOtherMetadata(MemoryBackend):
    """Lists headers by their own names."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for info in super()._scan(prefix):
            yield dataclasses.replace(info, metadata={f'x-meta-{name}': value for name, value in info.metadata.items()})


@caught_by(ANY_TEXT)
class StripsValues(KeepsMetadata):
    """As HTTP does with headers."""

    def kept_value(self, value: str) -> str:
        return value.strip()


@caught_by(ANY_TEXT)
class KeepsWhatLatin1Has(KeepsMetadata):
    """As http.client does with headers."""

    def kept_value(self, value: str) -> str:
        return value.encode('latin-1', 'replace').decode('latin-1')


@caught_by(ANY_TEXT)
class DropsEmptyValues(KeepsMetadata):
    def kept_metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in metadata.items() if value}


@caught_by(ANY_TEXT)
class DecodesWhatWasNotEncoded(KeepsMetadata):
    """Sends what is ASCII as it is, also if it looks encoded."""

    def kept_value(self, value: str) -> str:
        return decode_text(value)


@caught_by(ANY_TEXT)
class CutsLongValues(KeepsMetadata):
    """In a column that is too narrow."""

    def kept_value(self, value: str) -> str:
        return value[:255]


@caught_by(ANY_TEXT)
class CutsNamesAtSemicolons(Keeps):
    """Reads a Content-Disposition by splitting it."""

    def kept(self, attributes: Attributes, content: bytes) -> Attributes:
        name = attributes.download_name
        return dataclasses.replace(attributes, download_name=name and name.partition(';')[0])


@caught_by(OF_ITS_OWN)
class MergesAttributes(MemoryBackend):
    """Replaces the bytes, and updates what there is besides."""

    def _put(self, name: str, stream: Source, *, attributes: Attributes = NO_ATTRIBUTES, **options: Any) -> Any:
        if name in self._files:
            attributes = changed(self._stat(name).attributes, attributes.given())
        return super()._put(name, stream, attributes=attributes, **options)


@caught_by(OF_ITS_OWN)
class KeepsAttributesOfRemovedFiles(MemoryBackend):
    """In a table of their own, of which removing a file is not said."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self._removed: dict[str, Attributes] = {}

    def _remove(self, name: str) -> None:
        if name in self._files:
            self._removed[name] = self._stat(name).attributes
        super()._remove(name)

    def _put(self, name: str, stream: Source, *, attributes: Attributes = NO_ATTRIBUTES, **options: Any) -> Any:
        if attributes == NO_ATTRIBUTES:
            attributes = self._removed.pop(name, NO_ATTRIBUTES)
        return super()._put(name, stream, attributes=attributes, **options)


@caught_by(FAILED)
class ChangesAttributesFirst(MemoryBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        if not create and name in self._files:
            info, content = self._files[name]
            self._files[name] = with_attributes(info, attributes), content
        return super()._put(name, stream, create=create, attributes=attributes)


@caught_by(FAILED)
class ChangesAttributesOfWhatIsTaken(MemoryBackend):
    """The condition is for the bytes alone."""

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        try:
            return super()._put(name, stream, create=create, attributes=attributes)
        except fs.FileExists:
            super()._set_attributes(name, attributes.given())
            raise


@caught_by(COPIES)
class CopiesBytesAndType(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        info, content = self._found(name)
        self._put(target, Source(io.BytesIO(content)), create=create, attributes=Attributes(mime=info.given_mime))


@caught_by(COPIES)
class CopiesAttributesOfSmallFiles(MemoryBackend):
    """A large file is copied by parts."""

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        super()._copy(name, target, create=create)
        if self._stat(target).size > CHUNK_BYTES:
            super()._set_attributes(target, {'cache_control': None, 'metadata': None})


@caught_by(COPIES)
class KeepsAttributesOfTheTarget(MemoryBackend):
    def _copy(self, name: str, target: str, *, create: bool) -> None:
        kept = self._files[target][0].attributes.given() if target in self._files else {}
        super()._copy(name, target, create=create)
        super()._set_attributes(target, kept)


@caught_by('test_attributes_are_honored_by_signed_links')
class HidesCachingFromTheStore(HTTPBackend):
    """Keeps it where the store serves nothing from."""

    def _headers_of(self, name: str, attributes: Attributes) -> dict[str, str]:
        headers = super()._headers_of(name, attributes)
        if 'Cache-Control' in headers:
            headers['X-Metadata'] = (
                headers['X-Metadata'].removesuffix('}') + f', "fs-cache": "{headers.pop("Cache-Control")}"}}'
            )
        return headers

    def _info(self, name: str, metadata: Mapping[str, str]) -> fs.FileInfo:
        info = super()._info(name, metadata)
        caching = dict(info.metadata).get('fs-cache')
        own = {key: value for key, value in info.metadata.items() if key != 'fs-cache'}
        return dataclasses.replace(info, cache_control=caching, metadata=own)


@caught_by('test_attributes_are_honored_by_signed_links')
class SavesWhatIsLinkedUnderItsOwnName(HTTPBackend):
    """Each link has a download name, whatever the file has."""

    def _signed_url(self, name: str, *, download_name: str | None, **options: Any) -> str:
        own = quote(name.rpartition('/')[2])
        return super()._signed_url(name, download_name=download_name or own, **options)


class Modest(MemoryBackend):
    capabilities = MemoryBackend.capabilities & ~Capability.ATTRIBUTES


@caught_by(REFUSED)
class DropsAttributesSilently(Modest):
    def require_attributes(self, name: str, attributes: Attributes) -> None:
        pass


@caught_by(REFUSED)
class RefusesAttributesTooLate(Modest):
    """When the bytes are there."""

    def require_attributes(self, name: str, attributes: Attributes) -> None:
        pass

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> Any:
        super()._put(name, stream, create=create)
        super().require_attributes(name, attributes)


@caught_by(REFUSED)
class RefusesMetadataOnly(Modest):
    def require_attributes(self, name: str, attributes: Attributes) -> None:
        if attributes.metadata:
            super().require_attributes(name, attributes)


@caught_by(REFUSED)
class ChangesNothingSilently(Modest):
    def set_attributes(self, filename: str, changes: Mapping[str, Any]) -> None:
        self.stat(filename)


@caught_by(REFUSED)
class ReadsBeforeItRefuses(Modest):
    def _put_translated(self, key: str, reader: Any, **options: Any) -> Any:
        return BaseBackend._put_translated(self, key, io.BytesIO(reader.read()), **options)


@caught_by(ANY_TEXT)
class KeepsMetadataBesideItsOwn(MemoryBackend):
    """In one document, where its own fields win."""

    def _received(self, name: str, stream: Source, attributes: Attributes) -> tuple[fs.FileInfo, bytes]:
        taken = {field.name for field in dataclasses.fields(fs.FileInfo)}
        kept = {key: value for key, value in attributes.metadata.items() if key not in taken}
        return super()._received(name, stream, dataclasses.replace(attributes, metadata=kept))


@caught_by(OF_ITS_OWN)
class ReturnsNoAttributes(MemoryBackend):
    """The result of storing a file is made before its attributes are stored."""

    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> fs.FileInfo:
        info = super()._put(name, stream, create=create, attributes=attributes)
        return dataclasses.replace(with_attributes(info, NO_ATTRIBUTES), mime=info.mime)


@caught_by(OF_ITS_OWN)
class ReturnsTheAttributesOfTheReplacedFile(MemoryBackend):
    def _put(
        self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES
    ) -> fs.FileInfo:
        old = self._files.get(name)
        info = super()._put(name, stream, create=create, attributes=attributes)
        return dataclasses.replace(info, metadata=dict(old[0].metadata)) if old else info
