"""Translates the errors of Google's libraries into errors of Flask-FS."""

from __future__ import annotations

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


def translate(error: BaseException | None, name: str | None) -> tuple[type[fs.FSError], str | None]:
    """The corresponding error, and its reason without URLs, because an upload URL grants write access."""
    if isinstance(error, RetryError):
        return translate(error.cause, name)
    if isinstance(error, DefaultCredentialsError):
        return fs.ConfigurationError, f'{error}: set CREDENTIALS, or ANONYMOUS for an emulator'
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return fs.PermissionDenied, f'Google does not accept these credentials ({type(error).__name__})'
    if isinstance(error, (ImplausibleResponse, InvalidJSONError, InvalidResponse, DataCorruption)):
        return fs.BackendError, f'the endpoint is not Cloud Storage: {error}; check the setting ENDPOINT'
    if not isinstance(error, GoogleAPICallError):
        return fs.Unavailable, f'the store sent no response or an incomplete one ({type(error).__name__})'
    code, message = int(error.code or 0), ''.join(str(one.get('message', '')) for one in error.errors[:1])
    reason = f'the store responded with {code}' + (f' ({message})' if message else '')
    # The length limit of names: https://cloud.google.com/storage/docs/objects#naming.
    if code == 400 and ('hash' in message or len((name or '').encode()) > 1024):
        return fs.ChecksumMismatch if 'hash' in message else fs.InvalidFilename, reason
    return kind_of_status(code), None if code == 404 and 'bucket' not in message else reason
