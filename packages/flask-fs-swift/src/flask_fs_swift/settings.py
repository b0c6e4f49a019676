"""The settings of a storage on Swift."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask_fs.config import Setting, at_least, boolean, folder, mapping, one_of, seconds, text, whole_number

#: The largest object that Swift takes in one piece, unless its operator lowered the limit.
MOST_SEGMENT_BYTES = 5 * 1024**3


def http_url(value: Any) -> str:
    """The address of an HTTP service; a slash at its end is dropped."""
    expected = "an address that begins with 'http://' or 'https://'"
    try:
        url = text(value).rstrip('/')
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ('http', 'https') or not parts.netloc:
        raise ValueError(expected)
    if '@' in parts.netloc:
        # Libraries quote addresses in messages and logs, and signed links begin with one.
        raise ValueError(f'{expected}, without user and password')
    return url


def auth_version(value: Any) -> str:
    """The version of authentication, however it is written."""
    version = str(value).strip().lower().removeprefix('v').removesuffix('.0')
    if version not in ('1', '2', '3'):
        raise ValueError("'1' (X-Auth-User and X-Auth-Key), '2' or '3' (Keystone)")
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


def _setting(key: str, parse: Any, default: Any, doc: str, *, required: bool = False, secret: bool = False) -> Setting:
    return Setting(key, parse, default, doc, required=required, everywhere=False, secret=secret)


SETTINGS = (
    _setting('authurl', http_url, None, 'Where to authenticate, such as https://host/auth/v1.0.', required=True),
    _setting('user', text, None, 'The user; with version 1 as account:user.', required=True),
    _setting('key', text, None, "The user's key or password.", required=True, secret=True),
    _setting('auth_version', auth_version, '1', 'The version of authentication: 1, or 2 or 3 for Keystone.'),
    _setting('tenant_name', text, None, 'The tenant or project, with Keystone.'),
    _setting('region_name', text, None, 'The region to use, if Keystone knows several.'),
    _setting(
        'os_options',
        mapping,
        {},
        'More for Keystone, such as user_domain_name, project_id, endpoint_type.',
        secret=True,
    ),
    _setting('storage_url', http_url, None, 'The address of the account; default: the one that authentication tells.'),
    _setting('cacert', folder, None, 'A file of certificates to check TLS against.'),
    _setting('insecure', boolean, False, 'Whether certificates go unchecked.'),
    _setting('container', container, None, "The container; default: the storage's name."),
    _setting(
        'segments_container', container, None, "The container of large files' segments; default: CONTAINER_segments."
    ),
    _setting('create_container', boolean, True, 'Whether the first write makes a container that is missing.'),
    _setting(
        'segment_bytes',
        at_least(1, MOST_SEGMENT_BYTES),
        256 * 1024**2,
        'Files above this size are stored in segments of it.',
    ),
    _setting(
        'etag_mismatch_policy',
        one_of('log', 'raise', 'raise_and_delete'),
        'raise_and_delete',
        'What to do when the store tells another MD5 than that of what was sent.',
    ),
    _setting('temp_url_key', text, None, 'The TempURL key of the container or account: signs links.', secret=True),
    _setting('temp_url_digest', one_of('sha256', 'sha512', 'sha1'), 'sha256', 'The digest of signed links.'),
    _setting('public_endpoint', http_url, None, 'Where browsers reach the cluster, for signed links.'),
    _setting('pool_size', at_least(1), 10, 'The most connections of one process.'),
    _setting('pool_timeout_s', seconds, 30.0, 'How long to wait for one of them.'),
    _setting('timeout_s', seconds, 60.0, 'How long the store may be silent; ten times that while it copies.'),
    _setting('retries', whole_number, 3, 'How often to try again when the store is busy or the connection is lost.'),
)
