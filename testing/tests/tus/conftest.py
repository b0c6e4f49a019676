"""The same application on each store, which receives uploads by tus."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from tus_server import TusServer, serving

STORES = ('local', 's3', 'swift', 'gridfs')
# The client of the protocol's authors is told the maximum.
LIMIT = {'FILES_FS_MAX_BYTES': 100 * 1024 * 1024}


@pytest.fixture(scope='module', params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope='module')
def settings(request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of an application whose files are in a store of that kind."""
    if kind == 'local':
        return {'FS_ROOT': str(tmp_path_factory.mktemp('files')), **LIMIT}
    unique = f'tus-{secrets.token_hex(6)}'
    found: dict[str, Any] = {'backend': kind}
    if kind == 's3':
        service = request.getfixturevalue('s3_service')
        found |= {'endpoint': service.endpoint, 'access_key': service.access_key, 'secret_key': service.secret_key}
        found |= {'region': service.region, 'bucket_name': unique}
    elif kind == 'swift':
        service = request.getfixturevalue('swift_service')
        found |= {'authurl': service.auth_url, 'user': service.user, 'key': service.key, 'container': unique}
    else:
        found |= {'mongo_url': request.getfixturevalue('mongo_service').url, 'mongo_db': unique}
    return {f'FILES_FS_{name.upper()}': value for name, value in found.items()} | LIMIT


@pytest.fixture(scope='module')
def server(settings: dict[str, Any]) -> Iterator[TusServer]:
    with serving(settings) as running:
        yield running
