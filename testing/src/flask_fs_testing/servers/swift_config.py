"""The configuration of a small Swift, all in one folder, so that the system's is not read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ['MAKE_RINGS', 'PARTS', 'files']

PARTS = ('account', 'container', 'object', 'proxy')

#: Run in a separate Python: its arguments are the folder and three ports.
MAKE_RINGS = """
import os, sys
from swift.common.ring import RingBuilder

folder, *ports = sys.argv[1:]
for name, port in zip(('account', 'container', 'object'), ports):
    builder = RingBuilder(2, 1, 0)
    where = {'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port)}
    builder.add_dev({'id': 0, 'device': 'd1', 'weight': 1, **where})
    builder.rebalance()
    builder.get_ring().save(os.path.join(folder, name + '.ring.gz'))
"""

_SWIFT = """
[swift-hash]
swift_hash_path_suffix = tests
swift_hash_path_prefix = tests

[storage-policy:0]
name = default
default = yes
"""

_COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
{user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
workers = 0
log_level = WARNING
log_requests = false
bind_timeout = 2
"""

_STORAGE = """
[pipeline:main]
pipeline = healthcheck {part}-server

[app:{part}-server]
use = egg:swift#{part}
recon_cache_path = {folder}

[filter:healthcheck]
use = egg:swift#healthcheck
"""

#: Replaces memcached, without which the proxy requests account and container again for each object. Nothing expires:
#: all changes pass through the proxy, which then deletes what it has cached.
_CACHE = """
import copy

class Cache:
    def __init__(self):
        self._values = {}

    def get(self, key, **_):
        return copy.deepcopy(self._values.get(key))

    def set(self, key, value, **_):
        self._values[key] = copy.deepcopy(value)

    def delete(self, key, **_):
        self._values.pop(key, None)

def filter_factory(*_, **__):
    cache = Cache()
    def with_cache(app):
        def call(environ, start_response):
            environ['swift.cache'] = cache
            return app(environ, start_response)
        return call
    return with_cache
"""

#: Imported by each process before its server: nothing waits for the disk, because the data is thrown away with the folder.
#: Fewer garbage collections make a request 5% faster. eventlet rounds the time until the next timer down to milliseconds, and so
#: polls without a pause in the last one: each request sets a dozen timeouts, which stay until their time although it is over.
_NO_SYNC = """
import gc
import math
import os
from eventlet.hubs import poll
from swift.common import db

os.fsync = os.fdatasync = lambda _: None
connect = db.get_db_connection

def connect_without_sync(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.execute('PRAGMA synchronous = OFF')
    connection.execute('PRAGMA journal_mode = MEMORY')
    return connection

db.get_db_connection = connect_without_sync
poll.Hub.do_poll = lambda self, seconds: self.poll.poll(math.ceil(seconds * 1000))
gc.set_threshold(20_000, 50, 100)
"""

# In the order that Swift requires.
_FILTERS = (
    'catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl formpost s3api '
    'tempauth copy slo dlo versioned_writes symlink'
)

_OPTIONS = {
    's3api': ['s3_acl = false', 'location = us-east-1'],
    'tempauth': [
        'user_{user} = {key} .admin',
        'storage_url_scheme = http',
        # Because there is no memcached: tokens that need no storage.
        'active_fernet_key_id = k1',
        'fernet_key_k1 = {fernet_key}',
    ],
    'versioned_writes': ['allow_versioned_writes = true'],
}

_PROXY_SERVER = """
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
# There is only one node: after errors it would be avoided, and every response would be a 503.
error_suppression_interval = 0
error_suppression_limit = 1000000
"""


def files(folder: Path, ports: Mapping[str, int], user: str, key: str, fernet_key: str) -> dict[str, str]:
    """The text of each configuration file, by name."""
    # Its processes run in this folder, so they can import from it.
    texts = {'swift.conf': _SWIFT, 'memory_cache.py': _CACHE, 'no_sync.py': _NO_SYNC}
    for part in PARTS:
        common = _COMMON.format(port=ports[part], user=_run_as(), folder=folder)
        rest = _proxy(user, key, fernet_key) if part == 'proxy' else _STORAGE.format(part=part, folder=folder)
        texts[f'{part}.conf'] = common + rest
    return texts


def _proxy(user: str, key: str, fernet_key: str) -> str:
    values = {'user': user.replace(':', '_'), 'key': key, 'fernet_key': fernet_key}
    lines = ['[pipeline:main]', f'pipeline = {_FILTERS} proxy-server']
    for name in _FILTERS.split():
        factory = 'paste.filter_factory = memory_cache:filter_factory'
        lines += ['', f'[filter:{name}]', factory if name == 'cache' else f'use = egg:swift#{name.replace("-", "_")}']
        lines += [option.format(**values) for option in _OPTIONS.get(name, [])]
    return '\n'.join([*lines, _PROXY_SERVER])


def _run_as() -> str:
    """The user of its processes: without this line, Swift switches to the user ``swift``."""
    import pwd

    return f'user = {pwd.getpwuid(os.getuid()).pw_name}'
