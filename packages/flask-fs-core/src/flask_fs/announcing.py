"""What clients say about files that they want to send, and what the application decides about that."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from flask import abort, current_app
from werkzeug.wrappers import Response

from .errors import FSError


@dataclass(frozen=True, slots=True)
class AnnouncedUpload:
    """What a client says about a file that it wants to send. Nothing of it is checked but the name.

    :param filename: The client's name for it, cleaned as by :meth:`~flask_fs.Storage.save`. Empty for a part of a file that is
        sent in parallel by tus: the whole file is announced again at its end.
    :param size: In bytes; None if the client does not know.
    :param mime: The media type, or None.
    """

    filename: str
    size: int | None
    mime: str | None


def authorized_name(authorize: Callable[[AnnouncedUpload], Any], announced: AnnouncedUpload) -> str:
    """The name that the file is to have, if the application allows the upload; else responds as that says.

    :raises TypeError: If *authorize* returns something else than true, false, a name or a response.
    """
    verdict = current_app.ensure_sync(authorize)(announced)
    if isinstance(verdict, Response):
        abort(verdict)
    if isinstance(verdict, str) and verdict:
        return verdict
    if isinstance(verdict, tuple) or inspect.isawaitable(verdict):
        kind = type(verdict).__name__
        raise TypeError(f"'authorize' returned {kind}: return True, False, the name of the file or a response")
    if not verdict:
        abort(403, description='This upload is not allowed.')
    return announced.filename


@contextlib.contextmanager
def malformed_is_400() -> Generator[None]:
    """Respond with 400 to what a client has sent if it raises a ValueError that is no error of Flask-FS."""
    try:
        yield
    except FSError:
        # Some of these are ValueErrors too, and have statuses of their own.
        raise
    except ValueError as error:
        abort(400, description=str(error))


def current_user(user: Callable[[], str | None] | None) -> str | None:
    """What identifies the user of the current request, if uploads are for one user each."""
    identity: str | None = None if user is None else current_app.ensure_sync(user)()
    return identity
