"""Requests that clients send to Swift themselves, signed with a TempURL key (its middleware tempurl and formpost)."""

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
        """A link for one method and the object *name*."""
        path, url, expires = self._located(name, expires_s)
        signature = self._signature(self._config['temp_url_digest'], method, expires, path)
        # Without either, it responds with Content-Disposition: attachment.
        disposition = 'inline' if download_name is None else f'filename={quote(download_name, safe="")}'
        return f'{url}?temp_url_sig={signature}&temp_url_expires={expires}&{disposition}'

    def form(self, name: str, *, digest: str, size: int, mime: str | None, expires_s: int) -> SignedRequest:
        """A form that stores one object below ``name/``, which is named by the client's name of the file.

        :param size: In bytes: Swift refuses more, and keeps less.
        :param digest: One of those that :meth:`form_digest` gives.
        """
        path, url, expires = self._located(f'{name}/', expires_s)
        signed = {'max_file_size': size, 'max_file_count': 1, 'expires': expires}
        # After the path comes where to redirect to: nowhere.
        fields = {**signed, 'signature': self._signature(digest, path, '', *signed.values())}
        if mime is not None:
            fields['Content-Type'] = mime
        return SignedRequest('POST', url, fields={field: str(value) for field, value in fields.items()})

    def form_digest(self) -> str | None:
        """The digest for forms: that of links where the cluster allows it; None where it accepts no forms."""
        allowed, wanted = form_digests(self._client.account.info()), str(self._config['temp_url_digest'])
        return wanted if allowed is None or wanted in allowed else max(allowed, default=None)

    def _located(self, name: str, expires_s: int) -> tuple[str, str, int]:
        account = urlsplit(self._client.account.url())
        endpoint = self._config.get('public_endpoint') or f'{account.scheme}://{account.netloc}'
        # Swift compares with the signature of the path as it is before quoting.
        path = f'{account.path}/{self._container}/{name}'
        return path, f'{endpoint}{quote(path)}', int(time.time()) + expires_s

    def _signature(self, digest: str, *lines: Any) -> str:
        return hmac.new(self._config['temp_url_key'].encode(), '\n'.join(map(str, lines)).encode(), digest).hexdigest()


def form_digests(content: bytes) -> frozenset[str] | None:
    """The digests with which a cluster lets forms be signed, from what it says about itself (``/info``); none if it accepts no forms.

    :return: None if *content* does not say.
    """
    try:
        info = json.loads(content)
        if 'swift' not in info:
            return None
        # A client may store names with dot segments, which can only be removed in bulk.
        if not {'formpost', 'bulk_delete'} <= info.keys():
            return frozenset()
        # Before Swift 2.30 it was SHA-1 alone, and not said.
        return _DIGESTS & set(info['formpost'].get('allowed_digests', ['sha1']))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
