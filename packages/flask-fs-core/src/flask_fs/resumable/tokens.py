"""The URLs of resumable uploads. They contain all information, so nothing is stored for an upload without content."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Flask

from .. import signing
from ..tickets import Upload

_PURPOSE = 'flask-fs.tus'


class Resumable(NamedTuple):
    """The information in the URL of an upload.

    :param filename: The full name of the future file; empty for a part that is later concatenated.
    :param upload_id: The ID under which its bytes are received.
    :param size: Its size in bytes.
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
        """The same upload in the form that can be accepted."""
        return Upload(self.storage, self.filename, self.upload_id, expires=self.created, size=self.size)


def token_of(app: Flask, resumable: Resumable, user: str | None) -> str:
    """The last part of the URL of *resumable*, valid only for *user* if one is given.

    :raises ConfigurationError: If *app* has no ``SECRET_KEY``.
    """
    return signing.dumps(app, _PURPOSE, list(resumable), user)


def resumable_of(app: Flask, token: str, user: str | None) -> Resumable | None:
    """The upload whose URL ends with *token*; None if the token was altered, isn't from *app*, or isn't for *user*."""
    fields: Any = signing.loads(app, _PURPOSE, token, user)
    return None if fields is None else Resumable(*fields)
