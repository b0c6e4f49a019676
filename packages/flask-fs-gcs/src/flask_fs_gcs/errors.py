"""Translates the errors of Google's libraries into errors of Flask-FS."""

from __future__ import annotations

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]  # no types
from requests.exceptions import ConnectTimeout, InvalidJSONError, RequestException, SSLError
from urllib3.exceptions import HTTPError, NewConnectionError

from flask_fs import errors as fs
from flask_fs.backends import kind_of_status

#: All errors that the libraries raise, and those that they do not catch.
SDK_ERRORS = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, RequestException, HTTPError)


class ImplausibleResponse(GoogleAPIError):
    """A successful response that cannot come from Cloud Storage. Raised and translated like Google's own errors."""


def translate(error: BaseException | None, name: str | None, settings: str) -> tuple[type[fs.FSError], str | None]:
    """The corresponding error, and its reason without URLs, because an upload URL grants write access.

    :param settings: The prefix of the storage's settings, such as ``AVATARS_FS_``.
    """
    if isinstance(error, RetryError):
        return translate(error.cause, name, settings)
    if isinstance(error, DefaultCredentialsError):
        return (
            fs.ConfigurationError,
            f'{str(error).rstrip(".")}: set {settings}CREDENTIALS, or {settings}ANONYMOUS for an emulator',
        )
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        cure = f'check {_both(settings, "CREDENTIALS")}'
        return fs.PermissionDenied, f'Google does not accept these credentials ({type(error).__name__}): {cure}'
    if isinstance(error, (ImplausibleResponse, InvalidJSONError, InvalidResponse, DataCorruption)):
        return fs.BackendError, f'the endpoint is not Cloud Storage: {error}; check {_both(settings, "ENDPOINT")}'
    if not isinstance(error, GoogleAPICallError):
        if _is_unconnected(error):
            reason = f'there is no connection to the store ({type(error).__name__})'
            return fs.Unavailable, f'{reason}: check the network, {settings}ENDPOINT, and FS_GCS_ENDPOINT'
        return fs.Unavailable, f'the store sent no response or an incomplete one ({type(error).__name__})'
    code, message = int(error.code or 0), ''.join(str(one.get('message', '')) for one in error.errors[:1])
    reason = f'the store responded with {code}' + (f' ({message})' if message else '')
    # The length limit of names: https://cloud.google.com/storage/docs/objects#naming.
    if code == 400 and ('hash' in message or len((name or '').encode()) > 1024):
        return fs.ChecksumMismatch if 'hash' in message else fs.InvalidFilename, reason
    # For uploads, the library has the response in its own message only.
    if code == 404 and 'bucket does not exist' in str(error):
        reason = message = f'the bucket does not exist: create it, or store a file with {settings}CREATE_BUCKET = True'
    return kind_of_status(code), None if code == 404 and 'bucket' not in message else reason


def _is_unconnected(error: BaseException | None) -> bool:
    """Whether there was no connection, perhaps because the URL is wrong."""
    cause = getattr(error.args[0], 'reason', None) if error is not None and error.args else None
    return isinstance(error, (SSLError, ConnectTimeout)) or isinstance(cause, NewConnectionError)


def _both(settings: str, key: str) -> str:
    """The two names of a setting: for this storage, and for all storages on Google Cloud Storage."""
    return f'{settings}{key} and FS_GCS_{key}'
