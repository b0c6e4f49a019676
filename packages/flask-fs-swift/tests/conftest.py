"""A container for each test, on a real Swift, and ways to look behind the backend's back."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import pytest

from flask_fs.backends import BaseBackend
from flask_fs_swift import SwiftBackend
from flask_fs_testing import NetworkHarness
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.servers import SwiftService

TEMP_URL_KEY = 'a very/secret TempURL key'
#: Small, so that more than a page of files is soon written.
PAGE_NAMES = 25
SEGMENT_BYTES = 1_500_000
#: How many names Swift lists in one response, unless fewer are requested.
LISTING_LIMIT = 10_000
#: Reading from a store that says nothing is given up after so long.
TIMEOUT_S = 0.3


class SmallPages(SwiftBackend):
    """Lists by small pages."""

    page_size = PAGE_NAMES


class Raw:
    """Plain HTTP to the account, without the driver."""

    def __init__(self, service: SwiftService) -> None:
        parts = urlsplit(service.auth_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host, self.port = parts.hostname, parts.port
        headers = {'X-Auth-User': service.user, 'X-Auth-Key': service.key}
        _, found, _ = self._send('GET', parts.path, b'', headers)
        self.token = found['x-auth-token']
        self.account = urlsplit(found['x-storage-url']).path

    def request(
        self, method: str, path: str, body: bytes = b'', headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and content of the response to a request for *path* in the account, quoted."""
        return self._send(method, self.account + path, body, {'X-Auth-Token': self.token, **(headers or {})})

    def names(self, container: str) -> list[str]:
        """The names of all objects in a container; none if it is missing."""
        found: list[str] = []
        while True:
            marker = quote(found[-1], safe='') if found else ''
            status, _, content = self.request('GET', f'/{container}?format=json&marker={marker}')
            page = [entry['name'] for entry in json.loads(content)] if status == 200 else []
            found += page
            if len(page) < LISTING_LIMIT:
                return found

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=60)) as connection:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, content


class SwiftHarness(NetworkHarness):
    """A container and its segments."""

    backend_class: ClassVar[type[BaseBackend]] = SmallPages
    page_size = PAGE_NAMES
    part_sizes = (SEGMENT_BYTES, 2 * SEGMENT_BYTES)
    # Creating is best effort there, so the races only show that one wins.
    race_rounds = 4
    known_limits: ClassVar[Mapping[str, str]] = {
        'test_the_download_name_of_a_link_is_signed': 'the signature of TempURL does not cover the name for saving',
        'test_attributes_are_honored_by_signed_links': 'with TempURL the link alone decides between showing and saving',
    }
    #: A piece that is held in memory, and what the client library and the sockets hold.
    memory_ceiling_bytes = 16 * 1024 * 1024
    short_timeouts: ClassVar[Mapping[str, Any]] = {'timeout_s': TIMEOUT_S, 'retries': 1}
    #: What may have had segments is looked at before it goes, for these are to go too.
    max_requests: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(('save', 'create', 'read', 'open', 'exists', 'stat', 'list'), 1),
        'save_large': 7,
        'replace': 2,
        'copy': 2,
        'move': 4,
        'remove': 2,
        'remove_many': 2,
        'delete': 3,
        'folder': 1,
        'accept': 6,
        # Both looks show whether another writer comes in between.
        'set_attributes': 3,
    }
    #: What every response of Swift has: those of a proxy in its place are believed only with it.
    trans_id: ClassVar[Mapping[str, str]] = {'X-Trans-Id': 'tx0'}

    def __init__(self, folder: Path, service: SwiftService, raw: Raw, container: str) -> None:
        super().__init__(folder)
        self.service = service
        self.raw = raw
        self.host, self.port = raw.host, raw.port
        self.container = container
        self.secrets = (service.key, TEMP_URL_KEY, raw.token)
        self.raw.request('PUT', f'/{container}', headers={'X-Container-Meta-Temp-URL-Key': TEMP_URL_KEY})

    def settings(self) -> Mapping[str, Any]:
        return {
            'authurl': self.service.auth_url,
            'user': self.service.user,
            'key': self.service.key,
            'container': self.container,
            'segment_bytes': SEGMENT_BYTES,
            'temp_url_key': TEMP_URL_KEY,
        }

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'container': f'{self.container}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        path = urlsplit(self.service.auth_url).path
        return self.make(authurl=f'http://{endpoint}{path}', **{'retries': 2, **more})

    def make_counted(self, proxy: FaultProxy, **more: Any) -> SwiftBackend:
        """A backend whose requests *proxy* counts, authenticated already, that has seen its container."""
        backend = self.make(authurl=f'{proxy.endpoint}{urlsplit(self.service.auth_url).path}', **more)
        assert isinstance(backend, SwiftBackend)
        backend.write('warm', b'')
        backend.delete('warm')
        return backend

    def put_raw(self, name: str, content: bytes) -> None:
        self.raw.request('PUT', f'/{self.container}/{quote(name)}', content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        self.raw.request('PUT', f'/{self.container}/{quote(name)}', content, {'Content-Encoding': encoding})

    def get_raw(self, name: str) -> bytes:
        status, _, content = self.raw.request('GET', f'/{self.container}/{quote(name)}')
        assert status == 200
        return content

    def names_raw(self) -> list[str]:
        return self.raw.names(self.container) + self.segments()

    def segments(self) -> list[str]:
        """The names of all segments."""
        return self.raw.names(f'{self.container}_segments')

    def headers(self, name: str) -> dict[str, str]:
        """The headers of a file."""
        status, headers, _ = self.raw.request('HEAD', f'/{self.container}/{quote(name)}')
        assert status == 200
        return headers

    def make_room(self) -> None:
        """Remove what is large, which is in segments: all of it would be gigabytes. The rest goes with the server."""
        lines = ''.join(f'/{self.container}_segments/{quote(name)}\n' for name in self.segments())
        if lines:
            self.raw.request('POST', '?bulk-delete', lines.encode(), {'Content-Type': 'text/plain'})


@pytest.fixture(scope='session')
def raw(swift_service: SwiftService) -> Raw:
    return Raw(swift_service)


@pytest.fixture
def swift_harness(tmp_path: Path, swift_service: SwiftService, raw: Raw, fresh_name: str) -> Iterator[SwiftHarness]:
    harness = SwiftHarness(tmp_path, swift_service, raw, fresh_name)
    yield harness
    harness.make_room()


MethodsOf = Callable[[Callable[[], object]], list[str]]


@pytest.fixture
def methods_of(proxy: FaultProxy) -> MethodsOf:
    """Returns the methods of the requests that an action makes through the proxy."""

    def requests_of(action: Callable[[], object]) -> list[str]:
        before = len(proxy.requests)
        action()
        return [request.method for request in proxy.requests[before:]]

    return requests_of


@pytest.fixture
def proxy(swift_harness: SwiftHarness) -> Iterator[FaultProxy]:
    """A proxy in front of Swift, which counts requests and lets things fail."""
    with FaultProxy(swift_harness.host, swift_harness.port) as proxy:
        yield proxy
