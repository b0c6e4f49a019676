"""The settings of a GridFS storage, validated before anything is sent."""

from __future__ import annotations

from typing import Any

from bson.errors import BSONError
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from flask_fs.settings import Setting, at_least, mapping, text

#: The default of the GridFS specification.
CHUNK_BYTES = 255 * 1024
#: A document has at most 16 MiB (https://www.mongodb.com/docs/manual/reference/limits/), including the other fields.
MAX_CHUNK_BYTES = 15 * 1024 * 1024
#: The database if neither the settings nor the URL name one.
DATABASE = 'fs'
#: The client options, unless the URL or MONGO_OPTIONS set them. With pymongo's defaults, a web request waits half a
#: minute for a server that is down, and forever for a server that does not respond.
CLIENT_OPTIONS = {
    'serverSelectionTimeoutMS': 5_000,
    'connectTimeoutMS': 5_000,
    'socketTimeoutMS': 30_000,
    'waitQueueTimeoutMS': 10_000,
}


def mongo_url(value: Any) -> str:
    """A MongoDB URL that pymongo accepts."""
    expected = "a URL such as 'mongodb://user:password@host:27017/database', with user and password percent-encoded"
    if not isinstance(value, str) or not value.startswith(('mongodb://', 'mongodb+srv://')):
        raise ValueError(expected)
    if '@' in value.partition('://')[2].partition('/')[2].partition('?')[0]:
        # A slash in the password would end the list of servers, and its beginning would be one of them.
        raise ValueError(expected)
    if value.startswith('mongodb://'):
        # mongodb+srv URLs would be resolved by DNS.
        try:
            parse_uri(value, warn=True)
        except (PyMongoError, BSONError, ValueError):
            raise ValueError(expected) from None
    return value


def mongo_client(value: Any) -> Any:
    """A client, or a function that returns one."""
    if not callable(value) and not hasattr(type(value), 'get_database'):
        raise ValueError('a MongoClient, or a function that returns one')
    return value


def database_name(value: Any) -> str:
    """A valid name for a MongoDB database."""
    if not isinstance(value, str) or not value or len(value) > 63 or any(letter in value for letter in '/\\. "$\0'):
        raise ValueError('the name of a database: at most 63 characters, none of them a space or one of / \\ . " $')
    return value


def collection_name(value: Any) -> str:
    """A name that ``.files`` and ``.chunks`` can be added to."""
    if not isinstance(value, str) or not value or '$' in value or '\0' in value or '' in value.split('.'):
        raise ValueError("the prefix of the collections' names, such as 'fs' for fs.files and fs.chunks")
    return value


SETTINGS = (
    Setting(
        'mongo_url',
        mongo_url,
        None,
        'The URL of MongoDB. Required unless MONGO_CLIENT or MONGOENGINE_ALIAS is set.',
        secret=True,
    ),
    Setting(
        'mongo_db',
        database_name,
        None,
        f'The database. If not set, the one in the URL, the client, or the MongoEngine connection, else {DATABASE!r}.',
    ),
    Setting(
        'collection',
        collection_name,
        None,
        "The prefix of the two collection names. If not set, the storage's name.",
    ),
    Setting(
        'mongo_options',
        mapping,
        {},
        'Additional options for MongoClient, such as serverSelectionTimeoutMS.',
        secret=True,
    ),
    Setting(
        'mongo_client',
        mongo_client,
        None,
        'A MongoClient, or a function that returns one and is called in each process. Flask-FS never closes it.',
        secret=True,
    ),
    Setting('mongoengine_alias', text, None, 'The alias of a MongoEngine connection to use.'),
    Setting(
        'chunk_bytes',
        at_least(1, MAX_CHUNK_BYTES),
        CHUNK_BYTES,
        'The chunk size, in bytes.',
    ),
)
