"""boto3 clients, with secrets removed from their debug messages."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config

from flask_fs.backends import SharedClient, hide_in_logs, shared_client

from .responses import Parsers, check, check_redirect

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: The settings that must be equal for two configurations to share a client.
_DECIDING = (
    'endpoint', 'region', 'access_key', 'secret_key', 'session_token', 'profile', 'addressing_style',
    'signature_version', 'request_checksums', 'signs_bodies', 'connect_timeout_s', 'read_timeout_s', 'retries',
    'max_pool_connections',
)  # fmt: skip
#: The botocore loggers that log requests and what is signed.
_LOGGERS = ('botocore.auth', 'botocore.endpoint')
_TOKEN = re.compile(r"""(x-amz-security-token['"]?\s*[:=]\s*(?:b?['"])?)[^\s'"&,)}]+""", re.IGNORECASE)


def client_for(config: Mapping[str, Any], **instead: Any) -> SharedClient[S3Client]:
    """The client shared by everything with this configuration, with some of its settings replaced by *instead*."""
    return shared_client(_make_client, _deciding(config, **instead))


def bucket_resource(config: Mapping[str, Any], name: str) -> Any:
    """boto3's resource for a bucket."""
    return _make('resource', _deciding(config)).Bucket(name)


def _deciding(config: Mapping[str, Any], **instead: Any) -> dict[str, Any]:
    settings = {**config, **instead}
    # The store needs only one of the two to verify a body: a checksum, or the hash in the signature.
    settings['signs_bodies'] = settings.get('request_checksums') == 'when_required'
    if settings.get('request_checksums') is None:
        # Many S3-compatible stores refuse the checksums that newer versions of boto3 send by default.
        settings['request_checksums'] = 'when_required' if settings.get('endpoint') else 'when_supported'
    return {key: settings.get(key) for key in _DECIDING}


def _make_client(settings: dict[str, Any]) -> S3Client:
    client = _make('client', settings)
    client.meta.events.register('after-call.s3', check)
    client.meta.events.register_first('needs-retry.s3', check_redirect)
    return cast('S3Client', client)


def _make(kind: str, given: dict[str, Any]) -> Any:
    hide_in_logs(_TOKEN, *_LOGGERS)
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
    s3: Any = {'addressing_style': given['addressing_style'], 'payload_signing_enabled': given['signs_bodies']}
    made = getattr(session, kind)(
        's3',
        endpoint_url=given['endpoint'],
        config=Config(
            s3=s3,
            # botocore would build its own for each request, which takes a tenth of the time of a small request.
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
    return made


def _add_content_md5(params: dict[str, Any], **_: Any) -> None:
    # S3 required Content-MD5 until boto3 replaced it with another checksum, which older stores do not support.
    digest = hashlib.md5(params['body'], usedforsecurity=False).digest()
    params['headers']['Content-MD5'] = base64.b64encode(digest).decode()
