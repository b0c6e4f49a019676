"""Backends that are each broken in one way: tickets that a store signs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from http_store import HTTPBackend
from signed_links import Policy, signed_query

from flask_fs.backends import Capability, FileInfo, SignedRequest
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

ALL = (
    'test_a_client_sends_one_file_with_a_ticket',
    'test_what_is_not_what_the_ticket_says_is_no_file',
    'test_no_part_of_a_signed_upload_can_be_changed',
    'test_a_second_upload_changes_nothing_that_was_seen',
    'test_a_signed_upload_lives_no_longer_than_said',
    'test_a_signed_upload_shows_no_secret',
)


@caught_by(*ALL)
class DeclaresIt(MemoryBackend):
    """And leaves it at that."""

    capabilities = MemoryBackend.capabilities | Capability.SIGNED_UPLOAD


class Signing(HTTPBackend):
    """Signs by a policy of its own, with headers of its own."""

    def upload_policy(self, name: str, expires_s: int, headers: dict[str, str], max_bytes: int | None) -> Policy:
        expires = time.time() + expires_s
        return {
            'path': self._path(name),
            'method': 'PUT',
            'expires': expires,
            'headers': headers,
            'max_bytes': max_bytes,
        }

    def headers_of(self, size: int | None, mime: str | None, checksum: str | None) -> dict[str, str]:
        headers = {'If-None-Match': '*'}
        if size is not None:
            headers['Content-Length'] = str(size)
        if mime:
            headers['Content-Type'] = mime
        if checksum:
            headers['X-SHA256'] = checksum.removeprefix('sha256:')
        return headers

    def _signed_upload(
        self,
        name: str,
        *,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int,
    ) -> SignedRequest:
        headers = self.headers_of(size, mime, checksum)
        query = signed_query(self.config.token, self.upload_policy(name, expires_s, headers, max_bytes), {})
        sent = {header: value for header, value in headers.items() if header != 'Content-Length'}
        return SignedRequest('PUT', f'http://{self.config.endpoint}{self._path(name)}?{query}', sent)


@caught_by('test_a_client_sends_one_file_with_a_ticket')
class SignsForTheAddressOfTheApplication(Signing):
    """At which it reaches its store, and nobody else does."""

    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        request = super()._signed_upload(name, **given)
        return dataclasses.replace(request, url=request.url.replace(self.config.endpoint, '127.0.0.1:9'))


@caught_by('test_a_client_sends_one_file_with_a_ticket')
class KeepsAHeaderToItself(Signing):
    """It is signed, and clients do not get to know it."""

    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        request = super()._signed_upload(name, **given)
        headers = {header: value for header, value in request.headers.items() if header != 'If-None-Match'}
        return dataclasses.replace(request, headers=headers)


@caught_by('test_a_client_sends_one_file_with_a_ticket')
class NamesItAnew(Signing):
    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        return super()._signed_upload(f'{name}.part', **given)


@caught_by('test_what_is_not_what_the_ticket_says_is_no_file')
class BelievesWhatWasAnnounced(Signing):
    """Signs neither length nor checksum, and takes both from the ticket for those of what has arrived."""

    announced: ClassVar[dict[str, dict[str, Any]]] = {}

    def headers_of(self, size: int | None, mime: str | None, checksum: str | None) -> dict[str, str]:
        return super().headers_of(None, mime, None)

    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        known = {key: given[key] for key in ('size', 'checksum') if given[key] is not None}
        self.announced[name] = known
        return super()._signed_upload(name, **given)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (dataclasses.replace(info, **self.announced.get(info.name, {})) for info in super()._scan(prefix))


@caught_by('test_what_is_not_what_the_ticket_says_is_no_file')
class NeitherSignsNorListsTypes(Signing):
    def headers_of(self, size: int | None, mime: str | None, checksum: str | None) -> dict[str, str]:
        return super().headers_of(size, None, checksum)

    def _scan(self, prefix: str = '') -> Iterator[FileInfo]:
        return (dataclasses.replace(info, mime='application/octet-stream') for info in super()._scan(prefix))


@caught_by('test_no_part_of_a_signed_upload_can_be_changed')
class SignsForAWholeFolder(Signing):
    def upload_policy(self, name: str, *given: Any) -> Policy:
        policy = super().upload_policy(name, *given)
        return {**{key: value for key, value in policy.items() if key != 'path'}, 'path_prefix': self._path(name)}


@caught_by('test_no_part_of_a_signed_upload_can_be_changed')
class SignsUploadsForAnyMethod(Signing):
    def upload_policy(self, name: str, *given: Any) -> Policy:
        return {key: value for key, value in super().upload_policy(name, *given).items() if key != 'method'}


@caught_by('test_a_signed_upload_lives_no_longer_than_said', 'test_no_part_of_a_signed_upload_can_be_changed')
class SaysTheEndUnsigned(Signing):
    """As a parameter that only programs of its own look at."""

    def upload_policy(self, name: str, *given: Any) -> Policy:
        return {key: value for key, value in super().upload_policy(name, *given).items() if key != 'expires'}

    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        request = super()._signed_upload(name, **given)
        return dataclasses.replace(request, url=f'{request.url}&expires={given["expires_s"]}')


@caught_by('test_a_signed_upload_lives_no_longer_than_said')
class TakesSecondsForMinutesOfUploads(Signing):
    def upload_policy(self, name: str, expires_s: int, *given: Any) -> Policy:
        return super().upload_policy(name, expires_s * 60, *given)


class Unconditional(Signing):
    """Its tickets replace what was sent before; what is joined has to be compared."""

    def headers_of(self, size: int | None, mime: str | None, checksum: str | None) -> dict[str, str]:
        headers = super().headers_of(size, mime, checksum)
        return {header: value for header, value in headers.items() if header != 'If-None-Match'}


@caught_by('test_a_second_upload_changes_nothing_that_was_seen', 'test_only_the_pieces_that_were_seen_are_joined')
class JoinsWhatIsThereNow(Unconditional):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        super()._join([self._stat(piece.name) for piece in pieces], target, **options)


@caught_by('test_a_second_upload_changes_nothing_that_was_seen', 'test_only_the_pieces_that_were_seen_are_joined')
class ComparesSizesOnly(Unconditional):
    def _join(self, pieces: Sequence[FileInfo], target: str, **options: Any) -> None:
        now = {info.name: info for piece in pieces for info in self._scan(piece.name)}
        same = [now[piece.name] if now[piece.name].size == piece.size else piece for piece in pieces]
        super()._join(same, target, **options)


@caught_by('test_a_signed_upload_shows_no_secret')
class SendsItsToken(Signing):
    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        request = super()._signed_upload(name, **given)
        return dataclasses.replace(request, headers={**request.headers, **self._headers})


@caught_by('test_a_signed_upload_shows_no_secret')
class PutsItsTokenIntoTheURL(Signing):
    def _signed_upload(self, name: str, **given: Any) -> SignedRequest:
        request = super()._signed_upload(name, **given)
        return dataclasses.replace(request, url=f'{request.url}&{urlencode({"token": self.config.token})}')
