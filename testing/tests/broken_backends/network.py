"""Backends that are each broken in one way on the network."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from http_store import HTTPBackend, Reader, Refused

import flask_fs as fs
from flask_fs.backends import Source
from flask_fs.config import Config

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


@caught_by('test_an_upload_that_is_cut_leaves_what_was_there')
class TakesACutUploadForStored(HTTPBackend):
    def _put(self, name: str, stream: Source, **options: Any) -> None:
        with contextlib.suppress(fs.Unavailable):
            super()._put(name, stream, **options)


class TrustingReader(Reader):
    def check_whole(self, count: int, left: int) -> None:
        """Takes the end of the connection for the end of the file."""


@caught_by('test_a_download_that_is_cut_is_never_taken_for_whole')
class GivesShortContent(HTTPBackend):
    reader = TrustingReader


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
