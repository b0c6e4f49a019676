"""Requests that clients send directly to Swift, signed with a TempURL key (its middleware tempurl and formpost)."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

from flask_fs.backends import Config, SignedRequest

from .client import Client

_DIGESTS = frozenset(('sha1', 'sha256', 'sha512'))


class Signer:
    """Signs requests for the objects of one container."""

    def __init__(self, client: Client, config: Config, container: str) -> None:
        self._client = client
        self._config = config
        self._container = container

    def link(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        """A signed URL for one method and the object *name*."""
        path, url, expires = self._located(name, expires_s)
        signature = self._signature(self._config['temp_url_digest'], method, expires, path)
        # Without either, Swift responds with Content-Disposition: attachment.
        disposition = 'inline' if download_name is None else f'filename={quote(download_name, safe="")}'
        return f'{url}?temp_url_sig={signature}&temp_url_expires={expires}&{disposition}'

    def form(self, name: str, *, digest: str, size: int, mime: str | None, expires_s: int) -> SignedRequest:
        """A form that stores one object below ``name/``, named after the client's file.

        :param size: The maximum size in bytes. Swift refuses larger files, and keeps smaller ones.
        :param digest: A digest that :meth:`form_digest` returned.
        """
        path, url, expires = self._located(f'{name}/', expires_s)
        signed = {'max_file_size': size, 'max_file_count': 1, 'expires': expires}
        # The second line is the URL to redirect to, which is empty.
        fields = {**signed, 'signature': self._signature(digest, path, '', *signed.values())}
        if mime is not None:
            fields['Content-Type'] = mime
        return SignedRequest('POST', url, fields={field: str(value) for field, value in fields.items()})

    def form_digest(self) -> str | None:
        """The digest for forms: the one for URLs if the cluster allows it; None if it does not support forms."""
        allowed, wanted = form_digests(self._client.account.info()), str(self._config['temp_url_digest'])
        return wanted if allowed is None or wanted in allowed else max(allowed, default=None)

    def _located(self, name: str, expires_s: int) -> tuple[str, str, int]:
        account = urlsplit(self._client.account.url())
        endpoint = self._config.get('public_endpoint') or f'{account.scheme}://{account.netloc}'
        # Swift verifies the signature of the unquoted path.
        path = f'{account.path}/{self._container}/{name}'
        return path, f'{endpoint}{quote(path)}', int(time.time()) + expires_s

    def _signature(self, digest: str, *lines: Any) -> str:
        return hmac.new(self._config['temp_url_key'].encode(), '\n'.join(map(str, lines)).encode(), digest).hexdigest()


def form_digests(content: bytes) -> frozenset[str] | None:
    """The digests that a cluster allows for forms, from ``/info``; empty if it does not support forms.

    :return: None if *content* does not include this information.
    """
    try:
        info = json.loads(content)
        if 'swift' not in info:
            return None
        # Clients can store names with dot segments, which only bulk deletion can remove.
        if not {'formpost', 'bulk_delete'} <= info.keys():
            return frozenset()
        # Before Swift 2.30, only SHA-1 was allowed, and not reported.
        return _DIGESTS & set(info['formpost'].get('allowed_digests', ['sha1']))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
