"""A backend over HTTP passes the whole kit; those broken on the network are caught, by each check one at least."""

from __future__ import annotations

import contextlib
import gc
import http.client
import inspect
import itertools
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import http_store
import pytest
from http_store import HTTPBackend, Reader, Refused

import flask_fs as fs
from flask_fs.backends import BaseBackend, Source
from flask_fs.config import Config
from flask_fs_testing import NetworkConformance, NetworkHarness
from flask_fs_testing.checks.faults import FaultChecks
from flask_fs_testing.guarantees import guarantee_of

# The kit's own proof: once is enough, and on one Python.
pytestmark = pytest.mark.slow

TOKEN = 'a very/secret token'
TIMEOUT_S = 0.3
BUCKETS = itertools.count()


class HTTPHarness(NetworkHarness):
    """A bucket of a store, emptied by :meth:`clear`."""

    backend_class: ClassVar[type[BaseBackend]] = HTTPBackend
    page_size = http_store.PAGE
    timeout_s = 10
    short_timeouts: ClassVar[Mapping[str, Any]] = {'timeout_s': TIMEOUT_S}
    host = '127.0.0.1'
    secrets = (TOKEN,)

    def __init__(self, port: int) -> None:
        self.port = port
        self.bucket = f'bucket-{next(BUCKETS)}'

    def settings(self) -> Mapping[str, Any]:
        return {'endpoint': f'{self.host}:{self.port}', 'bucket': self.bucket, 'token': TOKEN}

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'bucket': f'{self.bucket}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        return self.make(endpoint=endpoint, **{'timeout_s': 30, **more})

    def put_raw(self, name: str, content: bytes) -> None:
        self.request('PUT', f'/{quote(name, safe="")}', content)

    def get_raw(self, name: str) -> bytes:
        return self.request('GET', f'/{quote(name, safe="")}')

    def names_raw(self) -> list[str]:
        # What was cut a moment ago has then been dropped, or kept.
        self.request('GET', '?quiet=yes')
        return sorted(HTTPBackend('raw', self.settings()).list_files())

    def clear(self) -> None:
        self.request('DELETE', '')
        self.request('DELETE', '-missing')

    def request(self, method: str, rest: str, body: bytes | None = None) -> bytes:
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=30)) as connection:
            headers = {'Authorization': f'Bearer {TOKEN}', 'Connection': 'close'}
            connection.request(method, f'/{self.bucket}{rest}', body, headers)
            with connection.getresponse() as response:
                assert response.status < 300
                return response.read()


@contextlib.contextmanager
def store(*flags: str) -> Iterator[int]:
    """The port of a store in a process of its own: what it keeps is not in this one's memory."""
    command = [sys.executable, os.path.abspath(http_store.__file__), TOKEN, *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # Leaving the block closes its standard input, which ends it.
        yield int(process.stdout.readline())


@pytest.fixture(scope='module')
def port() -> Iterator[int]:
    with store() as port:
        yield port


class TestHTTP(NetworkConformance):
    @pytest.fixture
    def harness(self, port: int) -> Iterator[NetworkHarness]:
        harness = HTTPHarness(port)
        yield harness
        harness.clear()


class BytesHarness(HTTPHarness):
    """Seen as a protocol that the proxy does not recognize, as that of a database."""

    http = False


class TestHTTPAsBytes(FaultChecks):
    @pytest.fixture
    def harness(self, port: int) -> Iterator[NetworkHarness]:
        harness = BytesHarness(port)
        yield harness
        harness.clear()


# --- Backends that are each broken in one way.


class TakesARefusalForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_refused = isinstance(error, Refused) and error.status == 403
        return self.error(fs.FileNotFound, name) if is_refused else super().translate(error, name)


class TakesNoConnectionForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_refused = isinstance(error, ConnectionRefusedError)
        return self.error(fs.FileNotFound, name) if is_refused else super().translate(error, name)


class TakesATimeOutForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_late = isinstance(error, TimeoutError)
        return self.error(fs.FileNotFound, name) if is_late else super().translate(error, name)


class KeepsADeadConnection(HTTPBackend):
    is_dead = False

    def _connection(self) -> http.client.HTTPConnection:
        if self.is_dead:
            raise self.error(fs.Unavailable, reason='the connection is gone')
        return super()._connection()

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        self.is_dead = self.is_dead or isinstance(error, OSError)
        return super().translate(error, name)


class NeverTriesAgain(HTTPBackend):
    attempts = 1


class TakesACutUploadForStored(HTTPBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        with contextlib.suppress(fs.Unavailable):
            super()._put(name, stream, **options)


class TrustingReader(Reader):
    def check_whole(self, count: int, left: int) -> None:
        """Takes the end of the connection for the end of the file."""


class GivesShortContent(HTTPBackend):
    reader = TrustingReader


class LeaksErrorsOfHTTPClient(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except (OSError, Refused) as error:
            raise error if isinstance(error, fs.FSError) else self.translate(error, name) from error


class LeaksErrorsOfTheSystem(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except (http.client.HTTPException, Refused) as error:
            raise self.translate(error, name) from error


class HidesTheCause(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            with super()._translated(name):
                yield
        except fs.FSError as error:
            raise error from None


class ConnectsAtOnce(HTTPBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        host, _, port = self.config.endpoint.partition(':')
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port))).close()


class NeedsItsStoreToStart(HTTPBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        if isinstance(config, Config):
            self.exists('x')


class TellsItsToken(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        kind = type(super().translate(error, name))
        return self.error(kind, name, f'{error} with {self._headers}')


class OnAStoreThatKeepsCutUploads(HTTPBackend):
    """Right itself."""


CAUGHT_BY = [
    (TakesARefusalForAbsence, 'test_a_refusal_is_no_absence'),
    (TakesNoConnectionForAbsence, 'test_a_store_that_refuses_connections_is_no_absence'),
    (TakesATimeOutForAbsence, 'test_a_store_that_does_not_answer_is_no_absence'),
    (KeepsADeadConnection, 'test_a_backend_works_again_when_its_store_does'),
    (NeverTriesAgain, 'test_a_busy_store_is_asked_again'),
    (TakesACutUploadForStored, 'test_an_upload_that_is_cut_leaves_what_was_there'),
    (OnAStoreThatKeepsCutUploads, 'test_an_upload_that_is_cut_leaves_what_was_there'),
    (GivesShortContent, 'test_a_download_that_is_cut_is_never_taken_for_whole'),
    (LeaksErrorsOfHTTPClient, 'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets'),
    (LeaksErrorsOfTheSystem, 'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets'),
    (LeaksErrorsOfHTTPClient, 'test_a_download_that_is_cut_is_never_taken_for_whole'),
    (HidesTheCause, 'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets'),
    (ConnectsAtOnce, 'test_an_application_starts_while_its_store_is_down'),
    (NeedsItsStoreToStart, 'test_an_application_starts_while_its_store_is_down'),
    (TellsItsToken, 'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets'),
]


@pytest.mark.parametrize(('backend', 'check'), CAUGHT_BY, ids=lambda value: getattr(value, '__name__', value))
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_a_broken_backend_is_caught(backend: Any, check: str, port: int) -> None:
    bad_store = backend is OnAStoreThatKeepsCutUploads
    harness_class = type(f'{backend.__name__}Harness', (HTTPHarness,), {'backend_class': backend})
    with store('keeps-cut-uploads') if bad_store else contextlib.nullcontext(port) as port, warnings.catch_warnings():
        # What a broken backend leaves open is its own fault.
        warnings.simplefilter('ignore')
        with pytest.raises((pytest.fail.Exception, AssertionError, fs.FSError)):
            getattr(NetworkConformance(), check)(harness_class(port))
        gc.collect()


def test_a_backend_that_waits_for_ever_is_caught(port: int) -> None:
    class WithoutTimeOut(HTTPHarness):
        timeout_s = 1

        short_timeouts: ClassVar[Mapping[str, Any]] = {'timeout_s': 60}

    with pytest.raises(pytest.fail.Exception, match='to give up on a silent store within 1 s'):
        NetworkConformance().test_a_store_that_does_not_answer_is_no_absence(WithoutTimeOut(port))


def test_every_fault_check_catches_a_broken_backend() -> None:
    checks = {name for name, function in inspect.getmembers(FaultChecks) if guarantee_of(function)}
    tests = {name for name in dir(FaultChecks) if name.startswith('test_')}
    assert checks == tests
    assert checks == {check for _, check in CAUGHT_BY}
