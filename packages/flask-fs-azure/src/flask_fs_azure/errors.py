"""Translates the errors of Azure and its library into errors of Flask-FS."""

from __future__ import annotations

from azure.core import exceptions as azure

from flask_fs import errors as fs
from flask_fs.backends import kind_of_status

from .client import ForeignResponse

_BY_CODE: dict[str, type[fs.FSError]] = {
    'BlobAlreadyExists': fs.FileExists,
    'BlobImmutableDueToPolicy': fs.PermissionDenied,
    'InvalidBlockList': fs.Unavailable,
    'InvalidResourceName': fs.InvalidFilename,
    'InvalidUri': fs.InvalidFilename,
    'LeaseIdMissing': fs.PermissionDenied,
    'OutOfRangeInput': fs.InvalidFilename,
}
#: Azure's codes for a wrong key or token. Azurite sends the second one.
_WRONG_CREDENTIAL = ('AuthenticationFailed', 'AuthorizationFailure')


def status_of(error: BaseException) -> int:
    """The HTTP status of the response, or 0."""
    return getattr(error, 'status_code', None) or 0


def code_of(error: BaseException) -> str:
    """Azure's code for an error, such as ``BlobNotFound``; empty if the response has none."""
    response = getattr(error, 'response', None)
    return '' if response is None else str(response.headers.get('x-ms-error-code', ''))


def misses_container(error: BaseException) -> bool:
    """Whether *error* means that the container does not exist."""
    return code_of(error) == 'ContainerNotFound'


def kind_of(error: Exception) -> type[fs.FSError]:
    """The corresponding error of Flask-FS."""
    status = status_of(error)
    if isinstance(error, azure.ClientAuthenticationError) or status in (401, 403):
        return fs.PermissionDenied
    if isinstance(error, ForeignResponse):
        return fs.BackendError
    # Without a status there was no response.
    return _BY_CODE.get(code_of(error)) or (kind_of_status(status) if status else fs.Unavailable)


def reason_for(error: Exception, container: str, name: str | None, settings: str, credential: str | None) -> str | None:
    """What went wrong and how to fix it.

    :param settings: The prefix of the storage's settings, such as ``AVATARS_FS_``.
    :param credential: The key of the setting that requests are authenticated with, or None for azure-identity.
    """
    account = _both(settings, 'connection_string' if credential == 'connection_string' else 'account_url')
    if isinstance(error, ForeignResponse):
        return f'the endpoint is not Azure Blob Storage ({error}): check {account}'
    code = code_of(error)
    if code == 'ContainerNotFound':
        return f'container {container!r} does not exist: create it, or set {settings}CREATE_CONTAINER = True'
    if code == 'InvalidBlockList':
        return 'another writer stored it in the meantime, which discarded the blocks sent so far'
    if kind_of(error) in (fs.FileExists, fs.FileNotFound):
        return None
    where = f'container {container!r}' + (f', blob {name!r}' if name else '')
    if status := status_of(error):
        hint = f': check {_both(settings, credential)}' if credential and code in _WRONG_CREDENTIAL else ''
        return f'{where}: the store responded with {status} {code}'.rstrip() + hint
    # The first line, because azure-identity lists everything that it tried; without the query of the URL that it quotes.
    message = (str(error).splitlines() or [''])[0].partition('?')[0].rstrip('.')
    reason = f'{where}: {message or type(error).__name__}'
    if isinstance(error, azure.ServiceRequestError):
        return f'{reason}. Check {account}'
    if isinstance(error, azure.ClientAuthenticationError):
        cure = (
            f'Check {_both(settings, credential)}' if credential else f'Log in to Azure, or set {settings}ACCOUNT_KEY'
        )
        return f'{reason}. {cure}'
    return reason


def _both(settings: str, key: str) -> str:
    """The two names of a setting: for this storage, and for all storages on Azure."""
    return f'{settings}{key.upper()} and FS_AZURE_{key.upper()}'
