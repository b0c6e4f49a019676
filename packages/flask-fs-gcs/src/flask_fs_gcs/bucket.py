"""The bucket of one storage: what is needed to send requests for it, and conditions on what is written."""

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

# The number of a call and the status of its response, in one part: between two parts is a line that begins with two hyphens.
_PART = re.compile(rb'^Content-ID:.*?(\d+)>?\s*\n(?:(?!--).*\n)*?HTTP/\S+ (\d+)', re.IGNORECASE | re.MULTILINE)


class Bucket(Container):
    """A bucket, reached when it is first needed."""

    def __init__(self, name: str, backend: BaseBackend) -> None:
        self.name, self.config = name, backend.config
        self._settings = storage_prefix(backend.name)
        self._shared_client = client_for(backend.config)
        create = self._create if backend.config.create_bucket else None
        super().__init__(f'bucket {name!r}', backend.error, _is_absence, exists=self._is_there, create=create)

    @property
    def client(self) -> Client:
        """The client of this process."""
        return self._shared_client.get()

    @property
    def sdk(self) -> Any:
        """The library's object for the bucket; nothing is sent."""
        return self.client.sdk.bucket(self.name)

    def find(self, name: str) -> Any:
        """An object with all that the store reports of it."""
        blob = self.sdk.blob(name)
        self.request(name, lambda: blob.reload(**self.client.options))
        return blob

    def list(self, prefix: str, fields: str, **options: Any) -> Any:
        """The library's iterator of what is listed, with *fields* alone; nothing is sent."""
        return self.sdk.list_blobs(prefix=prefix, fields=f'{fields},nextPageToken', **options, **self.client.options)

    def _is_there(self) -> bool:
        try:
            return bool(self.sdk.exists(**self.client.options))
        except Forbidden:
            # Not everyone has the permission.
            return True

    def _create(self) -> None:
        if not self.client.sdk.project:
            reason = f'set {self._settings}PROJECT, where the bucket {self.name!r} is to be created'
            raise self.error(ConfigurationError, None, reason)
        # Another writer may be faster.
        with contextlib.suppress(Conflict):
            self.sdk.create(location=self.config.get('region'), **self.client.options)

    @contextlib.contextmanager
    def replacing(self, name: str, generation: int | None) -> Generator[dict[str, str]]:
        """A ``with`` block that writes an object on condition of *generation*, with the metadata that it is given.

        :param generation: What is to be replaced: 0 is no object, None whatever is there.
        :raises FileExists: If there is one, and is not to be.
        :raises Changed: If it is another one, or gone.
        """
        metadata = {} if generation is None else {WRITER_KEY: secrets.token_hex(8)}
        try:
            yield metadata
        except PreconditionFailed as error:
            found: Any = metadata and self.request(name, lambda: self.sdk.get_blob(name, **self.client.options))
            if not found and not generation:
                raise
            # An earlier attempt may have succeeded, whose response was lost.
            if not found or not metadata.items() <= (found.metadata or {}).items():
                raise self.error(Changed if generation else FileExists, name) from error

    def remove_batch(self, names: Sequence[str]) -> Iterable[str]:
        """Remove objects by one request (https://cloud.google.com/storage/docs/batch).

        :return: Those of which the store does not confirm that they are gone. Of those that were not there, the first one is
            not confirmed either: the bucket itself may be gone.
        """
        boundary = secrets.token_hex(16)
        calls = (
            f'--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n'
            f'DELETE /storage/v1/b/{self.name}/o/{quote(name, safe="")} HTTP/1.1\r\n\r\n\r\n'
            for number, name in enumerate(names)
        )
        body, headers = f'{"".join(calls)}--{boundary}--\r\n', {'Content-Type': f'multipart/mixed; boundary={boundary}'}
        # Some emulators have no batches.
        with self.client.request('POST', '/batch/storage/v1', 200, 404, data=body, headers=headers) as response:
            statuses = dict(_PART.findall(response.content))
        found = {name: statuses.get(b'%d' % number) for number, name in enumerate(names)}
        missing = [name for name, status in found.items() if status == b'404']
        return [name for name, status in found.items() if status not in (b'200', b'204', b'404')] + missing[:1]


def _is_absence(error: Exception) -> bool:
    # Whatever a write does not find is the bucket.
    return isinstance(error, NotFound)
