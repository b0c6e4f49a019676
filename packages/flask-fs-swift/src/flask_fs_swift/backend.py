"""Files in a container of OpenStack Swift."""

from __future__ import annotations

import importlib.util
import io
import secrets
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import IO, Any, cast

from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    FileInfo,
    Folder,
    Opened,
    SignedRequest,
    Source,
    batched,
    changed,
    is_range,
    range_header,
    undone_by,
    window,
)
from flask_fs.errors import Changed, FileNotFound, FileTooLarge, FSError, RangeNotSatisfiable, Replaced
from flask_fs.files import mime_type
from flask_fs.names import INCOMING_PREFIX
from flask_fs.settings import host_of, server_of, setting_names, settings_error, storage_prefix, warn_if_repeated

from . import auth, bulk, cors
from .attributes import CHANGE, PROBE, changed_headers, headers_of
from .client import Client
from .errors import Failure, InvalidResponse, Refused, Unreached
from .joins import Joins, are_slow
from .metadata import FOLDER_MIME, check_object, etag_of, info_from_headers, is_folder
from .segments import Segments
from .settings import MAX_SEGMENT_BYTES, SETTINGS
from .signing import Signer
from .uploads import Uploads

#: After how many seconds the store deletes the probe object, if the process dies before deleting it.
_PROBE_S = 3600


class SwiftBackend(BaseBackend):
    """Stores each file as an object in a container.

    Files larger than ``segment_bytes`` are stored as static large objects. Their segments are in ``segments_container``
    and are deleted with them. A source that is neither a local file nor in memory passes through a temporary file of at
    most ``segment_bytes``, so that its checksum is known before it is sent, and it can be sent again.

    Once a container of segments exists, replacing or deleting a file takes one additional request.

    With ``temp_url_key``, the storage signs URLs. The operator of the cluster or the owner of the account must set the
    same key on the account or the container (``swift post -m "Temp-URL-Key:..."``). If the first write creates the
    container, it also sets the key. A container's key does not work for large files, because their segments are in
    another container. They require the key of the account.

    Creating is best effort: Swift checks whether a name exists (``If-None-Match: *``), but two concurrent writers can
    both find it free, so ATOMIC_CREATE is not declared.
    """

    kind = 'swift'
    capabilities = (
        Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SERVER_COPY
        | Capability.SIGNED_URL
        | Capability.SIGNED_UPLOAD
        | Capability.ATTRIBUTES
    )
    settings = SETTINGS
    errors = (Failure,)
    #: Swift's default limit.
    page_size = 10_000
    batch_size = bulk.BULK_NAMES

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        #: The container that stores the files.
        self.container: str = self.config.get('container') or name
        self._namespace_by_storage('container')
        segments_container = self.config.get('segments_container') or f'{self.container}_segments'
        self._check_settings(segments_container)
        # The path of an account is like /v1/AUTH_account.
        names = setting_names(name, self.kind, 'storage_url')
        warn_if_repeated(self.config.get('storage_url'), self.container, names, start=3)
        if not self.config.get('temp_url_key'):
            self.drop_capability(Capability.SIGNED_URL | Capability.SIGNED_UPLOAD)
        self._client = Client(self.config, self._create_headers)
        self._segments = Segments(self._client, self.container, segments_container)
        self._uploads = Uploads(self._client, self._segments, self.container, self)
        self._joins = Joins(self._client, self._segments, self._uploads, self.container, self)
        self._signer = Signer(self._client, self.config, self.container)

    @property
    def location(self) -> tuple[Hashable, ...]:
        """The account, the container, and the key prefix."""
        return (self.kind, self._account_location, self.container, self._prefix)

    @property
    def reserved_location(self) -> tuple[Hashable, ...]:
        """The container of the segments, which another storage would list as files."""
        return (self.kind, self._account_location, self._segments.container)

    @property
    def _account_location(self) -> Hashable:
        if (url := self.config.get('storage_url')) is not None:
            return server_of(url)
        # With version 1, users are named account:user.
        project = self.config.get('tenant_name') or self.config['user'].partition(':')[0]
        options = tuple(sorted((key, str(value)) for key, value in self.config['os_options'].items()))
        return (server_of(self.config['authurl']), project, self.config.get('region_name'), options)

    def _check_settings(self, segments_container: str) -> None:
        version, problem = self.config['auth_version'], None
        if segments_container == self.container:
            setting = f'{storage_prefix(self.name)}SEGMENTS_CONTAINER'
            problem = f'cannot store segments in the container of the files: set {setting} to another container'
        elif version != '1':
            if not auth.names_project(self.config):
                problem = f'needs {setting_names(self.name, self.kind, "tenant_name")} with AUTH_VERSION {version}'
            elif importlib.util.find_spec(auth.KEYSTONE_LIBRARY) is None:
                problem = f'needs keystoneauth1 for AUTH_VERSION {version}: pip install flask-fs-swift[keystone]'
        if problem:
            raise settings_error(self.name, self.kind, problem)

    def _sweep(self, older_than_s: float) -> int:
        """Remove segments without a file, left by processes that died during an upload, and return their number.

        :param older_than_s: After how many seconds without new segments an upload counts as dead.
        """
        return self._segments.sweep(self._prefix, older_than_s, self.page_size)

    def describe_location(self) -> str:
        host = host_of(self.config.get('storage_url') or self.config.authurl)
        return f'{self.container}/{self._prefix}' + (f' at {host}' if host else '')

    # --- Hooks.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        assert isinstance(error, Failure)
        reason = error.reason
        advice, setting = error.advice, error.setting
        url = 'storage_url' if self.config.get('storage_url') else 'authurl'
        if isinstance(error, Unreached) and (error.is_login or not error.was_connected):
            advice, setting = 'check {}', 'authurl' if error.is_login else url
        elif isinstance(error, Refused) and error.status == 403 and url == 'storage_url':
            advice, setting = "check {}, which must be the URL of the user's account", url
        if advice:
            reason = f'{reason}; {advice.format(setting_names(self.name, self.kind, setting))}'
        return error.kind, reason

    #: The name in 1.0, for backward compatibility.
    translate = BaseBackend.translated

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        is_whole = start == 0 and stop is None
        request = {} if is_whole else {'Range': range_header(start, stop)}
        expected_statuses = [416]
        if etag is not None:
            request['If-Match'] = f'"{etag}"'
            expected_statuses.append(412)
        try:
            response = self._client.request(
                'GET', self.container, name, headers=request, expected_statuses=expected_statuses, stream=True
            )
        except Failure as error:
            if error.kind is FileNotFound and not self._client.exists(self.container):
                raise self.error(FileNotFound, name, f'container {self.container!r} does not exist yet') from error
            raise
        status, headers, stream = response.status, response.headers, cast('IO[bytes]', response.body or io.BytesIO())
        with undone_by(stream.close):
            if status not in (412, 416):
                check_object(headers)
                part, length = headers.get('content-range'), int(headers['content-length'])
                if status == 206 and (is_whole or not is_range(part, length, start, stop)):
                    raise InvalidResponse('the store returned a different range of the file than requested')
            # Not every Swift-compatible store supports If-Match.
            if status == 412 or etag not in (None, etag_of(headers)):
                raise self.error(Replaced, name)
            if status == 416 and start > 0:
                raise self.error(RangeNotSatisfiable, name)
            # Only an empty file has no first or last byte. Not every store then describes the file.
            is_described = status != 416 or (etag_of(headers) and headers.get('content-range') == 'bytes */0')
            info = self._info(name, headers) if is_described else self._stat(name)
            if status == 200 and not is_whole:
                # The store returned the complete file despite the requested range.
                if start > 0 and start >= info.size:
                    raise self.error(RangeNotSatisfiable, name)
                stream = window(stream, max(0, info.size + start) if start < 0 else start, stop)
        return Opened(info, stream)

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        self._check_kept(name, attributes)
        self._uploads.put(name, stream, headers_of(attributes, name), create=create)

    def _stat(self, name: str) -> FileInfo:
        return self._info(name, self._client.head(self.container, name).headers)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        entries = self._client.list(self.container, prefix, self.page_size)
        # Files that clients upload directly can have any type.
        is_incoming = prefix.startswith(f'{self._prefix}{INCOMING_PREFIX}/')
        return (entry.info for entry in entries if is_incoming or entry.is_file)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        # The extra entry shows whether there is another page.
        entries, requested = self._client.page(
            self.container, prefix, '' if after is None else prefix + after, limit + 1, delimiter='/'
        )
        page = entries[:limit]
        is_last = len(entries) <= limit if requested else not entries
        return Folder(
            files=[entry.info for entry in page if entry.is_file],
            folders=[entry.name[:-1] for entry in page if entry.name.endswith('/') and entry.name != prefix],
            next=None if is_last else page[-1].name[len(prefix) :],
        )

    def _remove(self, name: str) -> None:
        segments = self._segments.of(name)
        bulk.remove(self._client, self.container, (name,))
        self._segments.remove(segments)

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, FSError | None]:
        segments = self._segments.of_names(names, self.page_size)
        failures = bulk.remove_each(self._client, self.container, names)
        self._segments.discard(each for name in names if name not in failures for each in segments[name])
        return {name: self.translated(failure, name) for name, failure in failures.items()}

    def _delete(self, name: str) -> None:
        self._remove(name)
        # Also remove objects that mark folders.
        below = self._client.list(self.container, f'{name}/', self.page_size)
        for batch in batched((entry for entry in below if entry.is_reachable), bulk.BULK_NAMES):
            segments = self._segments.of_all(batch)
            bulk.remove(self._client, self.container, (entry.name for entry in batch))
            self._segments.remove(segments)

    def _copy(self, name: str, target: str, *, create: bool) -> None:
        headers = {}
        if mime_type(name) != mime_type(target) and self._stat(name).given_mime is None:
            headers['content-type'] = mime_type(target)
        self._uploads.copy(name, target, headers, create=create)

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        self._check_kept(name, changed(NO_ATTRIBUTES, changes))
        headers = self._client.head(self.container, name, newest=True).headers
        self._info(name, headers)
        etag, change = etag_of(headers), secrets.token_hex(8)
        sent = {**changed_headers(headers, name, changes), CHANGE: f'{etag}/{change}'}
        self._client.request('POST', self.container, name, headers=sent)
        # Swift has no conditions for POST, so read the headers again to detect a concurrent writer.
        found = self._client.head(self.container, name, newest=True).headers
        if found.get(CHANGE) != sent[CHANGE]:
            raise self.error(Replaced, name)
        if etag_of(found) != etag:
            reason = 'it was replaced while its attributes were changed, and now has those of the previous file'
            raise self.error(Changed, name, reason)

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        return self._signer.link(name, expires_s=expires_s, method=method, download_name=download_name)

    def _signed_upload(
        self,
        name: str,
        *,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int,
    ) -> SignedRequest:
        digest = self._signer.form_digest()
        if digest is None:
            reason = 'the cluster does not support forms (formpost) or bulk deletion'
            self.drop_capability(Capability.SIGNED_UPLOAD, reason)
            raise self.unsupported(None, reason)
        if size is None:
            raise self.unsupported(None, 'Swift keeps incomplete form uploads, so the size must be known')
        if size > MAX_SEGMENT_BYTES:
            reason = f'the store accepts at most {MAX_SEGMENT_BYTES} bytes in one request; upload the file in pieces'
            raise self.error(FileTooLarge, None, reason)
        # The signature might be verified with the key of the container.
        self._client.ensure(self.container)
        return self._signer.form(name, digest=digest, size=size, mime=mime, expires_s=expires_s)

    def _join(self, pieces: Sequence[FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        has_checksum = len(pieces) == 1 and Capability.SIGNED_UPLOAD not in self.capabilities
        if has_checksum or are_slow(pieces):
            super()._join(pieces, target, create=create, attributes=attributes)
            return
        self._check_kept(target, attributes)
        self._joins.join(pieces, target, headers_of(attributes, target), create=create)

    def _allow_origins(self, origins: Sequence[str], *, dry_run: bool) -> str:
        if Capability.SIGNED_UPLOAD not in self.capabilities:
            return super()._allow_origins(origins, dry_run=dry_run)
        return cors.allow_origins(self._client, self.container, origins, dry_run=dry_run)

    # --- Inside.

    def _create_headers(self, container: str) -> Mapping[str, str] | None:
        """The headers for creating *container* if a write needs it; None if it must not be created."""
        if not self.config['create_container'] or container not in (self.container, self._segments.container):
            return None
        key = self.config.get('temp_url_key') if container == self.container else None
        return {'X-Container-Meta-Temp-URL-Key': key} if key else {}

    def _check_kept(self, name: str, attributes: Attributes) -> None:
        """Refuse *attributes* that the store would drop.

        :raises OperationNotSupported: If the store drops some of them.
        """
        if not attributes.given().keys() - {'mime'}:
            return
        account = self._client.account
        if account.keeps_attributes is None:
            account.keeps_attributes = self._keeps(PROBE)
        if not account.keeps_attributes:
            self.drop_capability(Capability.ATTRIBUTES, 'the store does not keep all headers of a file')
            self.require_attributes(name, attributes)

    def _keeps(self, attributes: Attributes) -> bool:
        """Whether the store keeps *attributes*, tested with an object that marks a folder, so that it is not listed."""
        name, headers = f'{self._prefix}fs-{secrets.token_hex(16)}', headers_of(attributes, '')
        sent = {**headers, 'content-type': FOLDER_MIME, 'x-delete-after': str(_PROBE_S)}
        self._client.put(self.container, name, b'', sent)
        try:
            found = self._client.head(self.container, name, newest=True).headers
        finally:
            bulk.remove(self._client, self.container, (name,))
        return all(found.get(header) == headers[header] for header in headers.keys() - {'content-type'})

    def _info(self, name: str, headers: Mapping[str, str]) -> FileInfo:
        if is_folder(headers):
            raise self.error(FileNotFound, name, 'it only marks a folder')
        return info_from_headers(name, headers, self.config['checksum'])
