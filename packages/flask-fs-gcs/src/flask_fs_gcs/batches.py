"""Removing many objects by one request: https://cloud.google.com/storage/docs/batch."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from email import message_from_bytes
from typing import Any
from urllib.parse import quote

from .bucket import Bucket

#: How many calls one batch may have.
MAX_CALLS = 100
_NUMBER = re.compile(r'(\d+)>?$')


def delete(bucket: Bucket, names: Sequence[str]) -> list[str]:
    """Remove objects, at most :data:`MAX_CALLS`; those of which the store does not confirm that they are gone.

    Of those that were not there, the first one is not confirmed either: the bucket itself may be gone.
    """
    boundary = secrets.token_hex(16)
    calls = (
        f'--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n'
        f'DELETE /storage/v1/b/{bucket.name}/o/{quote(name, safe="")} HTTP/1.1\r\n\r\n\r\n'
        for number, name in enumerate(names)
    )
    body, headers = f'{"".join(calls)}--{boundary}--\r\n', {'Content-Type': f'multipart/mixed; boundary={boundary}'}
    with bucket.client.request('POST', '/batch/storage/v1', 200, data=body.encode(), headers=headers) as response:
        kind = f'Content-Type: {response.headers.get("Content-Type")}\r\n\r\n'
        reply = message_from_bytes(kind.encode() + response.content)
    parts: Any = reply.get_payload() if reply.is_multipart() else ()
    statuses: dict[str, str] = {}
    for part in parts:
        number, status = _NUMBER.search(part.get('Content-ID') or ''), part.get_payload().split(maxsplit=2)[1:2]
        if number is not None and status:
            statuses[number[1]] = status[0]
    found = {name: statuses.get(str(number)) for number, name in enumerate(names)}
    missing = [name for name, status in found.items() if status == '404']
    return [name for name, status in found.items() if status not in ('200', '204', '404')] + missing[:1]
