"""What is read of a blob."""

from __future__ import annotations

from typing import Any, cast

from flask_fs.backends import ResponseStream


class BlobStream(ResponseStream):
    """The bytes of a blob, which the library receives by as many requests as there are pieces, all of one version."""

    def __init__(self, downloader: Any) -> None:
        super().__init__(downloader.size)
        self._downloader = downloader

    def _receive(self, size: int) -> bytes:
        return cast('bytes', self._downloader.read(size))

    def _release(self, *, reusable: bool) -> None:
        """No connection is kept between two requests."""
