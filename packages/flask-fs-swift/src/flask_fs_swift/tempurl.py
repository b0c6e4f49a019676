"""TempURLs: links that Swift's middleware ``tempurl`` takes for leave."""

from __future__ import annotations

import hmac
from urllib.parse import quote


def signed(
    endpoint: str, path: str, *, key: str, digest: str, method: str, expires: int, download_name: str | None
) -> str:
    """A link to an object, signed with *key*.

    :param endpoint: Where browsers reach the cluster.
    :param path: ``/v1/account/container/name``, not quoted: that is what Swift signs for comparison.
    :param expires: When it ends, in seconds since 1970.
    :param download_name: The name under which browsers save it; None lets them show it.
    """
    signature = hmac.new(key.encode(), f'{method}\n{expires}\n{path}'.encode(), digest).hexdigest()
    # Without either, tempurl answers with Content-Disposition: attachment.
    shown = 'inline' if download_name is None else f'filename={quote(download_name, safe="")}'
    return f'{endpoint}{quote(path)}?temp_url_sig={signature}&temp_url_expires={expires}&{shown}'
