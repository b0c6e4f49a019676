"""Files in a container of OpenStack Swift."""

from __future__ import annotations

import importlib.util
import io
import time
from collections.abc import Hashable, Iterator, Mapping
from itertools import islice
from typing import IO, Any, ClassVar, cast
from urllib.parse import urlsplit

from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, Capability, FileInfo, Opened, Source, window
from flask_fs.errors import FileNotFound, FSError, RangeNotSatisfiable, Replaced
from flask_fs.files import mime_type
from flask_fs.settings import host_of, server_of, setting_names, settings_error, storage_prefix

from . import keystone, tempurl
from .account import Answer, account_of
from .client import BULK_NAMES, Client
from .facts import etag_of, info_from_headers, info_from_listing, is_file, is_folder, is_reachable
from .failures import kind_of
from .responses import check_object, check_part
from .segments import STALE_S, Segments
from .settings import SETTINGS
from .uploads import Uploads


class SwiftBackend(BaseBackend):
    """Keeps each file as an object of one container.

    Files larger than ``segment_bytes`` are static large objects: their segments lie in ``segments_container`` and go with
    them. Sources that are neither files of this machine nor in memory pass through a temporary file of at most
    ``segment_bytes``, so that whatever is sent is known before, and can be sent again.

    Once there is a container of segments, replacing and deleting a file look at it first, which is one request more.

    With ``temp_url_key`` the store signs links. Whoever runs the cluster or the account sets the same key on the account
    or the container (``swift post -m "Temp-URL-Key:..."``); on a container that the first write makes, it is set by it. A
    container's key opens no large files, as their segments are in another container: that takes the account's.

    Creating is best effort: Swift looks whether a name is taken (``If-None-Match: *``), but two writers at the same
    moment may both find it free, so ATOMIC_CREATE is not declared.
    """

    kind = 'swift'
    capabilities = (
        Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SERVER_COPY
        | Capability.SIGNED_URL
    )
    settings = SETTINGS
    # How many names one listing asks for: Swift's default limit.
    _page_names: ClassVar[int] = 10_000

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        given = self.config
        #: The container of the files.
        self.container: str = given.get('container') or name
        self._keep_apart('container')
        place = given.get('segments_container') or f'{self.container}_segments'
        self._check_settings(place)
        if not given.get('temp_url_key'):
            self.capabilities &= ~Capability.SIGNED_URL
        self._account = account_of(given)
        self._client = Client(self._account, given['timeout_s'], self.translate, self._container_headers)
        self._segments = Segments(self._client, self.container, place)
        self._uploads = Uploads(self._client, self._segments, self.container, given, self.error)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The account, the container and the key prefix."""
        given = self.config
        if (url := given.get('storage_url')) is not None:
            account: Hashable = server_of(url)
        else:
            # With version 1, users of one account are account:user.
            project = given.get('tenant_name') or given['user'].partition(':')[0]
            options = tuple(sorted((key, str(value)) for key, value in given['os_options'].items()))
            account = (server_of(given['authurl']), project, given.get('region_name'), options)
        return (self.kind, account, self.container, self._prefix)

    def _check_settings(self, place: str) -> None:
        given = self.config
        problem = None
        if place == self.container:
            problem = f'cannot keep segments among the files: {storage_prefix(self.name)}SEGMENTS_CONTAINER must be another container'
        elif given['auth_version'] != '1':
            if not keystone.names_project(given):
                names = setting_names(self.name, self.kind, 'tenant_name')
                problem = f'needs {names} with AUTH_VERSION {given["auth_version"]}'
            elif importlib.util.find_spec(keystone.LIBRARY) is None:
                problem = (
                    f'needs keystoneauth1 for AUTH_VERSION {given["auth_version"]}: '
                    'pip install flask-fs-swift[keystone]'
                )
        if problem:
            raise settings_error(self.name, self.kind, problem)

    def sweep(self, *, older_than_s: float = STALE_S) -> int:
        """Remove segments that no file names, left by processes that died in an upload; the number of those removed.

        :param older_than_s: How long nothing was added to an upload that counts as dead, in seconds.
        """
        return self._segments.sweep(self._prefix, older_than_s, self._page_names)

    def describe_location(self) -> str:
        host = host_of(self.config.get('storage_url') or self.config.authurl)
        return f'{self.container}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Hooks.

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        whole = start == 0 and stop is None
        last = '' if stop is None else stop - 1
        range_ = None if whole else f'bytes={start}' if start < 0 else f'bytes={start}-{last}'
        answer = self._got(name, range_, etag)
        if answer.status == 416:
            _stream(answer).close()
            # Only an empty file has no first byte; not every store says its length then.
            if start > 0:
                raise self.error(RangeNotSatisfiable, name)
            return Opened(self._stat(name), io.BytesIO())
        info, stream = self._info(name, answer.headers), _stream(answer)
        if not whole and answer.status == 200:
            # 200 is the whole file, whatever was requested.
            if start >= max(info.size, 1):
                stream.close()
                raise self.error(RangeNotSatisfiable, name)
            stream = window(stream, max(0, info.size + start) if start < 0 else start, stop)
        return Opened(info, stream)

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        self._uploads.put(name, stream, attributes.mime or mime_type(name), create=create)

    def _stat(self, name: str) -> FileInfo:
        return self._info(name, self._client.head(self.container, name).headers)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return map(info_from_listing, filter(is_file, self._client.listed(self.container, prefix, self._page_names)))

    def _remove(self, name: str) -> None:
        segments = self._segments.of(name)
        self._client.remove(self.container, (name,), about=name)
        self._segments.remove(segments, about=name)

    def _delete(self, name: str) -> None:
        self._remove(name)
        # Marks of folders go too.
        below = filter(is_reachable, self._client.listed(self.container, f'{name}/', self._page_names))
        while batch := list(islice(below, BULK_NAMES)):
            segments = self._segments.of_all(batch)
            self._client.remove(self.container, (entry.name for entry in batch), about=name)
            self._segments.remove(segments, about=name)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        headers = {}
        if mime_type(name) != mime_type(target) and self._stat(name).given_mime is None:
            headers['Content-Type'] = mime_type(target)
        self._uploads.copy(name, target, headers, create=create)

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        address = urlsplit(self._client.address(name))
        return tempurl.signed(
            self.config.get('public_endpoint') or f'{address.scheme}://{address.netloc}',
            f'{address.path}/{self.container}/{name}',
            key=self.config['temp_url_key'],
            digest=self.config['temp_url_digest'],
            method=method,
            expires=int(time.time()) + expires_s,
            download_name=download_name,
        )

    # --- Inside.

    def _container_headers(self, container: str) -> Mapping[str, str] | None:
        """The headers with which *container* is made if it is missing at a write; None if it is not to be made."""
        if not self.config['create_container'] or container not in (self.container, self._segments.place):
            return None
        key = self.config.get('temp_url_key') if container == self.container else None
        return {'X-Container-Meta-Temp-URL-Key': key} if key else {}

    def translate(self, error: Exception, name: str | None) -> FSError:
        """The error that an application sees for *error*, about the file *name*."""
        kind, reason = kind_of(error, self.name)
        return self.error(kind, name, reason)

    def _info(self, name: str, headers: Mapping[str, str]) -> FileInfo:
        if is_folder(headers):
            raise self.error(FileNotFound, name, 'it only marks a folder')
        return info_from_headers(name, headers, self.config['checksum'])

    def _got(self, name: str, range_: str | None = None, etag: str | None = None) -> Answer:
        """The answer to a GET, which has no body if the range lies beyond the end of the file.

        :raises Replaced: If the file is another version than *etag*.
        """
        headers = {} if range_ is None else {'Range': range_}
        if etag is not None:
            headers['If-Match'] = f'"{etag}"'
        passing = (416,) if etag is None else (412, 416)
        try:
            answer = self._client.ask('GET', self.container, name, headers=headers, passing=passing, stream=True)
        except FileNotFound as error:
            if self._client.is_there(self.container):
                raise
            reason = f'there is no container {self.container!r} yet'
            raise self.error(FileNotFound, name, reason) from error.__cause__
        try:
            self._check(name, answer, range_, etag)
        except BaseException:
            _stream(answer).close()
            raise
        return answer

    def _check(self, name: str, answer: Answer, range_: str | None, etag: str | None) -> None:
        if answer.status == 412:
            raise self.error(Replaced, name)
        if answer.status != 416:
            with self._client.translated(name):
                check_object(answer.headers)
                if answer.status == 206:
                    check_part(range_ or '', answer.headers)
            # Not every store that speaks Swift's protocol heeds If-Match.
            if etag not in (None, etag_of(answer.headers)):
                raise self.error(Replaced, name)
        if is_folder(answer.headers):
            raise self.error(FileNotFound, name, 'it only marks a folder')


def _stream(answer: Answer) -> IO[bytes]:
    return io.BytesIO() if answer.body is None else cast('IO[bytes]', answer.body)
