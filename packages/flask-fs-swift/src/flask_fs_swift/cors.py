"""The CORS rule of a container."""

from __future__ import annotations

from collections.abc import Sequence

from .client import Client

_ORIGINS = 'x-container-meta-access-control-allow-origin'
_EXPOSED = 'x-container-meta-access-control-expose-headers'
_MAX_AGE = 'x-container-meta-access-control-max-age'
#: For how many seconds browsers cache the rule, unless the container has another value.
_REMEMBERED_S = '3600'


def allow_origins(client: Client, container: str, origins: Sequence[str], *, dry_run: bool) -> str:
    """Allow requests from *origins* to *container*, and return a description of the result.

    Swift allows all methods and headers for an allowed origin.
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
    state = 'already accepts'
    if any(found.get(name) != value for name, value in headers.items()):
        state = 'would accept' if dry_run else 'now accepts'
        if not dry_run:
            client.request('POST', container, headers=headers)
    return (
        f'Container {container!r} {state} requests from {", ".join(headers[_ORIGINS].split())}: all methods with any '
        f'header. Pages can read {" and ".join(headers[_EXPOSED].split())}, and the headers that Swift always exposes.'
    )


def _joined(found: str, wanted: Sequence[str]) -> str:
    return ' '.join(dict.fromkeys((*found.split(), *wanted)))
