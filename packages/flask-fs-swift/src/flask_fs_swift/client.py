"""Authenticated requests for containers and objects, with retries."""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask_fs.backends import Presence, shared_client

from .auth import Access, Login
from .errors import BUSY, ContainerGone, DotSegment, Failure, InvalidResponse, NoContainer, Refused, Superseded
from .metadata import Entry, check_object, check_origin, etag_of, has_dot_segment, listing
from .pieces import Piece
from .pool import Pool, Request, Response
from .settings import AccountSettings

T = TypeVar('T')

#: How many times longer to wait for data while Swift copies, or checks a thousand segments.
SLOW = 10
#: The delay before the second attempt. It doubles with each attempt.
FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0


class Account:
    """A Swift account: its token and connections, shared by all backends of this process with the same settings."""

    def __init__(self, config: Mapping[str, Any], access: Access | None = None) -> None:
        self._config = config
        self.login = Login(config, access)
        self.pool = Pool(config)
        #: Whether the cluster supports bulk deletion; None if unknown.
        self.bulk_deletes: bool | None = None
        #: Whether the cluster keeps all attributes of files; None if unknown.
        self.keeps_attributes: bool | None = None
        #: The response of ``/info``; None if it was not requested yet.
        self._info: bytes | None = None

    def inherit(self) -> Account:
        """The account for a forked child process, with the same token but its own connections."""
        child = Account(self._config, self.login.known)
        child.bulk_deletes, child.keeps_attributes, child._info = self.bulk_deletes, self.keeps_attributes, self._info
        return child

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.pool.close()

    def url(self) -> str:
        """The URL of the account, from the settings or from authentication."""
        return str(self._config.get('storage_url') or self._retry(self.login.access)[0].url)

    def info(self) -> bytes:
        """The capabilities of the cluster (``/info``) as JSON, or other content if its operator hides them."""
        if self._info is None:
            url = urlsplit(self.url())
            self._info = self._retry(lambda: self._look(f'{url.scheme}://{url.netloc}'))[0]
        return self._info

    def _look(self, server: str) -> bytes:
        response = self.pool.send(server, Request('GET', '/info', {}), self.login.access().token)
        if response.status in BUSY:
            raise Refused(response.status)
        return response.content if response.status == 200 else b''

    def request(self, request: Request, *, stream: bool = False) -> Response:
        """The response, if it is successful or *request* expects its status.

        :param stream: Whether the caller reads and closes the body.
        :raises Failure: For any other response, or none.
        """
        response, may_have_applied = self._retry(lambda: self._attempt(request, stream))
        return response._replace(may_have_applied=may_have_applied)

    def _attempt(self, request: Request, stream: bool) -> Response:
        access = self.login.access()
        response = self._send(request, access, stream)
        if response.status == 401:
            # The token expired or was revoked. This does not count as an attempt.
            response = self._send(request, self.login.renewed(access), stream)
        try:
            check_origin(response.status, response.headers)
        except InvalidResponse:
            if response.body is not None:
                response.body.close()
            raise
        if 200 <= response.status < 300 or response.status in request.expected_statuses:
            return response
        raise Refused(response.status, response.content)

    def _send(self, request: Request, access: Access, stream: bool) -> Response:
        return self.pool.send(self._config.get('storage_url') or access.url, request, access.token, stream=stream)

    def _retry(self, attempt: Callable[[], T]) -> tuple[T, bool]:
        """The result of *attempt*, retried after temporary failures, and whether a failed one may have been applied."""
        left, delay, may_have_applied = self._config['retries'], FIRST_DELAY_S, False
        while True:
            try:
                return attempt(), may_have_applied
            except Failure as failure:
                may_have_applied = failure.may_have_applied = failure.may_have_applied or may_have_applied
                if not (left and failure.is_temporary):
                    raise
            left -= 1
            time.sleep(delay)
            delay = min(delay * 2, MAX_DELAY_S)


class Client:
    """Sends the requests of one backend.

    :param create_headers: Returns the headers for creating a container if a write needs it; None if it must not be
        created.
    """

    def __init__(self, config: Mapping[str, Any], create_headers: Callable[[str], Mapping[str, str] | None]) -> None:
        settings = AccountSettings(config)
        self._account = shared_client(Account, settings, close=Account.close, inherit=Account.inherit)
        self._slow_s: float = config['timeout_s'] * SLOW
        self._create_headers = create_headers
        self._presence: dict[str, Presence] = collections.defaultdict(Presence)

    @property
    def account(self) -> Account:
        """The account in this process."""
        return self._account.get()

    def was_seen(self, container: str) -> bool:
        """Whether a request to the container has ever succeeded."""
        return self._presence[container].seen_at is not None

    def request(
        self,
        method: str,
        container: str,
        name: str = '',
        *,
        query: str = '',
        headers: Mapping[str, str] | None = None,
        body: bytes | Piece = b'',
        expected_statuses: Collection[int] = (),
        is_slow: bool = False,
        stream: bool = False,
    ) -> Response:
        """The response to a request for a container, or for the object *name* in it.

        :param expected_statuses: Statuses that are not errors.
        :param stream: Whether the caller reads and closes the body.
        :raises ContainerGone: If the object is missing because the container, which existed before, is missing.
        """
        path = path_of(container, name) if container else ''
        timeout_s = self._slow_s if is_slow else None
        request = Request(method, path + query, headers or {}, body, timeout_s, expected_statuses)
        presence = self._presence[container]
        seen_at = presence.seen_at
        try:
            response = self.account.request(request, stream=stream)
        except Refused as error:
            if error.status == 404 and name and presence.is_gone(seen_at, functools.partial(self._exists, container)):
                raise ContainerGone(container) from error
            raise
        if 200 <= response.status < 300:
            presence.mark_seen()
        return response

    def _exists(self, container: str) -> bool:
        return self.request('HEAD', container, expected_statuses=(404,)).status != 404

    def exists(self, container: str) -> bool:
        """Whether a container exists. Requests this only until it has existed once."""
        return self.was_seen(container) or self._exists(container)

    def ensure(self, container: str) -> None:
        """Create a container if it does not exist and the settings allow it."""
        headers = self._create_headers(container)
        if headers is not None and not self.exists(container):
            self.request('PUT', container, headers=headers)

    def put(
        self,
        container: str,
        name: str,
        body: bytes | Piece,
        headers: Mapping[str, str],
        *,
        query: str = '',
        expected_statuses: Collection[int] = (),
    ) -> Response:
        """Store an object, and return the response, which has its ETag. A missing container is created.

        A container that existed before is not recreated, because its files are lost.
        """

        def write() -> Response:
            was_seen = self.was_seen(container)
            response = self.request(
                'PUT', container, name, query=query, headers=headers, body=body,
                expected_statuses={*expected_statuses, 404}, is_slow=bool(query),
            )  # fmt: skip
            if response.status == 404:
                raise ContainerGone(container) if was_seen else NoContainer(container)
            return response

        response = self._write(container, write, lambda error: isinstance(error, NoContainer))
        if response.status < 300 and not etag_of(response.headers):
            raise InvalidResponse('the store did not confirm the upload: its response has no ETag')
        return response

    def _write(self, container: str, write: Callable[[], T], is_missing: Callable[[Exception], bool]) -> T:
        headers = self._create_headers(container)
        return self._presence[container].write(
            write,
            lambda: self.request('PUT', container, headers=headers),
            lambda error: headers is not None and is_missing(error),
        )

    def copy(
        self,
        container: str,
        name: str,
        to: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        expected_statuses: Collection[int] = (),
    ) -> Response:
        """Copy an object inside the store (Swift's COPY), and return the response. A large object becomes a single one.

        :param etag: The version to copy, in which case only its bytes are copied and not its headers.
        :raises Superseded: If the object or one of its segments is no longer that version.
        """
        headers = {**(headers or {}), 'Destination': path_of(to, target)}
        expected_statuses = {*expected_statuses}
        if etag is not None:
            headers |= {'If-Match': f'"{etag}"', 'X-Fresh-Metadata': 'true'}
            expected_statuses |= {409, 412}
        copy = functools.partial(
            self.request, 'COPY', container, name, headers=headers, expected_statuses=expected_statuses, is_slow=True
        )
        if to == container:
            response = copy()
        else:
            response = self._write(to, copy, lambda error: isinstance(error, Refused) and error.status == 404)
        if etag is not None and response.status in (409, 412):
            raise Superseded
        if response.status in expected_statuses or etag_of(response.headers):
            return response
        # Ceph's gateway starts its response before a large copy is complete, so the response cannot report the result.
        source, copied = self.head(container, name), self.head(to, target)
        if source.headers['content-length'] != copied.headers['content-length']:
            raise InvalidResponse('the copy that the store made differs in length from the file')
        return copied

    def head(
        self, container: str, name: str, *, newest: bool = False, expected_statuses: Collection[int] = ()
    ) -> Response:
        """The response to a HEAD request for an object.

        :param newest: Whether to check all replicas instead of one, which can be out of date.
        """
        headers = {'X-Newest': 'true'} if newest else {}
        response = self.request('HEAD', container, name, headers=headers, expected_statuses=expected_statuses)
        if response.status < 300:
            check_object(response.headers)
        return response

    def list(self, container: str, prefix: str, limit: int) -> Iterator[Entry]:
        """The entries of all objects whose name begins with *prefix*, sorted by name, requested in pages of *limit*."""
        marker = ''
        while True:
            entries, limit = self.page(container, prefix, marker, limit)
            yield from entries
            if not entries or len(entries) < limit:
                return
            marker = entries[-1].name

    def page(
        self, container: str, prefix: str, marker: str, limit: int, *, delimiter: str = ''
    ) -> tuple[Sequence[Entry], int]:
        """The entries after *marker* of objects whose name begins with *prefix*, at most *limit*; and the limit used.

        The limit is 0 if the cluster allows fewer entries. Pages then have any size, and an empty page is the last.

        :param delimiter: If given, names that contain it after the prefix are grouped into one entry that ends with it.
        """
        query = f'?format=json&prefix={quote(prefix, safe="")}&marker={quote(marker, safe="")}'
        query += f'&delimiter={quote(delimiter, safe="")}' if delimiter else ''
        was_seen = self.was_seen(container)
        while True:
            response = self.request(
                'GET', container, query=f'{query}&limit={limit}' if limit else query,
                headers={'Accept': 'application/json'}, expected_statuses=(404, 412),
            )  # fmt: skip
            if response.status != 412 or not limit:
                break
            limit = 0
        if response.status == 404 and was_seen:
            raise ContainerGone(container)
        if response.status in (204, 404):
            return [], limit
        if response.status != 200:
            raise InvalidResponse(f'the store responded with status {response.status} to a listing of the container')
        return listing(response.content, prefix, marker, delimiter), limit


def path_of(container: str, name: str = '') -> str:
    """The quoted path of a container, or of an object in it, within the account.

    :raises DotSegment: If a part of it is ``.`` or ``..``, which HTTP clients would resolve.
    """
    path = f'/{container}/{name}' if name else f'/{container}'
    if has_dot_segment(path):
        raise DotSegment(path)
    return quote(path)
