"""Uploads that clients announce, and the application's decisions about them."""

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
    """A client's description of a file that it wants to send. Only the name is checked.

    :param filename: The client's name for it, cleaned as by :meth:`~flask_fs.Storage.save`. Empty for a part of a file that
        tus sends in parallel: the complete file is announced again at the end.
    :param size: The size in bytes, or None if the client doesn't know it.
    :param mime: The media type, or None.
    """

    filename: str
    size: int | None
    mime: str | None


def authorized_name(authorize: Callable[[AnnouncedUpload], Any], announced: AnnouncedUpload) -> str:
    """The name for the file, if the application allows the upload; otherwise, send an error or the application's response.

    :raises TypeError: If *authorize* returns anything other than true, false, a name or a response.
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
    """Respond with 400 if the client's data causes a ValueError that isn't an error of Flask-FS."""
    try:
        yield
    except FSError:
        # Some of these are ValueErrors too, and have their own statuses.
        raise
    except ValueError as error:
        abort(400, description=str(error))


def current_user(user: Callable[[], str | None] | None) -> str | None:
    """The identity of the current request's user, if uploads are restricted to users."""
    identity: str | None = None if user is None else current_app.ensure_sync(user)()
    return identity
