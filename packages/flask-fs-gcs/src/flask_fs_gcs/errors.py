"""What Google's libraries raise, as errors of Flask-FS."""

from __future__ import annotations

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]  # no types
from requests.exceptions import InvalidJSONError, RequestException
from urllib3.exceptions import HTTPError

from flask_fs import errors as fs
from flask_fs.backends import kind_of_status

#: All that they raise, and what they let through.
SDK_ERRORS = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, RequestException, HTTPError)


class ImplausibleResponse(GoogleAPIError):
    """A success that Cloud Storage does not respond with: raised beside Google's own errors, and translated as they are."""


def translate(error: BaseException | None, name: str | None) -> tuple[type[fs.FSError], str | None]:
    """The kind of error that means the same, and its reason without URLs: that of an upload lets its bearer write."""
    if isinstance(error, RetryError):
        return translate(error.cause, name)
    if isinstance(error, DefaultCredentialsError):
        return fs.ConfigurationError, f'{error}: set CREDENTIALS, or ANONYMOUS for an emulator'
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return fs.PermissionDenied, f'Google gives no token for these credentials ({type(error).__name__})'
    if isinstance(error, (ImplausibleResponse, InvalidJSONError, InvalidResponse, DataCorruption)):
        return fs.BackendError, f'what responds there is no Cloud Storage: {error}; look at the setting ENDPOINT'
    if not isinstance(error, GoogleAPICallError):
        return fs.Unavailable, f'the store gave no whole response ({type(error).__name__})'
    code, message = int(error.code or 0), ''.join(str(one.get('message', '')) for one in error.errors[:1])
    reason = f'the store responded with {code}' + (f' ({message})' if message else '')
    # The limit of names: https://cloud.google.com/storage/docs/objects#naming.
    if code == 400 and ('hash' in message or len((name or '').encode()) > 1024):
        return fs.ChecksumMismatch if 'hash' in message else fs.InvalidFilename, reason
    return kind_of_status(code), None if code == 404 and 'bucket' not in message else reason
