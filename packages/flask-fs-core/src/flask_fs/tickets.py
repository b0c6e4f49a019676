"""Tickets for uploads: what lets a client store one file, and the token with which the application accepts it."""

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

#: The query parameter of an address of the application that says at which byte of the file a piece begins.
START = 'start'
#: How long an upload that has arrived can be accepted, in seconds; later it may be swept.
ACCEPT_S = 24 * 60 * 60

_CHECKSUM = re.compile(r'sha256:[0-9a-f]{64}')
_SENDING, _ACCEPTING = 'flask-fs.send-upload', 'flask-fs.accept-upload'


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """How a client sends one file, and what it hands in afterwards. ``flask.jsonify`` makes JSON of it.

    :param method: ``PUT``, with the bytes as the body, or ``POST``, a form (``multipart/form-data``) whose last field,
        named ``file``, is the file.
    :param url: Where the request goes to: the store, or the application.
    :param headers: What the request must have.
    :param fields: The other fields of the form, which come before the file.
    :param token: For :meth:`Storage.accept_upload <flask_fs.Storage.accept_upload>`; not a secret from the client.
    """

    method: str
    url: str
    token: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Upload(NamedTuple):
    """What a token says: the upload that it is for, and what that must be.

    :param filename: The whole name that the file is to have in the storage.
    :param upload_id: Where its bytes arrive.
    :param expires: Until when it can be sent, in whole seconds since the epoch.
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
        """How many bytes the piece has that begins at byte *start*.

        :raises ValueError: If none begins there, or if the size of the file is not known.
        """
        if self.size is None or start % PIECE_BYTES or not 0 <= start < max(self.size, 1):
            raise ValueError(
                f'a piece begins at a multiple of {PIECE_BYTES} bytes, in a file whose size the ticket knows'
            )
        return min(PIECE_BYTES, self.size - start)

    @property
    def can_be_sent(self) -> bool:
        """Whether its bytes may still arrive."""
        return time.time() < self.expires

    @property
    def can_be_accepted(self) -> bool:
        """Whether what has arrived can still be accepted."""
        return time.time() < self.expires + ACCEPT_S


def check_checksum(checksum: str | None) -> str | None:
    """*checksum* itself, if it is one that stores can enforce.

    :raises ValueError: If it is not ``sha256:`` and 64 hexadecimal digits.
    """
    if checksum is not None and not _CHECKSUM.fullmatch(checksum):
        raise ValueError(f"checksum must be 'sha256:' and 64 hexadecimal digits in lower case, not {checksum!r}")
    return checksum


def token_of(app: Flask, upload: Upload, user: str | None = None) -> str:
    """The token with which *upload* is accepted, for *user* alone if one is given.

    :raises ConfigurationError: If *app* has no ``SECRET_KEY``.
    """
    return signing.dumps(app, _ACCEPTING, list(upload), user)


def upload_of(app: Flask, token: str, user: str | None = None) -> Upload | None:
    """The upload that *token* accepts; None if it was altered, is not from *app*, or is not for *user*."""
    return _loaded(app, _ACCEPTING, token, user)


def address_of(app: Flask, upload: Upload) -> str:
    """What an URL has at its end to which *upload* can be sent; it accepts nothing."""
    return signing.dumps(app, _SENDING, list(upload))


def upload_at(app: Flask, address: str) -> Upload | None:
    """The upload that can be sent to *address*; None if that was altered, or is not from *app*."""
    return _loaded(app, _SENDING, address)


def _loaded(app: Flask, purpose: str, text: str, user: str | None = None) -> Upload | None:
    fields: Any = signing.loads(app, purpose, text, user)
    return None if fields is None else Upload(*fields)
