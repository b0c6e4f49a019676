"""Translates the errors of Azure and its library into errors of Flask-FS."""

from __future__ import annotations

from azure.core import exceptions as azure

from flask_fs import errors as fs
from flask_fs.backends import Config, kind_of_status
from flask_fs.settings import setting_names

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


def reason_for(error: Exception, container: str, name: str | None, storage: str, config: Config) -> str | None:
    """What went wrong, and which settings of *storage* to check."""

    def check(key: str) -> str:
        return f'check {setting_names(storage, "azure", key)}'

    credential = next((key for key in ('connection_string', 'account_key', 'sas_token') if config.get(key)), None)
    check_account = check('connection_string' if credential == 'connection_string' else 'account_url')
    if isinstance(error, ForeignResponse):
        return f'the endpoint is not Azure Blob Storage ({error}): {check_account}'
    code = code_of(error)
    if code == 'ContainerNotFound':
        return f'container {container!r} does not exist: create it, or {check("create_container")}'
    if code == 'InvalidBlockList':
        return 'another writer stored it in the meantime, which discarded the blocks sent so far'
    if kind_of(error) in (fs.FileExists, fs.FileNotFound):
        return None
    where = f'container {container!r}' + (f', blob {name!r}' if name else '')
    log_in = check(credential) if credential else f'log in to Azure, or {check("account_key")}'
    if status := status_of(error):
        hint = f': {log_in}' if code in _WRONG_CREDENTIAL else ''
        return f'{where}: the store responded with {status} {code}'.rstrip() + hint
    # The first line, because azure-identity lists everything that it tried; without the query of the URL that it quotes.
    message = (str(error).splitlines() or [''])[0].partition('?')[0].rstrip('.')
    reason = f'{where}: {message or type(error).__name__}'
    if isinstance(error, azure.ServiceRequestError):
        return f'{reason}; {check_account}'
    return f'{reason}; {log_in}' if isinstance(error, azure.ClientAuthenticationError) else reason
