"""What can be configured about a place in MongoDB, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

from bson.errors import BSONError
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from flask_fs.settings import Setting, at_least, mapping, text

#: The default of the GridFS specification.
CHUNK_BYTES = 255 * 1024
#: A document has at most 16 MiB (https://www.mongodb.com/docs/manual/reference/limits/), and a chunk some fields more.
MOST_CHUNK_BYTES = 15 * 1024 * 1024
#: Where files are if neither the settings nor the URL name a database.
DATABASE = 'fs'
#: What a client is made with where neither the URL nor MONGO_OPTIONS say otherwise. pymongo's own values let a request
#: of the web wait for half a minute for a server that is away, and for ever for one that does not answer.
CLIENT_OPTIONS = {
    'serverSelectionTimeoutMS': 5_000,
    'connectTimeoutMS': 5_000,
    'socketTimeoutMS': 30_000,
    'waitQueueTimeoutMS': 10_000,
}


def mongo_url(value: Any) -> str:
    """An address of MongoDB, as pymongo takes it."""
    expected = (
        "an address such as 'mongodb://user:password@host:27017/database', with user and password percent-encoded"
    )
    if not isinstance(value, str) or not value.startswith(('mongodb://', 'mongodb+srv://')):
        raise ValueError(expected)
    if value.startswith('mongodb://'):
        # The other kind can be understood only by asking the name service.
        try:
            parse_uri(value, warn=True)
        except (PyMongoError, BSONError, ValueError):
            raise ValueError(expected) from None
    return value


def mongo_client(value: Any) -> Any:
    """A client, or what gives one."""
    if not callable(value) and not hasattr(type(value), 'get_database'):
        raise ValueError('a MongoClient, or a function that gives one')
    return value


def database_name(value: Any) -> str:
    """A name that MongoDB gives to a database."""
    if not isinstance(value, str) or not value or len(value) > 63 or any(letter in value for letter in '/\\. "$\0'):
        raise ValueError('the name of a database: at most 63 letters, none of them a blank or one of / \\ . " $')
    return value


def collection_name(value: Any) -> str:
    """A name that ``.files`` and ``.chunks`` can be added to."""
    if not isinstance(value, str) or not value or '$' in value or '\0' in value or '' in value.split('.'):
        raise ValueError("the beginning of the collections' names, such as 'fs' for fs.files and fs.chunks")
    return value


SETTINGS = (
    Setting(
        'mongo_url',
        mongo_url,
        None,
        'Where MongoDB is; needed unless mongo_client or mongoengine_alias is set.',
        secret=True,
    ),
    Setting(
        'mongo_db',
        database_name,
        None,
        f"The database; default: that of the URL, of the client or of MongoEngine's alias, else {DATABASE!r}.",
    ),
    Setting(
        'collection',
        collection_name,
        None,
        "What the names of the two collections begin with; default: the storage's name.",
    ),
    Setting(
        'mongo_options',
        mapping,
        {},
        'What MongoClient is made with besides the URL, such as serverSelectionTimeoutMS.',
        secret=True,
    ),
    Setting(
        'mongo_client',
        mongo_client,
        None,
        'A MongoClient to use, or a function that gives one in each process; it is never closed.',
        secret=True,
    ),
    Setting('mongoengine_alias', text, None, 'The connection of MongoEngine to use.'),
    Setting(
        'chunk_bytes',
        at_least(1, MOST_CHUNK_BYTES),
        CHUNK_BYTES,
        'How much of a file one document holds, in bytes.',
    ),
)
