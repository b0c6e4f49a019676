"""The bucket of one storage: requests, conditions on what is written, and what the store reports of objects."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from google.api_core.exceptions import Conflict, Forbidden, NotFound, PreconditionFailed

from flask_fs.backends import BaseBackend, FileInfo, Presence, gone_reason
from flask_fs.errors import Changed, ConfigurationError, FileExists, Unavailable
from flask_fs.files import mime_type
from flask_fs.settings import storage_prefix

from .attributes import CHECKSUM_KEY, WRITER_KEY, attributes_from, attributes_of, metadata_from
from .client import Client, client_for
from .errors import ImplausibleResponse

T = TypeVar('T')


class Bucket:
    """A bucket, reached when it is first needed."""

    def __init__(self, name: str, backend: BaseBackend) -> None:
        self.name = name
        self.config = backend.config
        self.error = backend.error
        self._settings = storage_prefix(backend.name)
        self._presence = Presence()
        self._shared_client = client_for(backend.config)

    @property
    def client(self) -> Client:
        """The client of this process."""
        return self._shared_client.get()

    @property
    def sdk(self) -> Any:
        """The library's object for the bucket; nothing is sent."""
        return self.client.sdk.bucket(self.name)

    def request(self, name: str | None, send: Callable[[], T]) -> T:
        """What *send* returns, about an object or a listing.

        :raises Unavailable: If the bucket was there, and is gone.
        """
        seen_at = self._presence.seen_at
        try:
            response = send()
        except NotFound as error:
            if self._presence.is_gone(seen_at, self._exists):
                raise self.error(Unavailable, name, gone_reason(f'bucket {self.name!r}')) from error
            raise
        self._presence.mark_seen()
        return response

    def find(self, name: str) -> Any:
        """An object with all that the store reports of it."""
        blob = self.sdk.blob(name)
        self.request(name, lambda: blob.reload(**self.client.options))
        return blob

    def _exists(self) -> bool:
        try:
            return bool(self.sdk.exists(**self.client.options))
        except Forbidden:
            # Not everyone has the permission.
            return True

    def write(self, name: str, write: Callable[[], T]) -> T:
        """The result of *write*; where there is no bucket yet, it is created first. One that is gone is not."""
        may_create = self.config.create_bucket
        # Whatever a write does not find is the bucket.
        return self._presence.write(
            lambda: self.request(name, write), self._create, lambda error: may_create and isinstance(error, NotFound)
        )

    def _create(self) -> None:
        if not self.client.sdk.project:
            reason = f'set {self._settings}PROJECT, where the bucket {self.name!r} is to be created'
            raise self.error(ConfigurationError, None, reason)
        # Another writer may be faster.
        with contextlib.suppress(Conflict):
            self.sdk.create(location=self.config.get('region'), **self.client.options)

    def store(
        self, name: str, store: Callable[[dict[str, str], int | None], object], *, generation: int | None
    ) -> None:
        """Call *store* with metadata and with *generation*.

        :param generation: What is to be replaced: 0 is no object, None whatever is there.
        :raises FileExists: If there is one, and is not to be.
        :raises Changed: If it is another one, or gone.
        """
        if generation is None:
            store({}, None)
            return
        writer = secrets.token_hex(8)
        try:
            store({WRITER_KEY: writer}, generation)
        except PreconditionFailed as error:
            try:
                found = self.find(name).metadata or {}
            except NotFound:
                if generation:
                    raise self.error(Changed, name) from error
                raise error from None
            # An earlier attempt may have succeeded, whose response was lost.
            if found.get(WRITER_KEY) != writer:
                raise self.error(Changed if generation else FileExists, name) from error


def info_from_blob(blob: Any) -> FileInfo:
    """The metadata of a file whose object was looked at, or listed."""
    name, checksum = blob.name, (blob.metadata or {}).get(CHECKSUM_KEY)
    if None in (blob.generation, blob.size, blob.updated):
        raise ImplausibleResponse('a description without generation, size or time')
    # Headers have whole seconds.
    modified, mime = blob.updated.replace(microsecond=0), blob.content_type or mime_type(name)
    return FileInfo(name, blob.size, modified, mime, checksum, str(blob.generation), **attributes_of(blob))


def info_from_headers(name: str, headers: Mapping[str, str]) -> tuple[FileInfo, int]:
    """The metadata of a file from a response with its bytes, or some of them, and how many these are."""
    try:
        length = int(headers.get('Content-Length') or headers['X-Goog-Stored-Content-Length'])
        size = int(headers.get('Content-Range', '').rpartition('/')[2] or length)
        modified, generation = parsedate_to_datetime(headers['Last-Modified']), headers['X-Goog-Generation']
    except (KeyError, TypeError, ValueError) as error:
        raise ImplausibleResponse('content without generation, size or time') from error
    mime, metadata = headers.get('Content-Type') or mime_type(name), metadata_from(headers)
    attributes = attributes_from(headers, metadata)
    return FileInfo(name, size, modified, mime, metadata.get(CHECKSUM_KEY), generation, **attributes), length
