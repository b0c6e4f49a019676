"""Removing many objects, in one request if the cluster supports it (Swift's bulk delete)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote

from flask_fs.backends import batched
from flask_fs.errors import Unavailable

from .client import Client
from .errors import Failure
from .metadata import has_dot_segment

#: How many names one request removes. Swift's default limit is 10,000, but some operators lower it.
BULK_NAMES = 1000


def remove(client: Client, container: str, names: Iterable[str]) -> None:
    """Remove objects. It is not an error if some do not exist."""
    for batch in batched(names, BULK_NAMES):
        for failure in remove_each(client, container, batch).values():
            raise failure


def remove_each(client: Client, container: str, names: Sequence[str]) -> dict[str, Failure]:
    """Remove at most a thousand objects, and return the failures of those that were not removed, by name."""
    failures: dict[str, Failure] = {}
    left = names
    if (len(names) > 1 or any(map(has_dot_segment, names))) and client.account.bulk_deletes is not False:
        left = _remove_in_bulk(client, container, names)
    # Remove the remaining objects individually, which also returns the reason of a failure.
    for number, name in enumerate(left):
        try:
            client.request('DELETE', container, name, expected_statuses=(404,))
        except Failure as failure:
            failures[name] = failure
            if issubclass(failure.kind, Unavailable):
                # The others would fail after the same time.
                return failures | dict.fromkeys(left[number:], failure)
    return failures


def _remove_in_bulk(client: Client, container: str, names: Sequence[str]) -> Sequence[str]:
    """The *names* that one request did not remove, according to the store."""
    response = client.request(
        'POST',
        '',
        query='?bulk-delete',
        headers={'Content-Type': 'text/plain', 'Accept': 'application/json'},
        # Dot segments are not resolved in a body.
        body=''.join(quote(f'/{container}/{name}') + '\n' for name in names).encode(),
        # Without the middleware, this changes the account, and succeeds with 204 or is refused.
        expected_statuses=(400, 401, 403, 404, 405, 411, 413, 501),
        is_slow=True,
    )
    refused = refused_names(response.content, container, names) if response.status == 200 else None
    client.account.bulk_deletes = refused is not None
    return names if refused is None else refused


def refused_names(content: bytes, container: str, names: Sequence[str]) -> Sequence[str] | None:
    """The *names* that a bulk request did not remove, according to its report; None if *content* is not a report.

    Returns all *names* if the report does not cover each of them, because it is incomplete or about other objects.
    """
    try:
        report = json.loads(content)
        numbers = report['Number Deleted'], report['Number Not Found']
        errors = [unquote(path).lstrip('/') for path, _ in report['Errors']]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
    if not all(type(number) is int and number >= 0 for number in numbers):
        return None
    refused = [name for name in names if f'{container}/{name}' in errors]
    return refused if len(refused) == len(errors) and sum(numbers) + len(errors) == len(names) else names
