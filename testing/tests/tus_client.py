"""A client of tus in the process of the application, for the tests of the protocol."""

from __future__ import annotations

import base64
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse


class Tus:
    """A client of the protocol that sends what it is told."""

    def __init__(self, app: Flask, path: str = '/tus/files') -> None:
        self._client, self._path = app.test_client(), path

    def request(self, method: str, url: str, data: bytes | None = None, **headers: Any) -> TestResponse:
        given = {name.replace('_', '-'): str(value) for name, value in headers.items() if value is not None}
        given.setdefault('Tus-Resumable', '1.0.0')
        return self._client.open(url, method=method, data=data, headers=given)

    def create(
        self, size: int | None, filename: str | None = 'a.txt', data: bytes | None = None, **headers: Any
    ) -> TestResponse:
        if filename is not None:
            headers.setdefault('Upload_Metadata', f'filename {b64(filename.encode())}')
        if data is not None:
            headers.setdefault('Content_Type', 'application/offset+octet-stream')
        return self.request('POST', self._path, data, Upload_Length=size, **headers)

    def patch(self, url: str, offset: int | None, data: bytes, **headers: Any) -> TestResponse:
        headers.setdefault('Content_Type', 'application/offset+octet-stream')
        return self.request('PATCH', url, data, Upload_Offset=offset, **headers)

    def head(self, url: str) -> TestResponse:
        return self.request('HEAD', url)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
