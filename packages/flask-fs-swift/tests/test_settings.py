"""Settings: wrong and missing ones are reported when the backend is made, secrets never. No request is sent."""

from __future__ import annotations

import gc
import importlib.util
import io
import pickle
import weakref

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Capability, Source
from flask_fs_swift import ETagMismatchError, SwiftBackend

GIVEN = {'authurl': 'http://127.0.0.1:9/auth/v1.0', 'user': 'test:tester', 'key': 'a secret key'}


def make(**more: object) -> SwiftBackend:
    return SwiftBackend('docs', {**GIVEN, **more})


def test_the_documented_path_gives_the_backend_and_its_error():
    from flask_fs.backends import swift

    assert SwiftBackend is swift.SwiftBackend
    assert ETagMismatchError is swift.ETagMismatchError
    assert issubclass(ETagMismatchError, fs.ChecksumMismatch)


def test_the_error_of_a_mismatch_survives_pickling():
    error = ETagMismatchError('x', storage='docs', backend='swift', reason='why')
    again = pickle.loads(pickle.dumps(error))
    assert ETagMismatchError is type(again)
    assert str(error) == str(again)
    assert str(ETagMismatchError()) == ''


def test_missing_settings_are_all_named():
    with pytest.raises(fs.ConfigurationError) as caught:
        SwiftBackend('docs', {})
    for key in ('AUTHURL', 'USER', 'KEY'):
        assert f'needs DOCS_FS_{key} or FS_SWIFT_{key}' in str(caught.value)


@pytest.mark.parametrize(
    ('key', 'value', 'expected'),
    [
        ('authurl', 'swift.example.com', "'http://' or 'https://'"),
        ('auth_version', '4', "'1'"),
        ('container', 'a/b', "without '/'"),
        ('container', '..', "without '/'"),
        ('container', 7, 'the name of a container'),
        ('segment_bytes', 6 * 1024**3, 'from 1 to 5368709120'),
        ('segment_bytes', 0, 'from 1 to 5368709120'),
        ('etag_mismatch_policy', 'ignore', "'raise_and_delete'"),
        ('os_options', 'text', 'a dictionary'),
        ('temp_url_digest', 'md5', "'sha256'"),
        ('pool_size', 0, '1 or more'),
        ('timeout_s', 0, 'more than 0'),
        ('retries', -1, '0 or more'),
        ('segments_container', 'docs', 'to another container'),
        ('auth_version', '3', 'needs DOCS_FS_TENANT_NAME or FS_SWIFT_TENANT_NAME'),
        ('public_endpoint', 'http://[', "'http://' or 'https://'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_it_must_be(key, value, expected):
    with pytest.raises(fs.ConfigurationError) as caught:
        make(**{key: value})
    assert f'DOCS_FS_{key.upper()}' in str(caught.value) or 'DOCS_FS_TENANT_NAME' in str(caught.value)
    assert expected in str(caught.value)


def test_settings_from_the_environment_are_text():
    backend = make(auth_version='v1.0', retries='2', create_container='no', os_options='{"region_name": "x"}')
    assert (backend.config.auth_version, backend.config.retries, backend.config.create_container) == ('1', 2, False)


def test_no_secret_is_shown():
    backend = make(temp_url_key='another secret')
    shown = [
        repr(backend),
        repr(backend._client.account),
        repr(backend._client.account.login),
        repr(backend._client.account.pool),
    ]
    for wrong in ({'key': 7}, {'temp_url_key': 7}):
        with pytest.raises(fs.ConfigurationError) as caught:
            make(**wrong)
        shown.append(str(caught.value))
        assert ' = 7' not in shown[-1]
    assert not any('secret' in text for text in shown)


def test_the_container_is_named_after_the_storage_unless_set():
    assert make().container == 'docs'
    assert make(container='other').container == 'other'


def test_links_are_signed_by_the_store_only_with_a_key():
    assert Capability.SIGNED_URL not in make().capabilities
    assert Capability.SIGNED_URL in make(temp_url_key='k').capabilities
    with pytest.raises(fs.OperationNotSupported):
        make().signed_url('x')


def test_creating_is_not_promised_to_have_one_winner():
    assert Capability.ATOMIC_CREATE not in make().capabilities


def test_a_link_needs_no_request_where_the_account_is_set():
    backend = make(
        temp_url_key='k', storage_url='http://127.0.0.1:9/v1/AUTH_x', public_endpoint='https://files.example.com/'
    )
    link = backend.signed_url('a/é b.txt', download_name='ü.txt')
    assert link.startswith('https://files.example.com/v1/AUTH_x/docs/a/%C3%A9%20b.txt?temp_url_sig=')
    assert link.endswith('&filename=%C3%BC.txt')


def test_keystone_needs_its_client(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'keystoneauth1' else found(name))
    with pytest.raises(fs.ConfigurationError) as caught:
        make(auth_version='3', tenant_name='t')
    assert 'pip install flask-fs-swift[keystone]' in str(caught.value)


def test_backends_of_the_same_settings_share_their_connections_and_others_do_not():
    one, two, other = make(container='a'), make(container='b', prefix='p'), make(user='test:other')
    assert one._client.account is two._client.account
    assert one._client.account is not other._client.account


def test_connections_go_with_their_last_user():
    one, two = make(), make()
    account = weakref.ref(one._client.account)
    del one
    gc.collect()
    assert account() is not None
    del two
    gc.collect()
    assert account() is None


def test_hooks_let_no_dot_segment_through():
    backend = make()
    for name in ('../other/x', 'a/../../other', './x', '..'):
        for call in (backend._stat, backend._open, lambda name: backend._put(name, Source(io.BytesIO()), create=True)):
            with pytest.raises(ValueError, match='dot segment'):
                call(name)


def test_a_store_that_is_not_there_is_unavailable():
    backend = make(retries=0)
    for call in (backend.exists, backend.read, backend.stat, lambda name: list(backend.list_files(name))):
        with pytest.raises(fs.Unavailable) as caught:
            call('x')
        assert caught.value.__cause__ is not None
        assert 'the connection failed' in str(caught.value)


def test_a_login_without_its_certificates_is_unavailable():
    backend = make(authurl='https://127.0.0.1:9/auth/v1.0', cacert='/nowhere/ca.pem', retries=0)
    with pytest.raises(fs.Unavailable):
        backend.exists('x')


@pytest.mark.parametrize(
    'settings',
    [
        {'A_FS_CONTAINER': 'b'},
        {'A_FS_CONTAINER': 'b', 'A_FS_USER': 'test:another'},
        {'A_FS_CONTAINER': 'b', 'FS_SWIFT_STORAGE_URL': 'http://127.0.0.1:9/v1/AUTH_test', 'A_FS_USER': 'x:y'},
        {'FS_SWIFT_CONTAINER': 'box', 'A_FS_CONTAINER': 'box', 'A_FS_PREFIX': 'b'},
        {'A_FS_CONTAINER': 'b', 'A_FS_AUTHURL': 'http://Store/auth/v1.0', 'B_FS_AUTHURL': 'http://store:80/auth/v1.0/'},
        {'A_FS_CONTAINER': 'b', 'A_FS_STORAGE_URL': 'http://Store/v1/a', 'B_FS_STORAGE_URL': 'http://store:80/v1/a'},
        # One would list the segments of the other's large files.
        {'A_FS_CONTAINER': 'b_segments'},
        {'B_FS_CONTAINER': 'a_segments', 'B_FS_PREFIX': 'folder'},
        {'A_FS_SEGMENTS_CONTAINER': 'b'},
    ],
)
def test_two_storages_in_one_location_are_refused(settings):
    with pytest.raises(
        fs.ConfigurationError, match=r"'a' and 'b' \(swift\) would store their files in the same location"
    ):
        init_app_with(settings)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        {'FS_SWIFT_CONTAINER': 'box'},
        {'A_FS_CONTAINER': 'b', 'A_FS_PREFIX': 'a'},
        {'FS_SWIFT_SEGMENTS_CONTAINER': 'parts'},
        {'A_FS_CONTAINER': 'b_segments', 'A_FS_USER': 'other:tester'},
        {'A_FS_CONTAINER': 'b', 'A_FS_USER': 'other:tester'},
        {'A_FS_CONTAINER': 'b', 'A_FS_AUTHURL': 'http://127.0.0.1:8/auth/v1.0'},
        {'A_FS_CONTAINER': 'b', 'A_FS_REGION_NAME': 'north'},
    ],
)
def test_storages_with_containers_or_folders_of_their_own_are_accepted(settings):
    init_app_with(settings)


def init_app_with(settings):
    app = Flask('settings')
    app.config.update({f'FS_SWIFT_{key.upper()}': value for key, value in GIVEN.items()})
    app.config.update(FS_BACKEND=SwiftBackend, **settings)
    fs.init_app(app, fs.Storage('a'), fs.Storage('b'))


def test_the_location_of_files_is_described_without_secrets():
    assert make().describe_location() == 'docs/ at 127.0.0.1:9'
    given = {'prefix': 'tenants/7', 'container': 'box', 'storage_url': 'https://swift.test/v1/AUTH_a'}
    assert make(**given).describe_location() == 'box/tenants/7/ at swift.test'
