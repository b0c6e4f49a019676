"""Translates the errors of MongoDB and pymongo into errors of Flask-FS."""

from __future__ import annotations

from bson.errors import BSONError
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.errors import ConnectionFailure, InvalidURI, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from flask_fs.errors import BackendError, ConfigurationError, FSError, PermissionDenied, Replaced, Unavailable


class Vanished(Exception):
    """A file was replaced or removed while it was being read."""


class Damaged(Exception):
    """The chunks of a file do not match its document."""


class NameTaken(Exception):
    """A file with the name to create already exists."""


class TooMuchContention(Exception):
    """Other writers of the same name were faster in every attempt."""


#: All errors of pymongo, including those for ids that are not UTF-8, and the errors of this package.
ERRORS = (PyMongoError, BSONError, UnicodeEncodeError, Vanished, Damaged, TooMuchContention)
# Codes from https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml.
_DENIED = frozenset((13, 18, 8000))
_UNAVAILABLE = frozenset((6, 7, 50, 89, 91, 112, 189, 202, 262, 9001, 10107, 11600, 11602, 13435, 13436))


def kind_of(error: Exception) -> type[FSError]:
    """The class of the equivalent error of Flask-FS."""
    if isinstance(error, Vanished):
        return Replaced
    if _is_login_failure(error):
        return PermissionDenied
    if isinstance(error, (ConnectionFailure, TooMuchContention)):
        return Unavailable
    if isinstance(error, (MongoConfigurationError, InvalidURI)):
        return ConfigurationError
    if isinstance(error, OperationFailure):
        if error.code in _DENIED:
            return PermissionDenied
        if error.code in _UNAVAILABLE or error.has_error_label('RetryableWriteError'):
            return Unavailable
    return BackendError


def reason_for(error: Exception, *, location: str, settings: str, connection: str) -> str | None:
    """What went wrong and how to fix it, without anything that can contain a password or a document.

    :param location: The database and the prefix of its collections.
    :param settings: The prefix of the storage's settings, such as ``AVATARS_FS_``.
    :param connection: The key of the setting that determines the connection.
    """
    if isinstance(error, Vanished):
        return None
    if isinstance(error, TooMuchContention):
        return 'too many writers write this name at the same time; try again later'
    if isinstance(error, Damaged):
        return f'it is damaged in {location}: {error}'
    if _is_login_failure(error):
        return f'{location}: the server does not accept this login; check the user and password in {_both(settings, connection)}'
    if isinstance(error, ConnectionFailure):
        # The rest describes the state of each server at length.
        message = str(error).split(' (configured timeouts')[0].split(', Timeout:')[0].rstrip('.')
        hint = f'. Check {_both(settings, connection)}' if isinstance(error, ServerSelectionTimeoutError) else ''
        return f'{location}: {message}{hint}'
    if isinstance(error, (MongoConfigurationError, InvalidURI)):
        return f'pymongo rejects {settings}MONGO_URL or {settings}MONGO_OPTIONS ({type(error).__name__})'
    if not isinstance(error, OperationFailure):
        return f'{location}: {type(error).__name__}'
    reported = f'{location}: the server responded with {(error.details or {}).get("codeName") or type(error).__name__}'
    reported += '' if error.code is None else f' ({error.code})'
    if error.code == 18:
        return f'{reported}; check the user and password in {_both(settings, connection)}'
    return f'{reported}; its user needs the role readWrite on the database' if error.code in _DENIED else reported


def _is_login_failure(error: Exception) -> bool:
    """Whether pymongo found no server because none accepts the login: it tries a failed connection again until it times out."""
    return isinstance(error, ServerSelectionTimeoutError) and "'code': 18" in str(error)


def _both(settings: str, key: str) -> str:
    """The two names of a setting: for this storage, and for all storages on GridFS."""
    return f'{settings}{key.upper()} and FS_GRIDFS_{key.upper()}'
