"""What MongoDB and pymongo raise, in the words of Flask-FS."""

from __future__ import annotations

from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError as MongoConfigurationError,
)
from pymongo.errors import (
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from flask_fs.errors import BackendError, ConfigurationError, FSError, PermissionDenied, Replaced, Unavailable


class Vanished(Exception):
    """A file was replaced or removed while it was looked at."""


class Damaged(Exception):
    """A file's chunks are not what its document says."""


class Taken(Exception):
    """There is a file of the name that was to be created."""


class Crowded(Exception):
    """Other writers of the same name came first, again and again."""


#: All that pymongo raises, also about ids that are no UTF-8, and what this package raises about files.
SDK_ERRORS = (PyMongoError, BSONError, UnicodeEncodeError, Vanished, Damaged, Crowded)
# Codes of https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml.
_REFUSED = frozenset((13, 18, 8000))
_BUSY = frozenset((6, 7, 50, 89, 91, 112, 189, 202, 262, 9001, 10107, 11600, 11602, 13435, 13436))


def kind_of(error: Exception) -> type[FSError]:
    """The error of Flask-FS that means the same."""
    if isinstance(error, Vanished):
        return Replaced
    if isinstance(error, (ConnectionFailure, Crowded)):
        return Unavailable
    if isinstance(error, (MongoConfigurationError, InvalidURI)):
        return ConfigurationError
    if isinstance(error, OperationFailure):
        if error.code in _REFUSED:
            return PermissionDenied
        if error.code in _BUSY or error.has_error_label('RetryableWriteError'):
            return Unavailable
    return BackendError


def reason_for(error: Exception, *, place: str, settings: str) -> str | None:
    """What went wrong and how to put it right.

    Nothing is quoted that may hold a password or a document.

    :param place: The database and what its collections begin with.
    :param settings: What the storage's settings begin with, such as ``AVATARS_FS_``.
    """
    if isinstance(error, Vanished):
        return None
    if isinstance(error, Crowded):
        return 'too many others write this name at the same time'
    if isinstance(error, Damaged):
        return f'it is damaged in {place}: {error}'
    if isinstance(error, ConnectionFailure):
        # What follows tells the state of each server at length.
        return f'{place}: {str(error).split(" (configured timeouts")[0].split(", Timeout:")[0]}'
    if isinstance(error, (MongoConfigurationError, InvalidURI)):
        return f'pymongo refuses {settings}MONGO_URL or {settings}MONGO_OPTIONS ({type(error).__name__})'
    if not isinstance(error, OperationFailure):
        return f'{place}: {type(error).__name__}'
    told = f'{place}: the server answered {(error.details or {}).get("codeName") or type(error).__name__}'
    told += '' if error.code is None else f' ({error.code})'
    if error.code == 18:
        return f'{told}; check the user and password in {settings}MONGO_URL'
    return f'{told}; its user needs the role readWrite on the database' if error.code in _REFUSED else told
