"""Mistakes in the settings, and what the error says about them. The server is a real Swift."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import flask_fs as fs
from flask_fs_swift import SwiftBackend
from flask_fs_testing.servers import SwiftService

AUTHURL = 'check DOCS_FS_AUTHURL or FS_SWIFT_AUTHURL'
STORAGE_URL = 'check DOCS_FS_STORAGE_URL or FS_SWIFT_STORAGE_URL'


def make(**settings: Any) -> SwiftBackend:
    return SwiftBackend('docs', {'user': 'a:b', 'key': 'hidden', 'retries': 0, **settings})


def error_of(**settings: Any) -> fs.FSError:
    with pytest.raises(fs.FSError) as raised:
        make(**settings).read('x')
    assert 'hidden' not in str(raised.value)
    return raised.value


def test_a_server_that_is_not_there_is_reported_with_the_setting_of_its_url() -> None:
    error = error_of(authurl='http://127.0.0.1:9/auth/v1.0')
    assert isinstance(error, fs.Unavailable)
    assert str(error).endswith(f'(swift): the connection failed or was closed; {AUTHURL}.')


def test_https_for_a_server_without_tls_is_reported_with_the_setting_of_its_url(swift_service: SwiftService) -> None:
    error = error_of(authurl=swift_service.auth_url.replace('http:', 'https:'))
    assert isinstance(error, fs.Unavailable)
    assert str(error).endswith(f'; {AUTHURL}.')


def test_a_wrong_url_of_the_account_is_reported_with_its_setting(swift_service: SwiftService) -> None:
    login = {'authurl': swift_service.auth_url, 'user': swift_service.user, 'key': swift_service.key}
    error = error_of(**login, storage_url='http://127.0.0.1:9/v1/AUTH_a')
    assert isinstance(error, fs.Unavailable)
    assert str(error).endswith(f'; {STORAGE_URL}.')


def test_a_url_of_another_account_is_reported_with_its_setting(swift_service: SwiftService) -> None:
    login = {'authurl': swift_service.auth_url, 'user': swift_service.user, 'key': swift_service.key}
    other = swift_service.auth_url.replace('/auth/v1.0', '/v1/AUTH_other')
    error = error_of(**login, storage_url=other)
    assert isinstance(error, fs.PermissionDenied)
    assert str(error).endswith(f"; {STORAGE_URL}, which must be the URL of the user's account.")


@pytest.mark.parametrize(('path', 'warns'), [('/v1/AUTH_a/docs/', True), ('/v1/docs', False), ('/v1/AUTH_a', False)])
def test_a_container_in_the_url_of_the_account_is_pointed_out(path: str, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        make(authurl='http://swift.test/auth/v1.0', storage_url=f'http://swift.test{path}')
    expected = "DOCS_FS_STORAGE_URL or FS_SWIFT_STORAGE_URL ends with 'docs', which every request adds to it"
    assert [str(warning.message).startswith(expected) for warning in found] == [True] * warns
