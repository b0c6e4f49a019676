"""Backends that are each broken in one way on the network."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import io
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from http_store import HTTPBackend, Reader, Refused

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Opened, Source
from flask_fs.config import Config
from flask_fs.files import mime_type
from flask_fs.names import TEMPORARY_PREFIX

from . import caught_by


@caught_by('test_a_refusal_is_no_absence')
class TakesARefusalForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_refused = isinstance(error, Refused) and error.status == 403
        return self.error(fs.FileNotFound, name) if is_refused else super().translate(error, name)


@caught_by('test_a_store_that_refuses_connections_is_no_absence')
class TakesNoConnectionForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_refused = isinstance(error, ConnectionRefusedError)
        return self.error(fs.FileNotFound, name) if is_refused else super().translate(error, name)


@caught_by('test_a_store_that_does_not_answer_is_no_absence')
class TakesATimeOutForAbsence(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_late = isinstance(error, TimeoutError)
        return self.error(fs.FileNotFound, name) if is_late else super().translate(error, name)


@caught_by('test_a_backend_works_again_when_its_store_does')
class KeepsADeadConnection(HTTPBackend):
    is_dead = False

    def _connection(self) -> http.client.HTTPConnection:
        if self.is_dead:
            raise self.error(fs.Unavailable, reason='the connection is gone')
        return super()._connection()

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        self.is_dead = self.is_dead or isinstance(error, OSError)
        return super().translate(error, name)


@caught_by('test_a_busy_store_is_asked_again')
class NeverTriesAgain(HTTPBackend):
    attempts = 1


@caught_by('test_a_busy_store_is_asked_again')
class RewindsToTheBeginning(HTTPBackend):
    """Sends a source again that the store refused, with what is in front of the position where it stood."""

    def _send(self, name: str, stream: Source, headers: Mapping[str, str]) -> None:
        try:
            super()._send(name, stream, headers)
        except fs.Unavailable:
            if (file := stream.seekable_file) is None:
                raise
            file.seek(0)
            super()._send(name, Source(file), headers)


@caught_by('test_a_busy_store_is_asked_again')
class SendsTheRestAgain(HTTPBackend):
    def _send(self, name: str, stream: Source, headers: Mapping[str, str]) -> None:
        try:
            super()._send(name, stream, headers)
        except fs.Unavailable:
            super()._send(name, stream, headers)


@caught_by('test_an_upload_that_is_cut_leaves_what_was_there')
class TakesACutUploadForStored(HTTPBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        with contextlib.suppress(fs.Unavailable):
            super()._put(name, stream, **options)


@caught_by('test_a_listing_that_fails_midway_is_never_taken_for_whole')
class EndsAtAFailedPage(HTTPBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        first = next(found := super()._scan(prefix), None)
        if first is not None:
            yield first
            with contextlib.suppress(fs.Unavailable):
                yield from found


@caught_by('test_a_listing_that_fails_midway_is_never_taken_for_whole')
class ListsWhatItGot(HTTPBackend):
    def _names(self, prefix: str = '') -> Iterator[str]:
        names: list[str] = []
        try:
            names.extend(super()._names(prefix))
        except fs.Unavailable:
            if not names:
                raise
        return iter(names)


@caught_by('test_a_file_replaced_between_requests_is_read_as_one_version')
class CalculatesTheEnd(HTTPBackend):
    """The store has no suffix ranges, so the size comes from another request."""

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        if start < 0:
            start = max(self._stat(name).size + start, 0)
        return super()._open(name, start, stop, etag=etag)


@caught_by('test_a_file_replaced_between_requests_is_read_as_one_version')
class TakesMetadataFromAnotherRequest(HTTPBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info = self._stat(name)
        return Opened(info, super()._open(name, start, stop, etag=etag).stream)


class TrustingReader(Reader):
    def check_whole(self, count: int, left: int) -> None:
        """Takes the end of the connection for the end of the file."""


@caught_by('test_a_download_that_is_cut_is_never_taken_for_whole')
class GivesShortContent(HTTPBackend):
    reader = TrustingReader


class ContinuingReader(Reader):
    """Requests the rest of a file when the connection ends early, once."""

    continued = False

    def is_same(self, response: http.client.HTTPResponse) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except fs.Unavailable:
            size = int(self._response.headers['Content-Length'])
            self._response.close()
            if self.continued:
                raise
            self.continued = True
            response = self._backend._get(self._name, size - self._left, size)
            if not self.is_same(response):
                response.close()
                raise
            self._response = response
            return super().readinto(buffer)


@caught_by('test_a_download_that_is_cut_is_never_taken_for_whole')
class ContinuesWithAnyVersion(HTTPBackend):
    reader = ContinuingReader


class SizingReader(ContinuingReader):
    def is_same(self, response: http.client.HTTPResponse) -> bool:
        return int(response.headers['Content-Length']) == self._left


@caught_by('test_a_download_that_is_cut_is_never_taken_for_whole')
class ContinuesWithAVersionOfTheSameSize(HTTPBackend):
    reader = SizingReader


@caught_by(
    'test_errors_are_of_flask_fs_with_a_cause_and_without_secrets',
    'test_a_download_that_is_cut_is_never_taken_for_whole',
)
class LeaksErrorsOfHTTPClient(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except (OSError, Refused) as error:
            raise error if isinstance(error, fs.FSError) else self.translate(error, name) from error


@caught_by('test_errors_are_of_flask_fs_with_a_cause_and_without_secrets')
class LeaksErrorsOfTheSystem(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except (http.client.HTTPException, Refused) as error:
            raise self.translate(error, name) from error


@caught_by('test_errors_are_of_flask_fs_with_a_cause_and_without_secrets')
class HidesTheCause(HTTPBackend):
    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            with super()._translated(name):
                yield
        except fs.FSError as error:
            raise error from None


@caught_by('test_an_application_starts_while_its_store_is_down')
class ConnectsAtOnce(HTTPBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        host, _, port = self.config.endpoint.partition(':')
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port))).close()


@caught_by('test_an_application_starts_while_its_store_is_down')
class NeedsItsStoreToStart(HTTPBackend):
    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        if isinstance(config, Config):
            self.exists('x')


@caught_by('test_errors_are_of_flask_fs_with_a_cause_and_without_secrets')
class TellsItsToken(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        kind = type(super().translate(error, name))
        return self.error(kind, name, f'{error} with {self._headers}')


@caught_by('test_an_upload_that_is_cut_leaves_what_was_there')
class OnAStoreThatKeepsCutUploads(HTTPBackend):
    """Right itself."""

    store_flags: ClassVar[tuple[str, ...]] = ('keeps-cut-uploads',)


class Drafting(HTTPBackend):
    """Uploads under a hidden name, and renames: right itself, also on a store that keeps cut uploads."""

    store_flags: ClassVar[tuple[str, ...]] = ('keeps-cut-uploads',)

    def draft_name(self, name: str) -> str:
        return f'{TEMPORARY_PREFIX}{secrets.token_hex(8)}'

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        draft = self.draft_name(name)
        attributes = Attributes(attributes.mime or mime_type(name))
        try:
            super()._put(draft, stream, create=False, attributes=attributes)
            self.publish(draft, name, create)
        except fs.Unavailable:
            # A store that is away removes nothing.
            raise
        except BaseException:
            with contextlib.suppress(fs.FSError):
                self._remove(draft)
            raise

    def publish(self, draft: str, name: str, create: bool) -> None:
        headers = {'Destination': quote(name, safe=''), **({'If-None-Match': '*'} if create else {})}
        try:
            self._ask('MOVE', draft, headers=headers).close()
        except fs.Replaced as error:
            raise self.error(fs.FileExists, name) from error

    def _sweep(self, older_than_s: float) -> int:
        limit = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=older_than_s)
        stale = [info.name for info in self._scan(TEMPORARY_PREFIX) if info.modified and info.modified <= limit]
        for name in stale:
            self._remove(name)
        return len(stale)


@caught_by('test_an_upload_that_is_cut_leaves_what_was_there')
class SweepsNothing(Drafting):
    def _sweep(self, older_than_s: float) -> int:
        return 0


@caught_by('test_an_upload_that_is_cut_leaves_what_was_there')
class ShowsItsDrafts(Drafting):
    def draft_name(self, name: str) -> str:
        return f'{name}.part'


@caught_by('test_a_refusal_is_no_absence')
class ListsNothingWhenRefused(HTTPBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        with contextlib.suppress(fs.PermissionDenied):
            yield from super()._scan(prefix)


@caught_by('test_a_store_that_refuses_connections_is_no_absence')
class RemovesNothingQuietly(HTTPBackend):
    def _remove(self, name: str) -> None:
        with contextlib.suppress(fs.Unavailable):
            super()._remove(name)


@caught_by('test_a_store_that_does_not_answer_is_no_absence')
class HasNoWordForATimeOut(HTTPBackend):
    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        is_late = isinstance(error, TimeoutError)
        return self.error(fs.BackendError, name, str(error)) if is_late else super().translate(error, name)


@caught_by('test_a_backend_works_again_when_its_store_does')
class StaysAwayFromASilentStore(HTTPBackend):
    """A circuit breaker that nothing closes."""

    is_broken = False

    def _ask_once(self, *args: Any) -> http.client.HTTPResponse:
        if self.is_broken:
            raise TimeoutError
        try:
            return super()._ask_once(*args)
        except TimeoutError:
            self.is_broken = True
            raise


@caught_by('test_a_busy_store_is_asked_again')
class TriesOnlyContentAgain(HTTPBackend):
    def _ask(self, method: str, name: str | None = None, **options: Any) -> http.client.HTTPResponse:
        self.attempts = 2 if method == 'GET' and name else 1  # type: ignore[misc]  # of the class
        return super()._ask(method, name, **options)


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class RemovesBeforeItStores(HTTPBackend):
    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        if not create:
            self._remove(name)
        super()._put(name, stream, create=create, **options)


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class RemovesBeforeItMoves(HTTPBackend):
    def _move(self, name: str, target: str, *, create: bool) -> None:
        content = self.read(name)
        self._remove(name)
        self._put(target, Source(io.BytesIO(content)), create=create)


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class CreatesUnderALock(HTTPBackend):
    """A file beside the one to be created, which a failure leaves."""

    def _put(self, name: str, stream: Source, *, create: bool = False, **options: Any) -> None:
        if create:
            super()._put(f'{name}.lock', Source(io.BytesIO()), create=True)
        super()._put(name, stream, create=create, **options)
        if create:
            self._remove(f'{name}.lock')


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class LeavesItsProbeOpen(HTTPBackend):
    """Looks after each failure whether anything listens."""

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.probes: list[socket.socket] = []

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        host, _, port = self.config.endpoint.partition(':')
        with contextlib.suppress(OSError):
            self.probes.append(socket.create_connection((host, int(port))))
        return super().translate(error, name)


@caught_by('test_a_fault_at_any_request_leaves_a_file_old_or_new')
class TriesAgainWithWhatIsLeft(HTTPBackend):
    """Of a source that can be read once."""

    def _put(self, name: str, stream: Source, **options: Any) -> None:
        try:
            super()._put(name, stream, **options)
        except fs.Unavailable:
            super()._put(name, stream, **options)


@caught_by('test_a_store_that_refuses_connections_is_no_absence')
class RemovesManyAsWellAsItCan(HTTPBackend):
    """Reports only what the store refuses."""

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        failures = super()._remove_many(names)
        return {name: error for name, error in failures.items() if not isinstance(error, fs.Unavailable)}


@caught_by('test_a_refusal_is_no_absence')
class TakesARefusedSwapForAnotherVersion(HTTPBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        try:
            super()._swap(name, stream, etag, attributes=attributes)
        except fs.PermissionDenied as error:
            raise self.error(fs.Changed, name) from error


@caught_by('test_a_refusal_is_no_absence')
class TakesARefusedChangeForAMissingFile(HTTPBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        try:
            super()._set_attributes(name, changes)
        except fs.PermissionDenied as error:
            raise self.error(fs.FileNotFound, name) from error


@caught_by('test_errors_are_of_flask_fs_with_a_cause_and_without_secrets')
class TellsItsTokenWhenItChangesAttributes(HTTPBackend):
    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        try:
            super()._set_attributes(name, changes)
        except (fs.Unavailable, fs.PermissionDenied) as error:
            raise self.error(type(error), name, f'PATCH with {self._headers} failed') from error.__cause__


@caught_by('test_errors_are_of_flask_fs_with_a_cause_and_without_secrets')
class TellsItsTokenWhenItSwaps(HTTPBackend):
    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        try:
            super()._swap(name, stream, etag, attributes=attributes)
        except fs.Unavailable as error:
            raise self.error(type(error), name, f'PUT with {self._headers} failed') from error.__cause__
