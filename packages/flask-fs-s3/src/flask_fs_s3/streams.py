"""What is read from S3 as a file, what is sent to it, and the sources of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_fs.backends import ResponseStream

from .failures import SDK_ERRORS


class BodyStream(ResponseStream):
    """The body of a response.

    :param body: botocore's streaming body; it raises when the response ends before its length.
    :param translate: Makes an error of Flask-FS from one of botocore.
    """

    def __init__(self, body: Any, length: int, translate: Callable[[Exception], Exception]) -> None:
        self._body = body
        self._translate = translate
        super().__init__(length)

    def _receive(self, size: int) -> bytes:
        try:
            piece: bytes = self._body.read(size)
        except SDK_ERRORS as error:
            raise self._translate(error) from error
        return piece

    def _release(self, *, reusable: bool) -> None:
        try:
            if reusable:
                # botocore compares the checksum when more is requested than there is.
                self._body.read(1)
        except SDK_ERRORS as error:
            raise self._translate(error) from error
        finally:
            self._body.close()
