"""The bucket of one storage: requests for it, and conditional writes."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Generator, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from google.api_core.exceptions import Conflict, Forbidden, NotFound, PreconditionFailed

from flask_fs.backends import WRITER_KEY, BaseBackend, Container
from flask_fs.errors import Changed, ConfigurationError, FileExists
from flask_fs.settings import storage_prefix

from .client import Client, client_for

# The number of a call and the status of its response, in one part. Lines that begin with two hyphens separate parts.
_PART = re.compile(rb'^Content-ID:.*?(\d+)>?\s*\n(?:(?!--).*\n)*?HTTP/\S+ (\d+)', re.IGNORECASE | re.MULTILINE)


class Bucket(Container):
    """A bucket. Nothing is sent to it before it is needed."""

    def __init__(self, name: str, backend: BaseBackend) -> None:
        self.name, self.config, self._settings = name, backend.config, storage_prefix(backend.name)
        self._shared_client = client_for(backend.config)
        create = self._create if backend.config.create_bucket else None
        super().__init__(f'bucket {name!r}', backend.error, _is_absence, exists=self._is_there, create=create)

    @property
    def client(self) -> Client:
        """The client of this process."""
        return self._shared_client.get()

    @property
    def sdk(self) -> Any:
        """The library's object for the bucket. This sends no request."""
        return self.client.sdk.bucket(self.name)

    def find(self, name: str) -> Any:
        """An object, with all metadata that the store reports."""
        blob = self.sdk.blob(name)
        self.request(name, lambda: blob.reload(**self.client.options))
        return blob

    def list(self, prefix: str, fields: str, **options: Any) -> Any:
        """The library's iterator over a listing with only *fields*. Creating it sends no request."""
        return self.sdk.list_blobs(prefix=prefix, fields=f'{fields},nextPageToken', **options, **self.client.options)

    def _is_there(self) -> bool:
        try:
            return bool(self.sdk.exists(**self.client.options))
        except Forbidden:
            # This requires a permission that not everyone has.
            return True

    def _create(self) -> None:
        if not self.client.sdk.project:
            reason = f'set {self._settings}PROJECT to the project in which to create the bucket {self.name!r}'
            raise self.error(ConfigurationError, None, reason)
        # Another writer might be faster.
        with contextlib.suppress(Conflict):
            self.sdk.create(location=self.config.get('region'), **self.client.options)

    @contextlib.contextmanager
    def replacing(self, name: str, generation: int | None) -> Generator[dict[str, str]]:
        """A ``with`` block that writes an object under the condition *generation*, with the metadata that it yields.

        :param generation: The generation to replace: 0 for no object, None for any.
        :raises FileExists: If the object must not exist, but does.
        :raises Changed: If the object has another generation or does not exist.
        """
        metadata = {} if generation is None else {WRITER_KEY: secrets.token_hex(8)}
        try:
            yield metadata
        except PreconditionFailed as error:
            found: Any = metadata and self.request(name, lambda: self.sdk.get_blob(name, **self.client.options))
            if not found and not generation:
                raise
            # An earlier attempt, whose response was lost, might have succeeded.
            if not found or not metadata.items() <= (found.metadata or {}).items():
                raise self.error(Changed if generation else FileExists, name) from error

    def remove_batch(self, names: Sequence[str]) -> Iterable[str]:
        """Remove objects in one request (https://cloud.google.com/storage/docs/batch).

        :return: The names that the store does not confirm as removed. Of those that did not exist, the first one counts
            as not confirmed, because the bucket itself might be missing.
        """
        boundary = secrets.token_hex(16)
        calls = (
            f'--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n'
            f'DELETE /storage/v1/b/{self.name}/o/{quote(name, safe="")} HTTP/1.1\r\n\r\n\r\n'
            for number, name in enumerate(names)
        )
        body, headers = f'{"".join(calls)}--{boundary}--\r\n', {'Content-Type': f'multipart/mixed; boundary={boundary}'}
        # Some emulators do not support batches.
        with self.client.request('POST', '/batch/storage/v1', 200, 404, data=body, headers=headers) as response:
            statuses = dict(_PART.findall(response.content))
        found = {name: statuses.get(b'%d' % number) for number, name in enumerate(names)}
        missing = [name for name, status in found.items() if status == b'404']
        return [name for name, status in found.items() if status not in (b'200', b'204', b'404')] + missing[:1]


def _is_absence(error: Exception) -> bool:
    # If a write finds something missing, it is the bucket.
    return isinstance(error, NotFound)
