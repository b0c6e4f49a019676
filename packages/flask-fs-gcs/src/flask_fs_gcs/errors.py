"""Translates the errors of Google's libraries into errors of Flask-FS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]  # no types
from requests.exceptions import InvalidJSONError, RequestException
from urllib3.exceptions import HTTPError

from flask_fs import errors as fs
from flask_fs.backends import kind_of_status

#: All errors that the libraries raise, and those that they do not catch.
SDK_ERRORS = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, RequestException, HTTPError)


class ImplausibleResponse(GoogleAPIError):
    """A successful response that cannot come from Cloud Storage. Raised and translated like Google's own errors."""


def translate(error: Any, name: str | None, names_of: Callable[[str], str]) -> tuple[type[fs.FSError], str | None]:
    """The corresponding error, and its reason without URLs, because an upload URL grants write access.

    :param names_of: Returns the names of a setting.
    """
    if isinstance(error, RetryError):
        return translate(error.cause, name, names_of)
    credentials = names_of('credentials')
    if isinstance(error, DefaultCredentialsError):
        return fs.ConfigurationError, f'{error} Set {credentials}, or for an emulator {names_of("anonymous")}'
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return fs.PermissionDenied, f'Google rejects these credentials ({type(error).__name__}): check {credentials}'
    if isinstance(error, (ImplausibleResponse, InvalidJSONError, InvalidResponse, DataCorruption)):
        return fs.BackendError, f'the endpoint is not Cloud Storage: {error}; check {names_of("endpoint")}'
    if not isinstance(error, GoogleAPICallError):
        reason = f'the store sent no response or an incomplete one ({type(error).__name__})'
        return fs.Unavailable, f'{reason}: check the network and {names_of("endpoint")}'
    code, message = int(error.code or 0), ''.join(str(one.get('message', '')) for one in error.errors[:1])
    reason = f'the store responded with {code}' + (f' ({message})' if message else '')
    # The length limit of names: https://cloud.google.com/storage/docs/objects#naming.
    if code == 400 and ('hash' in message or len((name or '').encode()) > 1024):
        return fs.ChecksumMismatch if 'hash' in message else fs.InvalidFilename, reason
    # For uploads, the library has the response in its own message only.
    if code == 404 and 'bucket does not exist' in str(error):
        reason = message = f'the bucket does not exist: create it, or check {names_of("create_bucket")}'
    return kind_of_status(code), None if code == 404 and 'bucket' not in message else reason
