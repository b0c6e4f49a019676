"""The requests of the protocol."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import abort, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.wrappers import Response

from .. import names
from ..announcing import AnnouncedUpload, authorized_name, current_user
from ..backends.contract import ByteReader
from ..backends.incoming import new_id
from ..backends.sources import SPOOL_BYTES, Spool
from ..bindings import current_application
from ..errors import (
    FileExists,
    FileTooLarge,
    InvalidFilename,
    OperationNotSupported,
    Unavailable,
    UploadNotAllowed,
)
from ..media_types import UNKNOWN, normalized
from ..storage import Storage
from ..upload_checks import check_type
from ..verbs.conflicts import Conflict
from . import headers
from .bodies import Body, verified
from .receipts import Receipt, State
from .tokens import Resumable, resumable_of, token_of

#: The endpoint: ``url_for('fs.tus', fs='photos')``.
ENDPOINT = 'fs.tus'
EXTENSIONS = ('creation', 'creation-with-upload', 'expiration', 'termination', 'checksum', 'concatenation')

_REFUSED = (UploadNotAllowed, FileExists, InvalidFilename, OperationNotSupported)
#: How long a client should wait before it tries again, in seconds.
_RETRY_AFTER_S = 3


@dataclass(frozen=True)
class TusRoute:
    """The arguments of :func:`~flask_fs.tus` for one storage."""

    storage: Storage
    authorize: Callable[[AnnouncedUpload], Any]
    user: Callable[[], str | None] | None
    max_bytes: int | None
    conflict: Conflict | None
    expires_s: int
    origins: Collection[str]

    def respond(self, token: str | None) -> Response:
        """The response to the current request.

        :param token: The last part of the URL of an upload.
        """
        try:
            response = self._response(token)
        except Unavailable as error:
            # After any other error response to HEAD, tus-js-client begins a new upload.
            response = _refusal(503 if token is None else 423, error.reason or 'Try again later.')
            response.headers['Retry-After'] = str(_RETRY_AFTER_S)
        except FileTooLarge as error:
            response = _refusal(413, error.reason or 'The file is too large.')
        except _REFUSED as error:
            response = _refusal(422, error.reason or 'The file is not allowed.')
        except HTTPException as error:
            response = error.response or _refusal(error.code or 500, error.description)  # type: ignore[assignment]  # a Response of Werkzeug
        response.headers['Tus-Resumable'] = headers.VERSION
        response.headers.setdefault('Cache-Control', 'no-store')
        return response

    def _response(self, token: str | None) -> Response:
        method = request.headers.get('X-HTTP-Method-Override', request.method).upper()
        if method == 'OPTIONS':
            return self._discovery()
        if request.headers.get('Tus-Resumable') != headers.VERSION:
            abort(_refusal(412, f'Tus-Resumable must be {headers.VERSION}.', {'Tus-Version': headers.VERSION}))
        if token is None:
            return self._created() if method == 'POST' else _not_allowed('POST')
        upload = self._upload_of(token)
        if method == 'HEAD':
            return self._head(upload)
        if method == 'PATCH':
            return self._patched(upload)
        if method == 'DELETE':
            self._receipt(upload).terminate()
            return _empty(204)
        return _not_allowed('HEAD, PATCH, DELETE')

    # --- The requests.

    def _discovery(self) -> Response:
        given = {
            'Tus-Version': headers.VERSION,
            'Tus-Extension': ','.join(EXTENSIONS),
            'Tus-Checksum-Algorithm': ','.join(headers.ALGORITHMS),
        }
        if (most := self._most_bytes()) is not None:
            given['Tus-Max-Size'] = str(most)
        return _empty(204, given)

    def _created(self) -> Response:
        kind, _, urls = request.headers.get('Upload-Concat', '').partition(';')
        if kind not in ('', 'partial', 'final'):
            abort(400, description="Upload-Concat must be 'partial', or 'final;' and the URLs of uploads.")
        if kind == 'final':
            return self._concatenated(urls.split())
        if 'Upload-Defer-Length' in request.headers:
            abort(501, description='Uploads of unknown length are not supported: send Upload-Length.')
        size = headers.number(request, 'Upload-Length')
        upload = self._announced(new_id(), size, is_partial=bool(kind))
        has_body = _has_body()
        with self._body(size) if has_body else contextlib.nullcontext() as body:
            state = self._receipt(upload).begin(body)
        response = self._described(201, upload, state)
        if not has_body:
            del response.headers['Upload-Offset']
        return response

    def _concatenated(self, urls: list[str]) -> Response:
        if 'Upload-Length' in request.headers or _has_body():
            abort(400, description='A final upload must have neither an Upload-Length nor a body.')
        parts = [self._upload_of(url.rpartition('/')[2]) for url in urls]
        if not parts or not all(part.is_partial for part in parts):
            abort(400, description='Upload-Concat must list partial uploads only.')
        # A client that lost the response sends the same request again.
        upload_id = hashlib.sha256(''.join(part.upload_id for part in parts).encode()).hexdigest()[:32]
        upload = self._announced(upload_id, sum(part.size for part in parts))
        state = self._receipt(upload, parts).concatenate()
        return self._described(201, upload, state)

    def _head(self, upload: Resumable) -> Response:
        state = self._receipt(upload).state()
        response = self._described(200, upload, state)
        response.headers['Upload-Length'] = str(upload.size)
        if upload.metadata:
            response.headers['Upload-Metadata'] = upload.metadata
        if upload.is_partial or state.parts:
            response.headers['Upload-Concat'] = state.parts or 'partial'
        return response

    def _patched(self, upload: Resumable) -> Response:
        offset = headers.number(request, 'Upload-Offset')
        if request.mimetype != headers.BODY_TYPE:
            abort(415, description=f'The Content-Type must be {headers.BODY_TYPE}.')
        with contextlib.ExitStack() as stack:
            state = self._receipt(upload).append(offset, lambda left: stack.enter_context(self._body(left)))
        return self._described(204, upload, state)

    # --- Helpers.

    def _receipt(self, upload: Resumable, parts: Sequence[Resumable] = ()) -> Receipt:
        concat = request.headers['Upload-Concat'] if parts else None
        return Receipt(self.storage, upload, self.conflict, self.expires_s, parts, concat)

    def _upload_of(self, token: str) -> Resumable:
        """The upload of a URL that was issued to the current user. Responds with 404 to anyone else."""
        upload = resumable_of(current_application(), token, current_user(self.user))
        if upload is None or upload.storage != self.storage.name:
            abort(404, description='No such upload.')
        return upload

    def _announced(self, upload_id: str, size: int, *, is_partial: bool = False) -> Resumable:
        """A new upload, as the request announces it, if the application allows it."""
        if (most := self._most_bytes()) is not None and size > most:
            abort(413, description=f'At most {most} bytes are allowed.')
        given = request.headers.get('Upload-Metadata', '')
        metadata = headers.metadata(given)
        named = metadata.get('filename') or metadata.get('name')
        mime = normalized(metadata.get('filetype') or metadata.get('type') or UNKNOWN)
        announced = AnnouncedUpload(
            filename=names.clean(named) if named and not is_partial else '',
            size=size,
            mime=None if mime == UNKNOWN else mime,
        )
        name = authorized_name(self.authorize, announced)
        if not is_partial:
            if not name:
                abort(400, description='Upload-Metadata must have a filename.')
            name = self.storage._whole_name(name)
            bound = self.storage._bound()
            check_type(FileStorage(filename=name, content_type=announced.mime), name, self.storage, bound.config)
        return Resumable(self.storage.name, '' if is_partial else name, upload_id, size, int(time.time()), given)

    def _most_bytes(self) -> int | None:
        limits = (self.max_bytes, self.storage._bound().config.get('max_bytes'))
        return min((limit for limit in limits if limit is not None), default=None)

    @contextlib.contextmanager
    def _body(self, left: int) -> Generator[ByteReader]:
        checksum, body = headers.checksum(request), Body(request, left)
        if checksum is None:
            yield body
            return
        with Spool(SPOOL_BYTES) as spool:
            yield verified(body, checksum, spool)

    # --- The responses.

    def _described(self, status: int, upload: Resumable, state: State) -> Response:
        response = _empty(status, {'Upload-Offset': str(state.offset)})
        if status == 201:
            token = token_of(current_application(), upload, current_user(self.user))
            # Only the path: the client knows the host, and a proxy in front of this server can have another scheme.
            response.headers['Location'] = url_for(ENDPOINT, fs=self.storage.name, token=token)
            response.autocorrect_location_header = False
        if state.expires is not None:
            response.headers['Upload-Expires'] = http_date(state.expires)
        if state.filename is not None:
            response.headers['Upload-Filename'] = quote(state.filename)
        return response


def _has_body() -> bool:
    if request.mimetype == headers.BODY_TYPE:
        return True
    if request.content_length:
        abort(415, description=f'The Content-Type must be {headers.BODY_TYPE}.')
    return False


def _empty(status: int, given: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, headers=given)


def _refusal(status: int, text: str | None, given: Mapping[str, str] | None = None) -> Response:
    return Response(f'{text or status}\n', status, given, mimetype='text/plain')


def _not_allowed(allowed: str) -> Response:
    return _refusal(405, 'This method is not allowed here.', {'Allow': f'{allowed}, OPTIONS'})
