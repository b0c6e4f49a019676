"""Backends that are each broken in one way: responses at their edges."""

from __future__ import annotations

import dataclasses
import io
import mimetypes
from collections.abc import Callable
from typing import IO, Any, cast
from urllib.parse import urlsplit

from flask import Response, redirect, request, send_file

import flask_fs as fs
from flask_fs.backends import Opened
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.streams import InputStream

from . import caught_by


@caught_by('test_files_are_served_under_an_application_root')
class FindsItsFileByTheURL(MemoryBackend):
    def serve(self, filename: str) -> Any:
        return super().serve(urlsplit(request.url).path.removeprefix('/kit/'))


@caught_by('test_files_are_served_under_an_application_root')
class RedirectsToItself(MemoryBackend):
    """With the tag of the version, for caches."""

    def serve(self, filename: str) -> Any:
        etag = self.stat(filename).etag
        if request.script_root and 'version' not in request.args:
            return redirect(f'/kit/{filename}?version={etag}')
        return super().serve(filename)


@caught_by('test_a_response_without_content_reads_none')
class MeasuresAFileByReadingIt(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        info, stream = self._open(name)
        with stream:
            return dataclasses.replace(info, size=len(stream.read()))


@caught_by('test_a_response_without_content_reads_none')
class LeavesOpenWhatItLookedAt(MemoryBackend):
    def _stat(self, name: str) -> fs.FileInfo:
        return self._open(name).info


@caught_by('test_a_response_without_content_reads_none')
class AnswersHeadByGet(MemoryBackend):
    def serve(self, filename: str) -> Any:
        if request.method != 'HEAD':
            return super().serve(filename)
        info, stream = self._open_translated(self._key(filename))
        with stream:
            response = Response(stream.read(), mimetype=info.mime)
        response.set_etag(info.etag or '')
        return response


@caught_by('test_conditions_hold_for_head_and_ranges_do_not')
class SentByFlask(MemoryBackend):
    """By its send_file(), which answers HEAD as it answers GET."""

    def serve(self, filename: str) -> Any:
        info, content = self._found(self._key(filename))
        return send_file(io.BytesIO(content), info.mime, etag=info.etag or True, last_modified=info.modified)


@caught_by('test_conditions_hold_for_head_and_ranges_do_not')
class HasNoConditionsForHead(MemoryBackend):
    def serve(self, filename: str) -> Any:
        if request.method != 'HEAD':
            return super().serve(filename)
        info = self.stat(filename)
        return Response(mimetype=info.mime, headers={'Content-Length': str(info.size)})


@caught_by('test_an_empty_file_is_served_with_any_range')
class FailsForRangesOfEmptyFiles(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        opened = super()._open(name, start, stop, etag=etag)
        if (start or stop is not None) and not opened.info.size:
            raise self.error(fs.BackendError, name, 'the store responded with 416')
        return opened


@caught_by('test_an_empty_file_is_served_with_any_range')
class ServesEmptyRanges(MemoryBackend):
    def serve(self, filename: str) -> Any:
        info = self.stat(filename)
        if request.range is None or info.size:
            return super().serve(filename)
        return Response(b'', 206, {'Content-Range': f'bytes 0--1/{info.size}'}, mimetype=info.mime)


class OpenedWhenRead(InputStream):
    def __init__(self, open_file: Callable[[], IO[bytes]]) -> None:
        self._open_file: Callable[[], IO[bytes]] | None = open_file
        self._stream: IO[bytes] | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        self._check_open()
        self._stream = self._stream or (self._open_file and self._open_file())
        assert self._stream is not None
        return self._stream.read(-1 if size is None else size)


@caught_by('test_a_length_is_that_of_what_is_sent')
class OpensAFileWhenItIsRead(MemoryBackend):
    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        info, stream = super()._open(name, start, stop, etag=etag)
        stream.close()
        later = OpenedWhenRead(lambda: super(OpensAFileWhenItIsRead, self)._open(name, start, stop).stream)
        return Opened(info, cast('IO[bytes]', later))


@caught_by('test_a_length_is_that_of_what_is_sent')
class SendsTheLengthOfBefore(MemoryBackend):
    def serve(self, filename: str) -> Any:
        info = self.stat(filename)
        response = Response(self.read(filename), mimetype=info.mime)
        response.headers['Content-Length'] = str(info.size)
        return response


@caught_by('test_content_types_are_hardened')
class ServesEverythingAsHTML(MemoryBackend):
    """The default of Flask."""

    def serve(self, filename: str) -> Any:
        return Response(self.read(filename))


@caught_by('test_content_types_are_hardened')
class GuessesTheTypeWhenItServes(MemoryBackend):
    def serve(self, filename: str) -> Any:
        return Response(self.read(filename), mimetype=mimetypes.guess_type(filename)[0] or 'text/plain')
