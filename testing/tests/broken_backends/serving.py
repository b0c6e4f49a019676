"""Backends that are each broken in one way: serving."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from flask import Response, request

import flask_fs as fs
from flask_fs.backends import Capability, Opened
from flask_fs.backends.http import respond
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_a_served_file_is_one_version')
class ServesTwoVersions(MemoryBackend):
    """Sends the type, length and ETag that it saw before the bytes that it sees now."""

    def serve(self, filename: str) -> Any:
        name = self._key(filename)

        def open_file(start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
            return Opened(self._stat(name), self._open(name, start, stop).stream)

        return respond(lambda: self._stat(name), open_file)


@caught_by('test_a_file_is_served_with_its_facts')
class ServesWithoutValidators(MemoryBackend):
    def serve(self, filename: str) -> Response:
        info, content = self._found(self._key(filename))
        return Response(content, mimetype=info.mime)


@caught_by('test_what_a_client_has_is_not_sent_again', 'test_a_range_is_served')
class ServesWhateverTheClientHas(MemoryBackend):
    def serve(self, filename: str) -> Response:
        info, content = self._found(self._key(filename))
        response = Response(content, mimetype=info.mime)
        response.set_etag(info.etag or '')
        return response


@caught_by('test_a_missing_file_is_404')
class ServesNothingForMissingFiles(MemoryBackend):
    def serve(self, filename: str) -> Any:
        return super().serve(filename) if self._key(filename) in self._files else Response(b'')


@caught_by('test_links_are_signed_by_the_store_or_by_the_application')
class SignsUnasked(MemoryBackend):
    def signed_url(
        self, filename: str, *, expires_s: int = 3600, method: str = 'GET', download_name: str | None = None
    ) -> str:
        return f'https://store.example/{filename}'


@caught_by('test_a_file_is_served_with_its_facts')
class AnswersHeadWithoutALength(MemoryBackend):
    def serve(self, filename: str) -> Any:
        response = super().serve(filename)
        if request.method == 'HEAD':
            del response.headers['Content-Length']
            response.direct_passthrough = False
            response.automatically_set_content_length = False
        return response


@caught_by('test_a_missing_file_is_404')
class ServesAListOfAFolder(MemoryBackend):
    def serve(self, filename: str) -> Any:
        below = list(self.list_files(f'{filename}/'))
        return Response('\n'.join(below)) if below else super().serve(filename)


@caught_by('test_what_a_client_has_is_not_sent_again')
class ChangesItsETags(MemoryBackend):
    """Of two servers behind one address, each counts versions for itself."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._looks = itertools.count()

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        return dataclasses.replace(info, etag=f'{info.etag}-{next(self._looks)}')


@caught_by('test_links_are_signed_by_the_store_or_by_the_application')
class SignsAPath(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        return f'/{name}?signature=0123'
