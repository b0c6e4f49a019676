"""A small object store over HTTP, kept in memory, and a backend for it.

Run as a program it is the store, until its standard input ends. It first writes the port that it listens on.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, ClassVar, NamedTuple, cast
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from signed_links import Policy, allows, signed_query

import flask_fs as fs
from flask_fs.backends import (
    NO_ATTRIBUTES,
    Attributes,
    BaseBackend,
    Capability,
    Folder,
    Opened,
    SignedRequest,
    Source,
    attachment,
    batched,
    changed,
    download_name_of,
)
from flask_fs.backends.streams import chunks_of
from flask_fs.files import mime_type
from flask_fs.settings import Setting, text

#: How many names one response lists.
PAGE = 100
#: The headers that are kept with a file.
ATTRIBUTES = ('Cache-Control', 'Content-Encoding', 'Content-Language', 'Content-Disposition', 'X-Metadata')
#: How long a look behind the scenes waits for requests that are still in progress.
TIMEOUT_S = 10
BUFFER_BYTES = 64 * 1024


class Stored(NamedTuple):
    content: bytes
    mime: str
    modified: str
    sha256: str
    #: Headers that were sent with it, and are sent with it again.
    attributes: Mapping[str, str]

    @property
    def metadata(self) -> dict[str, str]:
        """Sent as headers, and in lists."""
        return {
            'Content-Length': str(len(self.content)),
            'Content-Type': self.mime,
            'Last-Modified': self.modified,
            'ETag': f'"{self.sha256[:32]}"',
            'X-SHA256': self.sha256,
            **self.attributes,
        }


# --- The store.


class CutShort(Exception):
    """The client went away in the middle of an upload."""


class Store(ThreadingHTTPServer):
    """Files in buckets, which need not be made, for whoever has the token.

    :param keeps_cut_uploads: Store what arrived of an upload that was cut, which is wrong.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, token: str, *, keeps_cut_uploads: bool = False) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.token = token
        self.keeps_cut_uploads = keeps_cut_uploads
        self.files: dict[tuple[str, str], Stored] = {}
        self.changed = threading.Condition()
        #: The connections that are open, each with whether it waits for a request.
        self.connections: dict[Any, bool] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            self.connections[request] = False
        super().process_request(request, client_address)

    def wait_for_request(self, request: Any) -> None:
        """Return when a request has begun, or the client is gone."""
        with self.changed:
            self.connections[request] = True
            self.changed.notify_all()
        with contextlib.suppress(ConnectionError):
            # What is only looked at stays readable until the connection counts as busy.
            request.recv(1, socket.MSG_PEEK)
        with self.changed:
            self.connections[request] = False

    def shutdown_request(self, request: Any) -> None:
        with self.changed:
            self.connections.pop(request, None)
            self.changed.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: connections that are cut are what the store is for."""

    def wait_until_quiet(self, connection: Any) -> None:
        """Wait until all connections that came before *connection* have ended, or are idle: clients may keep some for long."""
        with self.changed:
            before = self.connections.keys() - {connection}
            self.changed.wait_for(lambda: not any(map(self._is_busy, before)), TIMEOUT_S)

    def _is_busy(self, connection: Any) -> bool:
        if connection not in self.connections or not self.connections[connection]:
            return connection in self.connections
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            # What has come, or that the client is gone, is not seen by its thread yet.
            return bool(selector.select(0))


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    server: Store

    def handle_one_request(self) -> None:
        self.server.wait_for_request(self.connection)
        super().handle_one_request()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        url = urlsplit(self.path)
        _, self.bucket, *names = url.path.split('/', 2)
        self.name = unquote(names[0]) if names else ''
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        has_token = self.headers['Authorization'] == f'Bearer {self.server.token}'
        if not has_token and not allows(self.server.token, self.query, self.command, url.path, self.headers):
            self.respond(403)
            return False
        return True

    def do_GET(self) -> None:
        if not self.name:
            self.list_bucket()
            return
        stored = self.server.files.get((self.bucket, self.name))
        if stored is None:
            self.respond(404)
        elif self.headers['If-Match'] not in (None, stored.metadata['ETag']):
            self.respond(412)
        elif given := self.headers['Range']:
            first, _, last = given.removeprefix('bytes=').partition('-')
            size = len(stored.content)
            first = first or str(max(0, size - int(last)))
            piece = stored.content[int(first) : int(last) + 1 if last and not given.startswith('bytes=-') else None]
            if piece:
                content_range = f'bytes {first}-{int(first) + len(piece) - 1}/{len(stored.content)}'
                self.respond(
                    206, piece, {**stored.metadata, 'Content-Range': content_range, 'Content-Length': str(len(piece))}
                )
            else:
                self.respond(416)
        else:
            saved_as = quote(self.query.get('download', ''), safe='')
            disposition = {'Content-Disposition': f"attachment; filename*=UTF-8''{saved_as}"} if saved_as else {}
            self.respond(200, stored.content, {**stored.metadata, **disposition})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        pieces: list[bytes] = []
        try:
            pieces.extend(self.body())
        except CutShort:
            self.close_connection = True
            if not self.server.keeps_cut_uploads:
                return
        content = b''.join(pieces)
        if self.headers['X-SHA256'] not in (None, hashlib.sha256(content).hexdigest()):
            self.respond(400)
            return
        stored = Stored(content, '', formatdate(usegmt=True), hashlib.sha256(content).hexdigest(), {})
        with self.server.changed:
            there = self.server.files.get((self.bucket, self.name))
            is_refused = self.headers['If-None-Match'] == '*' and there is not None
            if (etag := self.headers['If-Match']) is not None:
                is_refused = there is None or there.metadata['ETag'] != etag
            if not is_refused:
                self.server.files[self.bucket, self.name] = self.with_attributes(stored)
        self.respond(412 if is_refused else 201)

    def do_JOIN(self) -> None:
        """Make a file of others, of which the body names each with its ETag, as S3 does with parts and GCS by ``compose``."""
        parts = json.loads(b''.join(self.exactly(int(self.headers['Content-Length']))))
        with self.server.changed:
            found = [self.server.files.get((self.bucket, name)) for name, _ in parts]
            if self.headers['If-None-Match'] == '*' and (self.bucket, self.name) in self.server.files:
                status = 412
            elif None in found:
                status = 404
            elif [stored and stored.metadata['ETag'] for stored in found] != [f'"{etag}"' for _, etag in parts]:
                status = 409
            else:
                content, status = b''.join(stored.content for stored in found if stored), 201
                stored = Stored(content, '', formatdate(usegmt=True), hashlib.sha256(content).hexdigest(), {})
                self.server.files[self.bucket, self.name] = self.with_attributes(stored)
        self.respond(status)

    def do_PATCH(self) -> None:
        """Replace all attributes of a file."""
        with self.server.changed:
            if (there := self.server.files.get((self.bucket, self.name))) is not None:
                self.server.files[self.bucket, self.name] = self.with_attributes(there)
        self.respond(404 if there is None else 204)

    def with_attributes(self, stored: Stored) -> Stored:
        """*stored* with those of this request."""
        attributes = {header: value for header in ATTRIBUTES if (value := self.headers[header]) is not None}
        return stored._replace(mime=self.headers['Content-Type'] or '', attributes=attributes)

    def do_POST(self) -> None:
        """Remove files, of which the body names each."""
        names = json.loads(b''.join(self.exactly(int(self.headers['Content-Length']))))
        with self.server.changed:
            for name in names:
                self.server.files.pop((self.bucket, name), None)
        self.respond(204)

    def do_MOVE(self) -> None:
        """Give a file another name (RFC 4918), one that nobody has with ``If-None-Match``."""
        target = unquote(self.headers['Destination'])
        with self.server.changed:
            if self.headers['If-None-Match'] == '*' and (self.bucket, target) in self.server.files:
                status = 412
            elif (stored := self.server.files.pop((self.bucket, self.name), None)) is None:
                status = 404
            else:
                self.server.files[self.bucket, target] = stored
                status = 204
        self.respond(status)

    def do_DELETE(self) -> None:
        """One file, or without a name all of the bucket."""
        with self.server.changed:
            for bucket, name in list(self.server.files):
                if bucket == self.bucket and self.name in ('', name):
                    del self.server.files[bucket, name]
        self.respond(204)

    def list_bucket(self) -> None:
        if 'quiet' in self.query:
            self.server.wait_until_quiet(self.connection)
        prefix, after, limit = self.query.get('prefix', ''), self.query.get('after', ''), PAGE
        with self.server.changed:
            found = sorted(
                (name, stored)
                for (bucket, name), stored in self.server.files.items()
                if bucket == self.bucket and name.startswith(prefix) and name > after
            )
        files = [{'name': name, **stored.metadata} for name, stored in found]
        if delimiter := self.query.get('delimiter'):
            # What is below a folder counts as the folder, which has come if it was the last entry.
            limit, size = int(self.query['limit']), len(prefix)
            entries = {prefix + ''.join(each['name'][size:].partition(delimiter)[:2]): each for each in reversed(files)}
            files = [{**each, 'name': name} for name, each in sorted(entries.items()) if name > after]
        self.respond(200, json.dumps({'files': files[:limit], 'more': len(files) > limit}).encode())

    def body(self) -> Iterator[bytes]:
        """The body as it comes.

        :raises CutShort: If the connection ends before it.
        """
        if self.headers['Transfer-Encoding'] != 'chunked':
            yield from self.exactly(int(self.headers['Content-Length']))
            return
        while size := int(self.line(), 16):
            yield from self.exactly(size)
            self.line()
        self.line()

    def line(self) -> bytes:
        line = self.rfile.readline(BUFFER_BYTES)
        if not line.endswith(b'\n'):
            raise CutShort
        return line

    def exactly(self, size: int) -> Iterator[bytes]:
        while size:
            try:
                piece = self.rfile.read1(min(size, BUFFER_BYTES))
            except ConnectionError:
                piece = b''
            if not piece:
                raise CutShort
            size -= len(piece)
            yield piece

    def respond(self, status: int, content: bytes = b'', headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        if status != 204:
            headers = {'Content-Length': str(len(content)), **(headers or {})}
        # A connection for each request: of all that are open, each is at work.
        for name, value in {**(headers or {}), 'Connection': 'close'}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)


def main(token: str, *flags: str) -> None:
    store = Store(token, keeps_cut_uploads='keeps-cut-uploads' in flags)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    print(store.server_port, flush=True)
    sys.stdin.read()
    # Without waiting for threads whose clients are gone.
    os._exit(0)


# --- The backend.


class Refused(Exception):
    """The store's response is an error."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f'{method} got {status}')
        self.method = method
        self.status = status


class Reader(io.RawIOBase):
    """The bytes of a response, all of which have to come."""

    def __init__(self, backend: HTTPBackend, name: str, response: http.client.HTTPResponse) -> None:
        self._backend = backend
        self._name = name
        self._response = response
        self._left = int(response.headers['Content-Length'])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            return 0
        with self._backend._translated(self._name):
            count = self._response.readinto(memoryview(buffer)[: self._left])
            self.check_whole(count, self._left)
        self._left -= count
        return count

    def check_whole(self, count: int, left: int) -> None:
        """http.client takes a connection that ends early for the end of the file when it is read in pieces."""
        if not count:
            raise http.client.IncompleteRead(b'', left)

    def close(self) -> None:
        self._response.close()
        super().close()


class HTTPBackend(BaseBackend):
    """Files in a bucket of a :class:`Store`."""

    kind = 'http'
    capabilities = (
        Capability.ATOMIC_CREATE
        | Capability.CHECKSUM
        | Capability.MIME
        | Capability.RANGE
        | Capability.NESTED_NAMES
        | Capability.SIGNED_URL
        | Capability.ATTRIBUTES
        | Capability.COMPARE_AND_SWAP
        | Capability.SIGNED_UPLOAD
    )
    settings = (
        Setting('endpoint', text, None, 'Host and port of the store.', required=True),
        Setting('bucket', text, None, 'Where in the store the files are.', required=True),
        Setting('token', text, None, 'What the store requires.', required=True, secret=True),
        Setting('timeout_s', float, 30.0, 'How long the store may keep silent, in seconds.'),
    )
    #: How often a request that can be repeated is sent to a busy store.
    attempts: ClassVar[int] = 2
    reader: ClassVar[type[Reader]] = Reader

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        if self.config.checksum != 'sha256':
            # The store computes no other.
            self.drop_capability(Capability.CHECKSUM)

    def _open(self, name: str, start: int = 0, stop: int | None = None, *, etag: str | None = None) -> Opened:
        try:
            response = self._get(name, start, stop, etag and f'"{etag}"')
        except fs.BackendError as error:
            # RFC 9110 §15.5.17: there is such a file, and nothing of it in this range.
            if not isinstance(error.__cause__, Refused) or error.__cause__.status != 416:
                raise
            if start > 0:
                raise self.error(fs.RangeNotSatisfiable, name) from error
            return Opened(self._stat(name), io.BytesIO())
        metadata = dict(response.headers.items())
        _, _, size = metadata.get('Content-Range', '').partition('/')
        info = self._info(name, {**metadata, 'Content-Length': size} if size else metadata)
        return Opened(info, cast('IO[bytes]', io.BufferedReader(self.reader(self, name, response), BUFFER_BYTES)))

    def _put(self, name: str, stream: Source, *, create: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
        headers = self._headers_of(name, attributes)
        if create:
            self.refuse_early(name, stream)
            headers['If-None-Match'] = '*'
        self._send(name, stream, headers)

    def _swap(self, name: str, stream: Source, etag: str, *, attributes: Attributes = NO_ATTRIBUTES) -> None:
        try:
            self._send(name, stream, {**self._headers_of(name, attributes), 'If-Match': f'"{etag}"'})
        except fs.FileExists as error:
            # The store refuses both conditions alike.
            raise self.error(fs.Changed, name) from error

    def _headers_of(self, name: str, attributes: Attributes) -> dict[str, str]:
        headers = {
            'Content-Type': attributes.mime or mime_type(name),
            'Cache-Control': attributes.cache_control,
            'Content-Encoding': attributes.content_encoding,
            'Content-Language': attributes.content_language,
            'Content-Disposition': attributes.download_name and attachment(attributes.download_name),
            'X-Metadata': json.dumps(dict(attributes.metadata)) if attributes.metadata else None,
        }
        return {header: value for header, value in headers.items() if value}

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        attributes = changed(self._stat(name).attributes, changes)
        self._ask('PATCH', name, headers=self._headers_of(name, attributes)).close()

    def _send(self, name: str, stream: Source, headers: Mapping[str, str]) -> None:
        headers = {**headers, 'Transfer-Encoding': 'chunked'}
        connection = self._connection()
        try:
            with self._translated(name):
                connection.putrequest('PUT', self._path(name))
                for header, value in {**self._headers, **headers}.items():
                    connection.putheader(header, value)
                connection.endheaders()
            # What the source raises is the caller's, and ends the connection before the upload is whole.
            for chunk in chunks_of(stream):
                with self._translated(name):
                    connection.send(b'%x\r\n%b\r\n' % (len(chunk), chunk))
            with self._translated(name):
                connection.send(b'0\r\n\r\n')
                with connection.getresponse() as response:
                    _check('PUT', response)
        finally:
            connection.close()

    def _stat(self, name: str) -> fs.FileInfo:
        with self._ask('HEAD', name) as response:
            return self._info(name, dict(response.headers.items()))

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        after, more = '', True
        while more:
            with self._translated(None), self._ask('GET', query={'prefix': prefix, 'after': after}) as response:
                page = json.loads(response.read())
            for metadata in page['files']:
                after = metadata['name']
                yield self._info(after, metadata)
            more = page['more']

    def _remove(self, name: str) -> None:
        self._ask('DELETE', name).close()

    def _remove_many(self, names: Iterable[str]) -> dict[str, fs.FSError]:
        failures: dict[str, fs.FSError] = {}
        for batch in batched(names, PAGE):
            try:
                self._ask('POST', body=json.dumps(batch).encode()).close()
            except fs.FSError as error:
                failures |= {name: self.error(type(error), name, error.reason) for name in batch}
        return failures

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        query = {'prefix': prefix, 'after': after or '', 'delimiter': '/', 'limit': str(limit)}
        with self._translated(None), self._ask('GET', query=query) as response:
            page = json.loads(response.read())
        entries = [entry['name'] for entry in page['files']]
        files = [self._info(entry['name'], entry) for entry in page['files'] if not entry['name'].endswith('/')]
        folders = [name[:-1] for name in entries if name.endswith('/')]
        return Folder(files, folders, entries[-1] if page['more'] else None)

    def _info(self, name: str, metadata: Mapping[str, str]) -> fs.FileInfo:
        return fs.FileInfo(
            name,
            int(metadata['Content-Length']),
            parsedate_to_datetime(metadata['Last-Modified']),
            metadata['Content-Type'] or mime_type(name),
            f'sha256:{metadata["X-SHA256"]}' if Capability.CHECKSUM in self.capabilities else None,
            metadata['ETag'].strip('"'),
            metadata.get('Content-Encoding'),
            metadata.get('Cache-Control'),
            metadata.get('Content-Language'),
            download_name_of(metadata.get('Content-Disposition')),
            json.loads(metadata.get('X-Metadata', '{}')),
        )

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        policy = self._policy(name, expires_s, method, download_name)
        query = {} if download_name is None else {'download': download_name}
        return f'http://{self.config.endpoint}{self._path(name)}?{signed_query(self.config.token, policy, query)}'

    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        expires = time.time() + expires_s
        return {'path': self._path(name), 'method': method, 'expires': expires, 'download': download_name}

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
        headers = {
            'If-None-Match': '*',
            'Content-Length': None if size is None else str(size),
            'Content-Type': mime,
            'X-SHA256': checksum and checksum.removeprefix('sha256:'),
        }
        signed = {header: value for header, value in headers.items() if value is not None}
        policy = {**self._policy(name, expires_s, 'PUT', None), 'headers': signed, 'max_bytes': max_bytes}
        url = f'http://{self.config.endpoint}{self._path(name)}?{signed_query(self.config.token, policy, {})}'
        # Clients send their own.
        signed.pop('Content-Length', None)
        return SignedRequest('PUT', url, signed)

    def _join(self, pieces: Sequence[fs.FileInfo], target: str, *, create: bool, attributes: Attributes) -> None:
        headers = self._headers_of(target, attributes)
        if create:
            headers['If-None-Match'] = '*'
        body = json.dumps([(piece.name, piece.etag) for piece in pieces]).encode()
        self._ask('JOIN', target, headers=headers, body=body).close()

    # --- The way to the store.

    @property
    def _headers(self) -> dict[str, str]:
        return {'Authorization': f'Bearer {self.config.token}', 'Connection': 'close'}

    def _path(self, name: str | None, query: Mapping[str, str] | None = None) -> str:
        path = f'/{self.config.bucket}' if name is None else f'/{self.config.bucket}/{quote(name, safe="")}'
        return f'{path}?{urlencode(query)}' if query else path

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.config.endpoint, timeout=self.config.timeout_s)

    def _get(self, name: str, start: int, stop: int | None, etag: str | None = None) -> http.client.HTTPResponse:
        headers = {'If-Match': etag} if etag else {}
        if start or stop is not None:
            headers['Range'] = f'bytes={start}' if start < 0 else f'bytes={start}-{"" if stop is None else stop - 1}'
        return self._ask('GET', name, headers=headers)

    def _ask(
        self,
        method: str,
        name: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> http.client.HTTPResponse:
        """The response, to be closed, to a request that may be repeated."""
        with self._translated(name):
            for _ in range(self.attempts - 1):
                try:
                    return self._ask_once(method, self._path(name, query), headers or {}, body)
                except Refused as refused:
                    if refused.status != 503:
                        raise
            return self._ask_once(method, self._path(name, query), headers or {}, body)

    def _ask_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        connection = self._connection()
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            # From here on the response has the connection, which is to be closed.
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        try:
            _check(method, response)
        except BaseException:
            response.close()
            raise
        return response

    @contextlib.contextmanager
    def _translated(self, name: str | None) -> Iterator[None]:
        try:
            yield
        except fs.FSError:
            raise
        except (OSError, http.client.HTTPException, Refused) as error:
            raise self.translate(error, name) from error

    def translate(self, error: Exception, name: str | None) -> fs.FSError:
        """What Flask-FS calls *error*."""
        if not isinstance(error, Refused):
            reason = 'it did not respond in time' if isinstance(error, TimeoutError) else 'the connection failed'
            return self.error(fs.Unavailable, name, reason)
        if error.status == 404:
            return self.error(fs.FileNotFound, name)
        if error.method in ('PUT', 'JOIN') and error.status == 412:
            return self.error(fs.FileExists, name)
        if error.status in (409, 412):
            return self.error(fs.Replaced, name)
        kind = fs.PermissionDenied if error.status in (401, 403) else fs.BackendError
        return self.error(fs.Unavailable if error.status >= 500 else kind, name, str(error))


def _check(method: str, response: http.client.HTTPResponse) -> None:
    if response.status >= 400:
        raise Refused(method, response.status)


if __name__ == '__main__':
    main(*sys.argv[1:])
