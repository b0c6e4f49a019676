"""Clients of boto3: one per process and configuration, made when first used."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config

from .answers import Parsers, check, check_redirect
from .redaction import hide_tokens

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: What decides whether two configurations can share a client.
_DECIDING = (
    'endpoint',
    'region',
    'access_key',
    'secret_key',
    'session_token',
    'profile',
    'addressing_style',
    'signature_version',
    'request_checksums',
    'signs_bodies',
    'connect_timeout_s',
    'read_timeout_s',
    'retries',
    'max_pool_connections',
)

_shared: weakref.WeakValueDictionary[Account, S3Client] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _begin_in_child() -> None:
    # A child must not speak on the connections of its parent.
    _shared.clear()
    _lock.release()


# Held across a fork, so that the child does not begin with a lock that a thread of the parent holds.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_in_child)


@dataclass(frozen=True)
class Account:
    """Whom to talk to, and how: the part of a configuration that a client is made from."""

    settings: tuple[Any, ...] = field(repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any], **instead: Any) -> Account:
        """The account of *config*, with *instead* in the place of some of its settings."""
        given = {**config, **instead}
        # One of the two is enough for the store to check a body: a checksum sent along, or its hash in the signature.
        given['signs_bodies'] = given.get('request_checksums') == 'when_required'
        if given.get('request_checksums') is None:
            # Many S3-compatible stores refuse the checksums that newer versions of boto3 send unasked.
            given['request_checksums'] = 'when_required' if given.get('endpoint') else 'when_supported'
        return cls(tuple(given.get(key) for key in _DECIDING))

    @property
    def client(self) -> S3Client:
        """The client that everyone in this process with this account shares; keep it to keep its connections."""
        with _lock:
            client = _shared.get(self)
            if client is None:
                client = _shared[self] = cast('S3Client', self._make('client'))
            return client

    def bucket(self, name: str) -> Any:
        """boto3's resource for a bucket."""
        return self._make('resource').Bucket(name)

    def _make(self, kind: str) -> Any:
        hide_tokens()
        given = dict(zip(_DECIDING, self.settings, strict=True))
        core = botocore.session.get_session()
        core.register_component('response_parser_factory', Parsers())
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=given['access_key'],
            aws_secret_access_key=given['secret_key'],
            aws_session_token=given['session_token'],
            region_name=given['region'],
            profile_name=given['profile'],
        )
        s3: Any = {
            'addressing_style': given['addressing_style'],
            'payload_signing_enabled': given['signs_bodies'],
        }
        made = getattr(session, kind)(
            's3',
            endpoint_url=given['endpoint'],
            config=Config(
                s3=s3,
                # Ready-made: botocore puts its own together anew for each request, which costs a tenth of a small one.
                user_agent=f'flask-fs-s3 Boto3/{boto3.__version__} Botocore/{botocore.__version__}',
                signature_version=given['signature_version'],
                request_checksum_calculation=given['request_checksums'],
                response_checksum_validation=given['request_checksums'],
                connect_timeout=given['connect_timeout_s'],
                read_timeout=given['read_timeout_s'],
                retries={'mode': 'standard', 'total_max_attempts': given['retries'] + 1},
                max_pool_connections=given['max_pool_connections'],
            ),
        )
        client = made.meta.client if kind == 'resource' else made
        client.meta.events.register('before-call.s3.DeleteObjects', _add_content_md5)
        if kind == 'client':
            client.meta.events.register('after-call.s3', check)
            client.meta.events.register_first('needs-retry.s3', check_redirect)
        return made


def _add_content_md5(params: dict[str, Any], **_: Any) -> None:
    # S3 asked for it until boto3 replaced it by another checksum, which older stores do not know.
    digest = hashlib.md5(params['body'], usedforsecurity=False).digest()
    params['headers']['Content-MD5'] = base64.b64encode(digest).decode()
