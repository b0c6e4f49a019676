"""The settings of a Swift storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_fs.settings import (
    Setting,
    at_least,
    boolean,
    folder,
    http_url,
    mapping,
    non_negative_int,
    one_of,
    seconds,
    text,
)

#: The maximum size of a single object in Swift, unless the operator lowered the limit.
MAX_SEGMENT_BYTES = 5 * 1024**3


def auth_version(value: Any) -> str:
    """The normalized authentication version: 1, 2, or 3."""
    version = str(value).strip().lower().removeprefix('v').removesuffix('.0')
    if version not in ('1', '2', '3'):
        raise ValueError("'1' (X-Auth-User and X-Auth-Key), '2', or '3' (Keystone)")
    return version


def container(value: Any) -> str:
    """The name of a container."""
    expected = "the name of a container: at most 256 bytes, without '/', and not '.' or '..'"
    try:
        name = text(value)
    except ValueError:
        raise ValueError(expected) from None
    if not name or '/' in name or name in ('.', '..') or not name.isprintable() or len(name.encode()) > 256:
        raise ValueError(expected)
    return name


SETTINGS = (
    Setting('authurl', http_url, None, 'The authentication URL, such as https://host/auth/v1.0.', required=True),
    Setting('user', text, None, 'The user. With version 1, account:user.', required=True),
    Setting('key', text, None, "The user's key or password.", required=True, secret=True),
    Setting('auth_version', auth_version, '1', 'The authentication version: 1, or 2 or 3 for Keystone.'),
    Setting('tenant_name', text, None, 'The Keystone tenant or project.'),
    Setting('region_name', text, None, 'The region to use, if Keystone has several.'),
    Setting(
        'os_options',
        mapping,
        {},
        'Additional options for Keystone, such as user_domain_name, project_id, or endpoint_type.',
        secret=True,
    ),
    Setting('storage_url', http_url, None, 'The URL of the account. If not set, authentication returns it.'),
    Setting('cacert', folder, None, 'A file of CA certificates for TLS.'),
    Setting('insecure', boolean, False, 'Whether to skip the verification of certificates.'),
    Setting('container', container, None, "The container. If not set, the storage's name."),
    Setting(
        'segments_container',
        container,
        None,
        "The container for the segments of large files. If not set, the container's name followed by _segments.",
    ),
    Setting('create_container', boolean, True, 'Whether the first write creates the container if it does not exist.'),
    Setting(
        'segment_bytes',
        at_least(1, MAX_SEGMENT_BYTES),
        256 * 1024**2,
        'The segment size, in bytes. Larger files are stored in segments.',
    ),
    Setting(
        'etag_mismatch_policy',
        one_of('log', 'raise', 'raise_and_delete'),
        'raise_and_delete',
        'What to do if the MD5 that the store returns differs from the MD5 of the uploaded content.',
    ),
    Setting('temp_url_key', text, None, 'The TempURL key of the container or account, which signs URLs.', secret=True),
    Setting('temp_url_digest', one_of('sha256', 'sha512', 'sha1'), 'sha256', 'The digest of signed URLs.'),
    Setting('public_endpoint', http_url, None, 'The URL of the cluster for browsers, used in signed URLs.'),
    Setting('pool_size', at_least(1), 10, 'The maximum number of connections per process.'),
    Setting('pool_timeout_s', seconds, 30.0, 'How long to wait for a free connection, in seconds.'),
    Setting(
        'timeout_s',
        seconds,
        60.0,
        'How long to wait for data from the store, in seconds. While the store copies, ten times as long.',
    ),
    Setting('retries', non_negative_int, 3, 'How often to retry when the store is busy or the connection is lost.'),
)
_ACCOUNT_SETTINGS = (
    'authurl', 'user', 'key', 'auth_version', 'tenant_name', 'region_name', 'os_options', 'storage_url', 'cacert',
    'insecure', 'timeout_s', 'retries', 'pool_size', 'pool_timeout_s',
)  # fmt: skip


class AccountSettings(dict[str, Any]):
    """The settings that identify a shared account. They include a password."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__((name, config.get(name)) for name in _ACCOUNT_SETTINGS)

    def __repr__(self) -> str:
        return f'<{type(self).__name__}>'
