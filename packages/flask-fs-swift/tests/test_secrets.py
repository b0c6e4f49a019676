"""Keys and tokens are in no text that the backend, its parts, its errors and the logs give of themselves."""

from __future__ import annotations

import logging
import traceback

import pytest

import flask_fs as fs
from flask_fs.backends import clients
from flask_fs_swift import SwiftBackend

SECRET = 'a-secret'


def shown(value, seen):
    """How *value* and the parts that it is made of are shown."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield repr(value)
    if isinstance(value, SwiftBackend) or type(value).__module__.startswith('flask_fs'):
        slots = {name: getattr(value, name) for name in getattr(value, '__slots__', ()) if name != '__weakref__'}
        parts = {**slots, **getattr(value, '__dict__', {})}
        yield repr(parts)
        for part in parts.values():
            yield from shown(part, seen)


@pytest.mark.slow
def test_no_part_of_a_backend_shows_a_secret(swift_harness, caplog):
    caplog.set_level(logging.DEBUG)
    backend = swift_harness.make(container=f'{swift_harness.container}-missing')
    backend.write('x', b'1')
    backend.read('x')
    backend.signed_url('x')
    secrets = (*swift_harness.secrets, backend._client.account.login.access().token)
    for secret in secrets:
        assert secret not in ''.join(shown(backend, {}))
        assert secret not in repr([reference() for reference in clients._registry.known])
        assert secret not in caplog.text
    assert 'flask_fs_swift.client.Account' in ''.join(shown(backend, {}))


SETTINGS = {'authurl': 'http://127.0.0.1:9/auth/v1.0', 'user': 'u', 'key': 'k', 'retries': 0}


@pytest.mark.parametrize(
    'more',
    [
        {'key': f'{SECRET}\n'},
        {'user': f'\n{SECRET}'},
        {'authurl': 'http://127.0.0.1:9/v3', 'auth_version': '3', 'tenant_name': 't', 'key': SECRET},
        {'authurl': f'http://u:{SECRET}@127.0.0.1:9/auth/v1.0'},
        {'authurl': f'http://u:{SECRET}@127.0.0.1:9/v3', 'auth_version': '3', 'tenant_name': 't'},
        {'storage_url': f'http://u:{SECRET}@127.0.0.1:9/v1'},
        {'public_endpoint': f'http://u:{SECRET}@127.0.0.1:9'},
        {'os_options': [SECRET]},
        {'os_options': f'{{"application_credential_secret": "{SECRET}"'},
        {'temp_url_key': [SECRET]},
    ],
)
def test_no_error_quotes_a_secret(more, caplog):
    caplog.set_level(logging.DEBUG)
    if more.get('auth_version') == '3':
        pytest.importorskip('keystoneauth1', reason='pip install flask-fs-swift[keystone]')
    with pytest.raises(fs.FSError) as caught:
        SwiftBackend('docs', {**SETTINGS, **more}).read('x')
    assert SECRET not in ''.join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


@pytest.mark.slow
def test_a_header_that_cannot_be_sent_is_not_quoted(swift_harness):
    container = f'{swift_harness.container}-missing'
    backend = swift_harness.make(temp_url_key=f'{SECRET}\n', container=container)
    with pytest.raises(fs.BackendError, match='cannot be sent in a header') as caught:
        backend.write('x', b'')
    assert SECRET not in ''.join(traceback.format_exception(caught.value))
