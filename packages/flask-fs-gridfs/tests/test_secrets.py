"""Passwords are in no text that the backend, its parts and its errors give of themselves."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_gridfs import GridFSBackend

SECRET = 'a-secret'
FAST = 'serverSelectionTimeoutMS=100&connectTimeoutMS=100'


def shown(value: Any, depth: int = 6) -> Iterator[str]:
    """How *value* and the parts that it is made of are shown."""
    yield repr(value)
    if depth and type(value).__module__.startswith(('flask_fs', 'pymongo')) and hasattr(value, '__dict__'):
        parts = vars(value)
        yield repr({name: part for name, part in parts.items() if not type(value).__module__.startswith('pymongo')})
        for part in parts.values():
            yield from shown(part, depth - 1) if type(part).__module__.startswith('flask_fs') else (repr(part),)


def test_no_part_of_a_backend_shows_the_password() -> None:
    backend = GridFSBackend('docs', {'mongo_url': f'mongodb://user:{SECRET}@127.0.0.1:9/?{FAST}'})
    with pytest.raises(fs.Unavailable) as caught:
        backend.read('x')
    assert SECRET not in ''.join(shown(backend))
    assert SECRET not in repr(backend._connection.client)
    assert SECRET not in ''.join(traceback.format_exception(caught.value))
    backend.client.close()


@pytest.mark.parametrize(
    ('url', 'options', 'reason'),
    [
        (f'mongodb+srv://u:x@{SECRET}@h/', {}, 'InvalidURI'),
        (f'mongodb+srv://u:{SECRET}%zz@h.example.org/', {}, 'InvalidURI'),
        (f'mongodb+srv://u:{SECRET}@h.example.org:99/', {}, 'port'),
        (f'mongodb://h/?{FAST}', {'zlibCompressionLevel': SECRET}, 'TypeError'),
        (f'mongodb://h/?{FAST}', {'username': 'u', 'password': SECRET, 'authMechanism': SECRET}, 'ValueError'),
        (f'mongodb://h/?{FAST}', {'tlsCertificateKeyFile': '/none', 'tlsCertificateKeyFilePassword': SECRET}, 'Error'),
        (f'mongodb://h/?{FAST}', {'document_class': 'x'}, 'issubclass'),
    ],
)
def test_what_pymongo_refuses_is_said_without_values(url: str, options: dict[str, Any], reason: str) -> None:
    backend = GridFSBackend('docs', {'mongo_url': url, 'mongo_options': options})
    with pytest.raises(fs.ConfigurationError, match=reason) as caught:
        backend.read('x')
    assert 'DOCS_FS_MONGO_URL or DOCS_FS_MONGO_OPTIONS' in str(caught.value)
    assert SECRET not in ''.join(traceback.format_exception(caught.value))
