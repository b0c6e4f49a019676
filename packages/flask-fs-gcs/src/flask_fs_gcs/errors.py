"""What Google's libraries raise, as errors of Flask-FS."""

from __future__ import annotations

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]  # no types
from requests.exceptions import InvalidJSONError, RequestException
from urllib3.exceptions import HTTPError

from flask_fs.errors import (
    BackendError,
    ChecksumMismatch,
    ConfigurationError,
    FileNotFound,
    FSError,
    InvalidFilename,
    PermissionDenied,
    Replaced,
    Unavailable,
)

#: All that they raise, and what they let through.
SDK_ERRORS = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, RequestException, HTTPError)
_KINDS = {401: PermissionDenied, 403: PermissionDenied, 404: FileNotFound, 412: Replaced, 501: BackendError}


class ImplausibleResponse(GoogleAPIError):
    """A success that Cloud Storage does not respond with: raised beside Google's own errors, and translated as they are."""


def translate(error: BaseException | None, name: str | None) -> tuple[type[FSError], str | None]:
    """The kind of error that means the same, and its reason without URLs: that of an upload lets its bearer write."""
    if isinstance(error, RetryError):
        return translate(error.cause, name)
    if isinstance(error, DefaultCredentialsError):
        return ConfigurationError, f'{error}: set CREDENTIALS, or ANONYMOUS for an emulator'
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return PermissionDenied, f'Google gives no token for these credentials ({type(error).__name__})'
    if isinstance(error, (ImplausibleResponse, InvalidJSONError, InvalidResponse, DataCorruption)):
        return BackendError, f'what responds there is no Cloud Storage: {error}; look at the setting ENDPOINT'
    if not isinstance(error, GoogleAPICallError):
        return Unavailable, f'the store gave no whole response ({type(error).__name__})'
    code, message = int(error.code or 0), ''.join(str(one.get('message', '')) for one in error.errors[:1])
    reason = f'the store responded with {code}' + (f' ({message})' if message else '')
    # The limit of names: https://cloud.google.com/storage/docs/objects#naming.
    if code == 400 and ('hash' in message or len((name or '').encode()) > 1024):
        return ChecksumMismatch if 'hash' in message else InvalidFilename, reason
    if code in _KINDS:
        return _KINDS[code], None if code == 404 and 'bucket' not in message else reason
    return Unavailable if code in (408, 409, 425, 429) or code >= 500 else BackendError, reason
