"""The rule of a container for requests from pages of other sites (CORS)."""

from __future__ import annotations

from collections.abc import Sequence

from .client import Client

_ORIGINS = 'x-container-meta-access-control-allow-origin'
_EXPOSED = 'x-container-meta-access-control-expose-headers'
_MAX_AGE = 'x-container-meta-access-control-max-age'
#: For how long browsers remember what they may send, in seconds, unless the container says something else.
_REMEMBERED_S = '3600'


def allow_origins(client: Client, container: str, origins: Sequence[str], *, dry_run: bool) -> str:
    """Have *container* accept requests from pages of *origins* too, and return what is set then.

    To an origin that it allows, Swift allows all methods and headers.
    """
    if not dry_run:
        client.ensure(container)
    response = client.request('HEAD', container, expected_statuses=(404,) if dry_run else ())
    found = response.headers if response.status != 404 else {}
    headers = {
        _ORIGINS: _joined(found.get(_ORIGINS, ''), origins),
        _EXPOSED: _joined(found.get(_EXPOSED, ''), ('ETag', 'Location')),
        _MAX_AGE: found.get(_MAX_AGE) or _REMEMBERED_S,
    }
    state = 'was open already'
    if any(found.get(name) != value for name, value in headers.items()):
        state = 'would be open' if dry_run else 'is open'
        if not dry_run:
            client.request('POST', container, headers=headers)
    return (
        f'Container {container!r} {state} to pages of {", ".join(headers[_ORIGINS].split())}: all methods with any '
        f'header; {" and ".join(headers[_EXPOSED].split())} can be read, besides what Swift always exposes.'
    )


def _joined(found: str, wanted: Sequence[str]) -> str:
    return ' '.join(dict.fromkeys((*found.split(), *wanted)))
