"""Backends that are each broken in one way: signed links."""

from __future__ import annotations

import calendar
import time
from typing import Any
from urllib.parse import quote

from flask import url_for
from http_store import HTTPBackend
from signed_links import Policy

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


# --- What is signed.


@caught_by(
    'test_a_signed_link_is_good_for_one_file_one_method_and_a_while',
    'test_a_signed_link_to_store_stores_one_file',
    'test_no_part_of_a_signed_link_can_be_changed',
)
class SignsForAnyFile(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        policy = super()._policy(name, expires_s, method, download_name)
        return {key: value for key, value in policy.items() if key != 'path'}


@caught_by(
    'test_a_signed_link_is_good_for_one_file_one_method_and_a_while', 'test_a_signed_link_to_store_stores_one_file'
)
class SignsForAnyMethod(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        policy = super()._policy(name, expires_s, method, download_name)
        return {key: value for key, value in policy.items() if key != 'method'}


@caught_by('test_a_signed_link_to_store_stores_one_file')
class SignsForReadingOnly(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        return super()._policy(name, expires_s, 'GET', download_name)


@caught_by('test_no_part_of_a_signed_link_can_be_changed')
class SignsForWhatBeginsLikeIt(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        return {'path_prefix': self._path(name), 'method': method, 'expires': 1e12, 'download': download_name}


@caught_by('test_no_part_of_a_signed_link_can_be_changed', 'test_a_link_lives_no_longer_than_said')
class SaysTheTimeUnsigned(HTTPBackend):
    """As a parameter that only programs of its own look at."""

    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        policy = super()._policy(name, expires_s, method, download_name)
        return {key: value for key, value in policy.items() if key != 'expires'}

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        link = super()._signed_url(name, expires_s=expires_s, method=method, download_name=download_name)
        return f'{link}&expires={expires_s}'


@caught_by('test_the_download_name_of_a_link_is_signed')
class AddsTheDownloadNameUnsigned(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        policy = super()._policy(name, expires_s, method, download_name)
        return {key: value for key, value in policy.items() if key != 'download'}


@caught_by('test_the_download_name_of_a_link_is_signed', 'test_links_and_download_names_may_be_odd')
class SignsNoDownloadName(HTTPBackend):
    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        return super()._signed_url(name, expires_s=expires_s, method=method, download_name=None)


@caught_by('test_links_and_download_names_may_be_odd')
class QuotesTwice(HTTPBackend):
    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        return super()._signed_url(quote(name), expires_s=expires_s, method=method, download_name=download_name)


@caught_by('test_links_and_download_names_may_be_odd')
class SavesUnderPlainNames(HTTPBackend):
    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        plain = download_name and download_name.encode('ascii', 'ignore').decode()
        return super()._signed_url(name, expires_s=expires_s, method=method, download_name=plain)


@caught_by('test_a_link_lives_no_longer_than_said')
class SignsInLocalTime(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        policy = super()._policy(name, expires_s, method, download_name)
        return {**policy, 'expires': calendar.timegm(time.localtime(policy['expires']))}


@caught_by('test_a_link_lives_no_longer_than_said')
class ReturnsALinkThatStillLives(HTTPBackend):
    """Instead of signing another one, whatever lifetime it is to have."""

    def _signed_url(self, name: str, *, expires_s: int, method: str, download_name: str | None) -> str:
        links: dict[Any, str] = vars(self).setdefault('links', {})
        key = name, method, download_name
        if key not in links:
            links[key] = super()._signed_url(name, expires_s=expires_s, method=method, download_name=download_name)
        return links[key]


@caught_by('test_a_link_lives_no_longer_than_said')
class TakesSecondsForMinutes(HTTPBackend):
    def _policy(self, name: str, expires_s: int, method: str, download_name: str | None) -> Policy:
        return super()._policy(name, expires_s * 60, method, download_name)


@caught_by('test_links_and_download_names_may_be_odd')
class SignsWithoutThePrefix(HTTPBackend):
    def _signed_url(self, name: str, **policy: Any) -> str:
        return super()._signed_url(name.removeprefix(self._prefix), **policy)


@caught_by('test_links_and_download_names_may_be_odd')
class SignsWithThePrefixTwice(HTTPBackend):
    def _signed_url(self, name: str, **policy: Any) -> str:
        return super()._signed_url(self._prefix + name, **policy)
