"""Links of the HTTP store: a policy says what they are good for, and whatever it leaves out is free."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

#: What a policy may say: the path, the method, the time at which it ends, the name under which a file is saved, headers that
#: must be sent as they are, and the maximum length of the body.
Policy = Mapping[str, Any]


def signed_query(token: str, policy: Policy, query: Mapping[str, str]) -> str:
    """The query of a link with *policy*, signed, and with *query*, of which the policy may say what it must be."""
    encoded = base64.urlsafe_b64encode(json.dumps(policy).encode()).decode()
    return urlencode({**query, 'policy': encoded, 'signature': _signature(token, encoded)})


def allows(token: str, query: Mapping[str, str], method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether the store does what a request with this *query* says, although it has no token."""
    encoded = query.get('policy', '')
    if not hmac.compare_digest(_signature(token, encoded), query.get('signature', '')):
        return False
    policy = json.loads(base64.urlsafe_b64decode(encoded))
    return (
        policy.get('path', path) == path
        and path.startswith(policy.get('path_prefix', ''))
        and policy.get('method', method) == method
        and policy.get('expires', time.time() + 1) > time.time()
        and policy.get('download', query.get('download')) == query.get('download')
        and all(headers.get(header) == value for header, value in policy.get('headers', {}).items())
        and _has_at_most(policy.get('max_bytes'), headers.get('Content-Length'))
    )


def _has_at_most(max_bytes: int | None, length: str | None) -> bool:
    return max_bytes is None or (length is not None and int(length) <= max_bytes)


def _signature(token: str, encoded: str) -> str:
    return hmac.new(token.encode(), encoded.encode(), hashlib.sha256).hexdigest()
