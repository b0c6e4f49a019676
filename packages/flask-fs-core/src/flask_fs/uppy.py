"""The requests and responses of ``signRequest`` in ``@uppy/aws-s3`` 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import abort

from .announcing import malformed_is_400
from .backends.contract import SignedRequest

if TYPE_CHECKING:
    from .tickets import Upload
    from .upload_routes import UploadRoute


def signed_request(route: UploadRoute, body: dict[str, Any]) -> dict[str, Any]:
    """The signed request that *body* describes, with the token of the upload as its key.

    Uppy sends ``{method, key, contentType?, uploadId?, partNumber?}``. Once it has a token, the token is the key.
    ``filename`` and ``size`` are optional.
    """
    key: Any = body.get('key')
    method, mime = body['method'], body.get('contentType')
    upload_id, part_number = body.get('uploadId'), body.get('partNumber')
    if not isinstance(method, str):
        abort(400, description='method must be a string.')
    for value, kind in ((upload_id, str), (part_number, int)):
        if value is not None and not isinstance(value, kind):
            abort(400, description='uploadId must be a string, and partNumber a number.')
    if upload_id is not None:
        return _shown(_part(route, route.upload_of(key), method, upload_id, part_number, None), key)
    ticket = route.ticket(body.get('filename') or key, body.get('size'), mime)
    if method == 'PUT':
        return _shown(SignedRequest(ticket.method, ticket.url, ticket.headers, ticket.fields), ticket.token)
    upload = route.upload_of(ticket.token)
    return _shown(_part(route, upload, method, None, None, upload.mime), ticket.token)


def _part(
    route: UploadRoute, upload: Upload, method: str, upload_id: str | None, part_number: int | None, mime: str | None
) -> SignedRequest:
    with malformed_is_400():
        return route.incoming(upload).signed_part(method, upload_id, part_number, mime, route.expires_s)


def _shown(request: SignedRequest, token: str) -> dict[str, Any]:
    shown = {'url': request.url, 'key': token, 'headers': dict(request.headers)}
    # If Uppy gets fields, it sends a form, and reports their key as the key of the file.
    return {**shown, 'fields': {'key': token, **request.fields}} if request.fields else shown
