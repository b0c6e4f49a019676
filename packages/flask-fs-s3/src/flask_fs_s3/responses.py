"""Responses: which of them are a store's own, which range of an object is in them, and their bodies.

Networks where one has to log in, proxies and plain web servers respond with 200 to anything. Believing them would lose files:
what was stored nowhere would be reported as saved, and the source of a copy that was never made would be removed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError, ResponseParserFactory

from flask_fs.backends import ResponseStream

#: What Amazon documents for the response to each operation: fields, of what is under the first name if there are two.
_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    'CompleteMultipartUpload': (('ETag',),),
    'CopyObject': (('CopyObjectResult', 'ETag'),),
    'CreateMultipartUpload': (('UploadId',),),
    'GetObject': (('ETag',), ('LastModified',), ('ContentLength',)),
    'HeadObject': (('ETag',), ('LastModified',), ('ContentLength',)),
    'ListMultipartUploads': (('IsTruncated',),),
    'ListObjectsV2': (('IsTruncated',),),
    'PutObject': (('ETag',),),
    'UploadPart': (('ETag',),),
    'UploadPartCopy': (('CopyPartResult', 'ETag'),),
}
#: The response is 204 without fields. A store that responds with 200 instead gives the request an ID, as Amazon does.
_WITHOUT_CONTENT = frozenset(('AbortMultipartUpload', 'DeleteObject'))


class ImplausibleResponse(BotoCoreError):
    """A success that no S3 responds with: raised beside botocore's own errors, and translated as they are."""

    fmt = 'the response to {operation} was {what}'


class Superseded(ImplausibleResponse):
    """A store's own response to an object that it did not keep, because another writer's is newer.

    Swift's S3 responds so, with 200 but without an ETag, when the object server says 202: two writers came at one moment.
    """


def check(parsed: dict[str, Any], model: Any, http_response: Any, **_: Any) -> None:
    """Raise unless a success looks like a store's own; for botocore's event ``after-call``."""
    status: int = http_response.status_code
    if status >= 300:
        return
    operation: str = model.name
    for path in _FIELDS.get(operation, ()):
        found: Any = parsed
        for name in path:
            found = found.get(name) if found else None
        if found in (None, ''):
            if 'Body' in parsed:
                parsed['Body'].close()
            is_own = operation == 'PutObject' and 'x-amz-request-id' in http_response.headers
            kind = Superseded if is_own else ImplausibleResponse
            raise kind(operation=operation, what=f'{status} without {path[-1]}')
    if operation in _WITHOUT_CONTENT and status != 204 and 'x-amz-request-id' not in http_response.headers:
        raise ImplausibleResponse(operation=operation, what=f'{status} instead of 204')


def check_redirect(response: tuple[Any, dict[str, Any]] | None, operation: Any, **_: Any) -> None:
    """Raise for a redirect that is not S3's own, to another region; for botocore's event ``needs-retry``.

    botocore would look for that region by a further request, whose redirect makes it look again, without an end.
    """
    if response is None or not 300 <= (status := response[0].status_code) < 400:
        return
    headers = response[0].headers
    if response[1].get('Error', {}).get('Code') in (None, '', str(status)) and 'x-amz-bucket-region' not in headers:
        target = urlsplit(headers.get('Location') or '')
        # Without path and query, which may hold secrets.
        where = f' to {target.scheme}://{target.hostname}' if target.hostname else ''
        raise ImplausibleResponse(operation=operation.name, what=f'{status}{where}')


class Parsers(ResponseParserFactory):
    """botocore's parsers, which raise one kind of error for whatever they cannot parse.

    By themselves they raise what they stumble over, such as the ValueError of a size that is no number.
    """

    def create_parser(self, protocol_name: str) -> Any:
        parser: Any = super().create_parser(protocol_name)
        parse: Callable[..., Any] = parser.parse

        def parse_or_refuse(response: dict[str, Any], shape: Any) -> Any:
            try:
                return parse(response, shape)
            except ResponseParserError:
                raise
            except Exception as error:
                if hasattr(body := response['body'], 'close'):
                    body.close()
                raise ResponseParserError(f'the response cannot be parsed: {error}') from error

        parser.parse = parse_or_refuse
        return parser


def object_size(response: Any) -> int:
    """The length of the whole object, also in a checked response with a range of it, as far as that reports it."""
    total = response.get('ContentRange', '').rpartition('/')[2]
    return int(total if total.isdecimal() else response['ContentLength'])


class BodyStream(ResponseStream):
    """The body of a response.

    :param body: botocore's streaming body; it raises when the response ends before its length.
    """

    def __init__(self, body: Any, length: int) -> None:
        self._body = body
        super().__init__(length)

    def _receive(self, size: int) -> bytes:
        piece: bytes = self._body.read(size)
        return piece

    def _release(self, *, reusable: bool) -> None:
        try:
            if reusable:
                # botocore compares the checksum when more is requested than there is.
                self._body.read(1)
        finally:
            self._body.close()
