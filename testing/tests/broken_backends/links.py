"""Backends that are each broken in one way: signed links."""

from __future__ import annotations

from flask import url_for

from flask_fs.backends import Capability
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by(
    'test_a_signed_link_is_good_for_one_file_one_method_and_a_while', 'test_a_signed_link_to_store_stores_one_file'
)
class SignsForNobody(MemoryBackend):
    capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        # To the application's own URL, which needs a signature of its own.
        return url_for('fs.get_file', fs=self.name, filename=name, signature='none', _external=True)


@caught_by(
    'test_a_signed_link_is_good_for_one_file_one_method_and_a_while', 'test_a_signed_link_to_store_stores_one_file'
)
class SignsForTheInternalHost(MemoryBackend):
    """By the address at which the application reaches its store, and nobody else does."""

    capabilities = MemoryBackend.capabilities | Capability.SIGNED_URL

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        return f'http://127.0.0.1:9/{name}?method={method}&expires={expires_s}&signature=0123'
