"""Tickets for uploads: the request that lets a client store one file, and the token to accept it."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import Flask

from . import signing
from .backends.incoming import PIECE_BYTES

#: The query parameter of an upload URL of the application with the offset of a piece in the file.
START = 'start'
#: How long a received upload can be accepted, in seconds. After that it can be swept.
ACCEPT_S = 24 * 60 * 60

_CHECKSUM = re.compile(r'sha256:[0-9a-f]{64}')
_SENDING, _ACCEPTING = 'flask-fs.send-upload', 'flask-fs.accept-upload'


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """The request with which a client sends one file, and the token to accept it. ``flask.jsonify`` converts it to JSON.

    :param method: ``PUT``, with the bytes as the body, or ``POST``, a form (``multipart/form-data``) whose last field,
        named ``file``, is the file.
    :param url: The URL of the request, at the store or the application.
    :param headers: The headers that the request must have.
    :param fields: The other fields of the form, to send before the file.
    :param token: The argument for :meth:`Storage.accept_upload <flask_fs.Storage.accept_upload>`. The client may see it.
    """

    method: str
    url: str
    token: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Upload(NamedTuple):
    """The content of a token: an upload and its requirements.

    :param filename: The full name of the future file in the storage.
    :param upload_id: The ID under which its bytes are received.
    :param expires: The time until which it can be sent, in whole seconds since the epoch.
    """

    storage: str
    filename: str
    upload_id: str
    expires: int
    size: int | None = None
    max_bytes: int | None = None
    mime: str | None = None
    checksum: str | None = None

    def piece_size(self, start: int) -> int:
        """The size in bytes of the piece that begins at byte *start*.

        :raises ValueError: If no piece begins there, or if the size of the file is unknown.
        """
        if self.size is None or start % PIECE_BYTES or not 0 <= start < max(self.size, 1):
            raise ValueError(
                f'a piece must begin at a multiple of {PIECE_BYTES} bytes, in a file whose size is in the ticket'
            )
        return min(PIECE_BYTES, self.size - start)

    @property
    def can_be_sent(self) -> bool:
        """Whether its bytes can still be sent."""
        return time.time() < self.expires

    @property
    def can_be_accepted(self) -> bool:
        """Whether it can still be accepted."""
        return time.time() < self.expires + ACCEPT_S


def check_checksum(checksum: str | None) -> str | None:
    """*checksum* itself, if stores can enforce it.

    :raises ValueError: If it is not ``sha256:`` and 64 hexadecimal digits.
    """
    if checksum is not None and not _CHECKSUM.fullmatch(checksum):
        raise ValueError(f"checksum must be 'sha256:' and 64 hexadecimal digits in lowercase, not {checksum!r}")
    return checksum


def token_of(app: Flask, upload: Upload, user: str | None = None) -> str:
    """The token to accept *upload*, only for *user* if one is given.

    :raises ConfigurationError: If *app* has no ``SECRET_KEY``.
    """
    return signing.dumps(app, _ACCEPTING, list(upload), user)


def upload_of(app: Flask, token: str, user: str | None = None) -> Upload | None:
    """The upload of *token*; None if the token was altered, is not from *app*, or is not for *user*."""
    return _loaded(app, _ACCEPTING, token, user)


def address_of(app: Flask, upload: Upload) -> str:
    """The last part of the URL to which *upload* can be sent. It isn't a token for accepting it."""
    return signing.dumps(app, _SENDING, list(upload))


def upload_at(app: Flask, address: str) -> Upload | None:
    """The upload that can be sent to *address*; None if that was altered, or isn't from *app*."""
    return _loaded(app, _SENDING, address)


def _loaded(app: Flask, purpose: str, text: str, user: str | None = None) -> Upload | None:
    fields: Any = signing.loads(app, purpose, text, user)
    return None if fields is None else Upload(*fields)
