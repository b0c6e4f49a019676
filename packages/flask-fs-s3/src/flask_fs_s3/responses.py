"""Responses: checks that they come from an S3 store, the range of an object that they contain, and their bodies.

Captive portals, proxies, and plain web servers respond with 200 to anything. Trusting them would lose files: a file
that was never stored would be reported as saved, and the source of a copy that was never made would be removed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError, ResponseParserFactory

from flask_fs.backends import ResponseStream

#: The fields that Amazon documents for the response to each operation, as paths.
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
#: Operations whose response is 204 without fields. A store that responds with 200 instead must send a request ID.
_WITHOUT_CONTENT = frozenset(('AbortMultipartUpload', 'DeleteObject'))


class ImplausibleResponse(BotoCoreError):
    """A successful response that cannot come from S3. Raised and translated like botocore's own errors."""

    fmt = 'the response to {operation} was {what}'


class Superseded(ImplausibleResponse):
    """The response of a store that did not keep an object, because another writer's object is newer.

    Swift's S3 API responds with 200 but without an ETag if its object server responds with 202, because two writers
    wrote at the same time.
    """


def check(parsed: dict[str, Any], model: Any, http_response: Any, **_: Any) -> None:
    """Raise an error if a successful response cannot come from a store; for botocore's event ``after-call``."""
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
    """Raise an error for a redirect that is not S3's redirect to another region; for botocore's event ``needs-retry``.

    botocore would look up the region with another request, whose redirect would make it look again, endlessly.
    """
    if response is None or not 300 <= (status := response[0].status_code) < 400:
        return
    headers = response[0].headers
    if response[1].get('Error', {}).get('Code') in (None, '', str(status)) and 'x-amz-bucket-region' not in headers:
        target = urlsplit(headers.get('Location') or '')
        # Without path and query, which can contain secrets.
        where = f' to {target.scheme}://{target.hostname}' if target.hostname else ''
        raise ImplausibleResponse(operation=operation.name, what=f'{status}{where}')


class Parsers(ResponseParserFactory):
    """botocore's parsers, with a single type of error for everything that they cannot parse.

    On their own, they raise various errors, such as a ValueError for a size that is not a number.
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
    """The length of the complete object, even if the checked response contains only a range of it."""
    total = response.get('ContentRange', '').rpartition('/')[2]
    return int(total if total.isdecimal() else response['ContentLength'])


class BodyStream(ResponseStream):
    """The body of a response.

    :param body: botocore's streaming body, which raises an error if the response ends early.
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
                # botocore verifies the checksum when it is read past the end.
                self._body.read(1)
        finally:
            self._body.close()
