"""Uploads that clients send with a ticket, over real HTTP."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import pytest
from flask import request

import flask_fs as fs
from flask_fs import tickets
from flask_fs.backends import Capability

from ..arriving import Request, send, send_half, upload_of
from ..guarantees import broken, check, declares
from ..harness import Harness, NetworkHarness
from .content import content_of
from .links import deployed, later
from .operations import left_behind

#: The shortest lifetime of a ticket, how much later a store can notice its end, and how often the ticket is tried.
_LIFE_S, _GRACE_S, _PAUSE_S = 1, 5, 0.2
_CONTENT = b'what a client sends'
_SHA256 = f'sha256:{hashlib.sha256(_CONTENT).hexdigest()}'
#: Options of tickets, and content that does not match them.
_WRONG: tuple[tuple[dict[str, Any], bytes, str], ...] = (
    ({'size': len(_CONTENT)}, _CONTENT + b'!', 'a longer file'),
    ({'size': len(_CONTENT)}, _CONTENT[:-1], 'a shorter file'),
    ({'max_bytes': len(_CONTENT)}, _CONTENT + b'!', 'more than the maximum'),
    ({'size': len(_CONTENT), 'checksum': _SHA256}, _CONTENT[::-1], 'other content'),
    ({'checksum': _SHA256}, _CONTENT[::-1], 'other content of any length'),
)


class SignedUploadChecks:
    """Tickets for clients without other credentials: the store receives the upload with SIGNED_UPLOAD, otherwise the application."""

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='The request is for another name, goes to a URL that clients cannot reach, or needs a header that the ticket omits. '
        'Check _signed_upload.',
    )
    def test_a_client_sends_one_file_with_a_ticket(self, harness: Harness) -> None:
        """Content sent with a ticket is visible nowhere until it is accepted, and then is the file; an upload that was cut is not accepted, and can be sent again."""
        sizes = (len(_CONTENT), 0, max(harness.part_sizes, default=100_000) + 1)
        with deployed(harness) as storage:
            signs = declares(storage.backend, Capability.SIGNED_UPLOAD)
            for number, size in enumerate(sizes):
                content, name = content_of(size), f'd/é {number}.txt'
                ways: tuple[dict[str, Any], ...] = (
                    {'size': size, 'mime': 'text/plain', 'checksum': f'sha256:{hashlib.sha256(content).hexdigest()}'},
                    {'max_bytes': size},
                    {},
                )
                for how in ways[: 3 if not number else 1]:
                    ticket = storage.signed_upload(name, **how)
                    # If the size is unknown, a store can leave the upload to the application.
                    if signs == ticket.url.startswith(request.host_url) and (not signs or 'size' in how):
                        broken(
                            f'Expected clients to send to {"the store" if signs else "the application"}; saw {ticket.url}.'
                        )
                    if size:
                        send_half(ticket, content)
                        _expect_not_accepted(storage, ticket, f'half of {size} bytes')
                    if (status := send(ticket, content)) >= 300:
                        broken(f'Expected a ticket with {how} to work for {size} bytes; saw status {status}.')
                    if storage.exists(name) or list(storage.list_files()):
                        broken(f'Expected no file before the upload is accepted; saw {list(storage.list_files())}.')
                    assert storage.accept_upload(ticket.token) == name
                    if (seen := storage.read(name)) != content:
                        broken(f'Expected the {size} bytes that were sent; saw {len(seen)} bytes.')
                    if (mime := storage.stat(name).mime) != 'text/plain':
                        broken(f'Expected the type of the ticket, text/plain; saw {mime}.')
                    # Content sent again with a used ticket can arrive, but is not accepted.
                    send(ticket, content)
                    with pytest.raises(fs.NoFile):
                        storage.accept_upload(ticket.token)
                    upload_of(storage, ticket).discard()
                    storage.delete(name)
        _expect_clean(harness)

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='The length, the type or the checksum is neither signed nor checked later: sizes, types and checksums that _scan and _stat '
        'return must be those of the uploaded content.',
    )
    def test_what_is_not_what_the_ticket_says_is_no_file(self, harness: Harness) -> None:
        """Content that is longer, shorter, of another type or different from what the ticket allows is refused when it is sent, or is not accepted."""
        with deployed(harness) as storage:
            for how, content, what in _WRONG:
                ticket = storage.signed_upload('x.txt', **how)
                _expect_refused(storage, ticket, content, what)
            ticket = storage.signed_upload('x.txt', size=len(_CONTENT), mime='text/plain')
            html = dataclasses.replace(ticket, **_with_type(ticket, 'text/html'))
            _expect_refused(storage, html, _CONTENT, 'another type', 'text/html')
        _expect_clean(harness)

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='A part of the request is added after it was signed, or the signature does not cover the name, the method or the time.',
    )
    def test_no_part_of_a_signed_upload_can_be_changed(self, harness: Harness) -> None:
        """A ticket with any part of its URL or its fields changed or removed, for another name, or with another method, does not work."""
        with deployed(harness) as storage:
            storage.write('there.txt', b'there')
            raw = harness.names_raw()
            ticket = storage.signed_upload('x.txt', size=len(_CONTENT))
            for what, changed in _changes(ticket):
                status = send(changed, _CONTENT)
                if status < 300 or harness.names_raw() != raw:
                    broken(f'Expected a ticket {what} to be refused; saw status {status}, and {harness.names_raw()}.')
            _expect_nothing(storage, ticket, 'tickets that were changed')
            assert storage.read('there.txt') == b'there'
            assert send(ticket, _CONTENT) < 300
            storage.accept_upload(ticket.token)
            upload_of(storage, ticket).discard()
            storage.delete('x.txt')
            storage.delete('there.txt')
        _expect_clean(harness)

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='The request is not conditional (If-None-Match: *), and _join does not compare versions either.',
    )
    def test_a_second_upload_changes_nothing_that_was_seen(self, harness: Harness) -> None:
        """Exactly the content that was checked becomes the file: content that is sent with the ticket later is refused, or makes accepting fail."""
        with deployed(harness) as storage:
            for parts in (1, 2):
                ticket = storage.signed_upload('x.txt', size=len(b'checked'))
                send(ticket, b'checked')
                incoming = upload_of(storage, ticket)
                if parts == 2:
                    incoming.put(io.BytesIO(b' twice'), 7)
                pieces = incoming.pieces()
                send(ticket, b'hostile, and longer')
                send(ticket, b'hostile')
                try:
                    incoming.create(pieces, 'x.txt', create=True)
                except (fs.Replaced, fs.FileNotFound):
                    assert not storage.exists('x.txt')
                else:
                    if (seen := storage.read('x.txt')) != b'checked twice'[: 7 if parts == 1 else None]:
                        broken(f'Expected the checked content to become the file; saw {seen!r}, which was sent later.')
                incoming.discard()
                storage.delete('x.txt')
        _expect_clean(harness)

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='_signed_upload ignores expires_s, or treats it as minutes or as a point in time.',
    )
    def test_a_signed_upload_lives_no_longer_than_said(self, harness: Harness) -> None:
        """A ticket works immediately, and is refused after it expires."""
        with deployed(harness) as storage:
            ticket = storage.signed_upload('x.txt', size=len(_CONTENT), expires_s=_LIFE_S + 1)
            late = storage.signed_upload('x.txt', size=len(_CONTENT), expires_s=_LIFE_S)
            if (status := send(ticket, _CONTENT)) >= 300:
                broken(f'Expected a ticket to work immediately; saw status {status}.')
            if not declares(storage.backend, Capability.SIGNED_UPLOAD):
                # The application signs, and its own clock decides about expiry.
                with mock.patch.object(tickets, 'time', SimpleNamespace(time=partial(later, _LIFE_S))):
                    assert send(late, _CONTENT) == 403
                upload_of(storage, ticket).discard()
                return
            begun = time.monotonic()
            time.sleep(_LIFE_S)
            # A store can refuse a name that already exists, which proves nothing.
            while send(late, _CONTENT) < 300:
                upload_of(storage, late).discard()
                if time.monotonic() - begun > _LIFE_S + _GRACE_S:
                    broken(
                        f'Expected a ticket with a lifetime of {_LIFE_S} s to be refused; saw it work after {_GRACE_S} s more.'
                    )
                time.sleep(_PAUSE_S)
            upload_of(storage, ticket).discard()
        _expect_clean(harness)

    @check(
        '_signed_upload',
        proves=Capability.SIGNED_UPLOAD,
        cause='A key of the store is put into the request, or the capability is declared but its hook is not implemented.',
    )
    def test_a_signed_upload_shows_no_secret(self, harness: Harness) -> None:
        """No part of a ticket contains a password, key or token of the store; without SIGNED_UPLOAD, the hook raises OperationNotSupported."""
        with deployed(harness) as storage:
            ticket = storage.signed_upload('x.txt', size=5, mime='text/plain', checksum=_SHA256)
            parts = (ticket.url, *_pairs(ticket.headers), *_pairs(ticket.fields), ticket.token)
            text = ' '.join([*parts, *map(unquote_plus, parts)])
            if isinstance(harness, NetworkHarness) and (shown := [each for each in harness.secrets if each in text]):
                broken(f'Expected no secret in a ticket; saw {len(shown)} in {text}.')
            backend = storage.backend
            given: Any = {'size': 5, 'max_bytes': None, 'mime': None, 'checksum': None, 'expires_s': 60}
            if declares(backend, Capability.SIGNED_UPLOAD):
                signed = upload_of(storage, ticket).signed_request(**given)
                if signed.method not in ('PUT', 'POST'):
                    broken(f'Expected a PUT or POST request; saw {signed!r}.')
            else:
                with pytest.raises(fs.OperationNotSupported):
                    upload_of(storage, ticket).signed_request(**given)


def _expect_refused(
    storage: fs.Storage, ticket: fs.UploadTicket, content: bytes, what: str, mime: str | None = None
) -> None:
    """Fail unless *content* is refused when it is sent with *ticket*, or accepting it fails, and there is no file."""
    status = send(ticket, content, mime=mime)
    if isinstance(_expect_not_accepted(storage, ticket, what), fs.NoFile) and status < 300:
        broken(f'Expected {what} to be refused with a status, or to arrive; saw {status}, and nothing there.')
    upload_of(storage, ticket).discard()


def _expect_not_accepted(storage: fs.Storage, ticket: fs.UploadTicket, what: str) -> fs.UploadNotAllowed:
    """Fail unless accepting *what* raises the right error, and creates no file."""
    try:
        name = storage.accept_upload(ticket.token)
    except fs.UploadNotAllowed as error:
        refused = error
    else:
        broken(f'Expected {what} to be refused; saw {storage.read(name)[:30]!r} accepted.')
    if list(storage.list_files()):
        broken(f'Expected no file after {what} was refused; saw {list(storage.list_files())}.')
    return refused


def _expect_nothing(storage: fs.Storage, ticket: fs.UploadTicket, what: str) -> None:
    if pieces := upload_of(storage, ticket).pieces():
        broken(f'Expected nothing to arrive of {what}; saw {pieces}.')


def _expect_clean(harness: Harness) -> None:
    if left := left_behind(harness, harness.make()):
        broken(f'Expected nothing to be left of uploads; saw {left[:5]}.')


def _with_type(ticket: fs.UploadTicket, mime: str) -> dict[str, Any]:
    """The headers and fields of *ticket* with another type."""
    return {
        'headers': {name: mime if name == 'Content-Type' else value for name, value in ticket.headers.items()},
        'fields': {name: mime if name == 'Content-Type' else value for name, value in ticket.fields.items()},
    }


def _changes(ticket: fs.UploadTicket) -> Iterator[tuple[str, Request]]:
    """Variants of *ticket* with one part changed, each with a description of the change."""
    url = urlsplit(ticket.url)
    # In URLs of the application, the signature is in the path.
    middle = len(url.path) - 9
    flipped = chr(ord(url.path[middle]) ^ 1)
    path = f'{url.path[:middle]}{flipped}{url.path[middle + 1 :]}'
    yield 'with another path', dataclasses.replace(ticket, url=url._replace(path=path).geturl())
    yield 'for a name below it', dataclasses.replace(ticket, url=url._replace(path=f'{url.path}/x').geturl())
    yield 'for a name next to it', dataclasses.replace(ticket, url=url._replace(path=f'{url.path}8').geturl())
    for method in ('DELETE', 'POST' if ticket.method == 'PUT' else 'PUT'):
        yield f'with {method}', dataclasses.replace(ticket, method=method)
    given = parse_qsl(url.query)
    for number, (key, value) in enumerate(given):
        for how, pairs in _ways(key, value):
            query = urlencode([*given[:number], *pairs, *given[number + 1 :]])
            yield f'with {key} {how}', dataclasses.replace(ticket, url=url._replace(query=query).geturl())
    for key, value in ticket.fields.items():
        for how, pairs in _ways(key, value) if value else ():
            fields = {**{name: other for name, other in ticket.fields.items() if name != key}, **dict(pairs)}
            yield f'with the field {key} {how}', dataclasses.replace(ticket, fields=fields)


def _ways(key: str, value: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    middle = len(value) // 2
    yield 'changed', [(key, value[:middle] + chr(ord(value[middle]) ^ 1) + value[middle + 1 :])]
    yield 'removed', []


def _pairs(given: Any) -> list[str]:
    return [f'{name} {value}' for name, value in given.items()]
