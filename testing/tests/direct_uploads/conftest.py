"""The same site on each store, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from upload_site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERVERS = {'gridfs': 'mongo_service', 's3': 's3_service', 'swift': 'swift_service'}


@pytest.fixture(params=['local', 'memory', *(pytest.param(each, marks=pytest.mark.server) for each in SERVERS)])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_name: str) -> dict[str, Any]:
    """The settings of one store after the other."""
    kind: str = request.param
    service: Any = request.getfixturevalue(SERVERS[kind]) if kind in SERVERS else None
    settings: dict[str, Any] = {'backend': kind}
    if kind == 'local':
        settings['root'] = str(tmp_path / 'photos')
    elif kind == 'gridfs':
        settings |= {'mongo_url': service.url, 'mongo_db': fresh_name}
    elif kind == 's3':
        settings |= {'endpoint': service.endpoint, 'region': service.region, 'bucket_name': fresh_name}
        settings |= {'access_key': service.access_key, 'secret_key': service.secret_key}
    elif kind == 'swift':
        settings |= {'authurl': service.auth_url, 'user': service.user, 'key': service.key}
        settings |= {'container': fresh_name, 'temp_url_key': 'a key of the tests'}
    return settings


@pytest.fixture
def site(store: dict[str, Any]) -> Iterator[Site]:
    """The site on each store."""
    with Site(store).running() as site:
        yield site


@pytest.fixture
def small_site() -> Iterator[Site]:
    """The site in memory, for what does not depend on the store."""
    with Site({'backend': 'memory'}).running() as site:
        yield site


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that nothing was loaded into yet."""
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    yield page
    context.close()
