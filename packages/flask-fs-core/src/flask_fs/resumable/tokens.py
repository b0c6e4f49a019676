"""The URLs of resumable uploads, which say all that is known of them: nothing is stored for one of which nothing has arrived."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Flask

from .. import signing
from ..tickets import Upload

_PURPOSE = 'flask-fs.tus'


class Resumable(NamedTuple):
    """What the URL of an upload says.

    :param filename: The whole name that the file is to have; empty for a part of a file, which another upload concatenates.
    :param upload_id: Where its bytes arrive.
    :param size: Its length in bytes.
    :param created: When it was created, in whole seconds since the epoch.
    :param metadata: Upload-Metadata as the client sent it.
    """

    storage: str
    filename: str
    upload_id: str
    size: int
    created: int
    metadata: str = ''

    @property
    def is_partial(self) -> bool:
        """Whether it is a part of a file."""
        return not self.filename

    @property
    def upload(self) -> Upload:
        """The same as what is accepted like any other upload."""
        return Upload(self.storage, self.filename, self.upload_id, expires=self.created, size=self.size)


def token_of(app: Flask, resumable: Resumable, user: str | None) -> str:
    """What the URL of *resumable* ends with; for *user* alone if one is given.

    :raises ConfigurationError: If *app* has no ``SECRET_KEY``.
    """
    return signing.dumps(app, _PURPOSE, list(resumable), user)


def resumable_of(app: Flask, token: str, user: str | None) -> Resumable | None:
    """The upload whose URL ends with *token*; None if that was altered, is not from *app*, or is not for *user*."""
    fields: Any = signing.loads(app, _PURPOSE, token, user)
    return None if fields is None else Resumable(*fields)
