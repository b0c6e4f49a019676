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


def reason_for(error: Exception, container: str, name: str | None, settings: str) -> str | None:
    """What went wrong and how to fix it.

    :param settings: The prefix of the storage's settings, such as ``AVATARS_FS_``.
    """
    if isinstance(error, ForeignResponse):
        return f'the endpoint is not Azure Blob Storage ({error}): check {settings}ACCOUNT_URL'
    code = code_of(error)
    if code == 'ContainerNotFound':
        return f'container {container!r} does not exist: with {settings}CREATE_CONTAINER, the first file creates it'
    if code == 'InvalidBlockList':
        return 'another writer stored it in the meantime, which discarded the blocks sent so far'
    if kind_of(error) in (fs.FileExists, fs.FileNotFound):
        return None
    where = f'container {container!r}' + (f', blob {name!r}' if name else '')
    if status := status_of(error):
        hint = f': check {settings}ACCOUNT_KEY and FS_AZURE_ACCOUNT_KEY' if code == 'AuthenticationFailed' else ''
        return f'{where}: the store responded with {status} {code}'.rstrip() + hint
    # Without the query of the URL that it quotes.
    reason = f'{where}: {str(error).partition("?")[0] or type(error).__name__}'
    if isinstance(error, azure.ServiceRequestError):
        reason = f'{reason.rstrip(".")}. Check {settings}ACCOUNT_URL and FS_AZURE_ACCOUNT_URL'
    return reason
