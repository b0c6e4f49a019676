"""Keystone's version 3, by a small Keystone that lets one user into a real Swift."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import flask_fs as fs

pytest.importorskip('keystoneauth1', reason='pip install flask-fs-swift[keystone]')

pytestmark = pytest.mark.slow

PASSWORD = 'a Keystone password'


class Keystone(ThreadingHTTPServer):
    """Responds to POST /v3/auth/tokens, and /v2.0/tokens, as Keystone does."""

    daemon_threads = True

    def __init__(self, swift: str, token: str) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.swift = swift
        self.token = token
        #: What each authentication requested authentication.
        self.logins: list[dict] = []

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_port}/v3'


class _Handler(BaseHTTPRequestHandler):
    server: Keystone
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        requested = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['auth']
        self.server.logins.append(requested)
        if self.path == '/v2.0/tokens':
            self._version_2(requested)
            return
        if self.path.startswith('/strange/'):
            self._respond(201, {})
            return
        if 'application_credential' in requested['identity']:
            user = {'name': 'demo', 'password': requested['identity']['application_credential']['secret']}
        else:
            user = requested['identity']['password']['user']
        if self.path != '/v3/auth/tokens' or user['password'] != PASSWORD:
            self._respond(401, {'error': {'code': 401, 'title': 'Unauthorized', 'message': 'no'}})
            return
        endpoints = [
            {'interface': interface, 'region': region, 'region_id': region, 'id': f'{interface}-{region}', 'url': url}
            for interface in ('public', 'internal')
            for region, url in (('one', self.server.swift), ('two', 'http://127.0.0.1:9/v1/AUTH_none'))
        ]
        token = {
            'methods': ['password'],
            'expires_at': '2100-01-01T00:00:00.000000Z',
            'issued_at': '2020-01-01T00:00:00.000000Z',
            'user': {'id': 'u', 'name': user['name'], 'domain': {'id': 'd', 'name': 'Default'}},
            'project': {'id': 'p', 'name': 'docs', 'domain': {'id': 'd', 'name': 'Default'}},
            'roles': [],
            'catalog': [{'type': 'object-store', 'name': 'swift', 'id': 's', 'endpoints': endpoints}],
        }
        self._respond(201, {'token': token}, {'X-Subject-Token': self.server.token})

    def _version_2(self, requested):
        if requested['passwordCredentials']['password'] != PASSWORD:
            self._respond(401, {'error': {'code': 401, 'title': 'Unauthorized', 'message': 'no'}})
            return
        endpoint = {'region': 'one', 'publicURL': self.server.swift}
        access = {
            'token': {
                'id': self.server.token,
                'expires': '2100-01-01T00:00:00Z',
                'issued_at': '2020-01-01T00:00:00Z',
                'tenant': {'id': 'p', 'name': 'docs'},
            },
            'user': {'id': 'u', 'name': 'demo', 'username': 'demo', 'roles': [], 'roles_links': []},
            'serviceCatalog': [{'type': 'object-store', 'name': 'swift', 'endpoints': [endpoint]}],
        }
        self._respond(200, {'access': access})

    def _respond(self, status, document, headers=None):
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {'Content-Type': 'application/json', **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def keystone(raw) -> Iterator[Keystone]:
    with Keystone(f'http://{raw.host}:{raw.port}{raw.account}', raw.token) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make(swift_harness, keystone):
    given = {
        'authurl': keystone.url, 'user': 'demo', 'key': PASSWORD, 'auth_version': '3', 'tenant_name': 'docs',
        'region_name': 'one', 'retries': 0,
    }  # fmt: skip
    return lambda **more: swift_harness.make(**{**given, **more})


def test_files_are_stored_by_a_token_of_keystone(make, keystone, swift_harness):
    backend = make()
    backend.write('x', b'1')
    assert backend.read('x') == swift_harness.get_raw('x') == b'1'
    [requested] = keystone.logins
    assert requested['identity']['password']['user'] == {
        'name': 'demo',
        'domain': {'name': 'Default'},
        'password': PASSWORD,
    }
    assert requested['scope'] == {'project': {'name': 'docs', 'domain': {'name': 'Default'}}}


def test_domains_and_a_project_can_be_set(make, keystone):
    options = {'user_domain_id': 'ud', 'project_id': 'pid', 'endpoint_type': 'internal'}
    make(tenant_name=None, os_options=options).exists('x')
    [requested] = keystone.logins
    assert requested['identity']['password']['user']['domain'] == {'id': 'ud'}
    assert requested['scope'] == {'project': {'id': 'pid'}}


def test_projects_may_be_called_tenants_among_the_options(make, keystone):
    make(tenant_name=None, os_options={'tenant_name': 'docs'}).exists('x')
    make(tenant_name=None, os_options={'tenant_id': 'pid', 'project_id': 'newer'}).exists('x')
    named, given = keystone.logins
    assert named['scope'] == {'project': {'name': 'docs', 'domain': {'name': 'Default'}}}
    assert given['scope'] == {'project': {'id': 'newer'}}


def test_version_2_is_spoken_too(make, keystone, swift_harness):
    backend = make(auth_version='2.0', authurl=keystone.url.removesuffix('/v3'))
    backend.write('x', b'1')
    assert swift_harness.get_raw('x') == b'1'
    assert keystone.logins[0]['tenantName'] == 'docs'
    with pytest.raises(fs.PermissionDenied):
        make(auth_version='2', authurl=keystone.url.removesuffix('/v3'), key='a wrong password').exists('x')


def test_an_application_credential_is_enough(make, keystone):
    options = {
        'auth_type': 'v3applicationcredential',
        'application_credential_id': 'an id',
        'application_credential_secret': PASSWORD,
    }
    backend = make(tenant_name=None, key='not used', os_options=options)
    backend.write('x', b'1')
    assert backend.read('x') == b'1'
    assert keystone.logins[0]['identity']['application_credential'] == {'id': 'an id', 'secret': PASSWORD}


def test_what_is_no_keystone_is_reported(make, swift_harness):
    with pytest.raises(fs.BackendError, match='AUTHURL'):
        make(authurl=f'http://{swift_harness.host}:{swift_harness.port}/healthcheck').exists('x')


def test_a_response_that_is_none_of_keystones_is_reported(make, keystone):
    with pytest.raises(fs.BackendError, match=r'the response is not from Keystone.*AUTHURL'):
        make(authurl=keystone.url.replace('/v3', '/strange/v3')).exists('x')


def test_a_catalogue_without_a_usable_url_is_reported(make, keystone):
    keystone.swift = '/v1/AUTH_test'
    with pytest.raises(fs.BackendError, match='no account URL'):
        make().exists('x')


def test_a_password_that_keystone_refuses_is_reported_without_it(make):
    with pytest.raises(fs.PermissionDenied) as caught:
        make(key='a wrong password').exists('x')
    assert 'KIT_FS_USER' in str(caught.value)
    assert 'a wrong password' not in f'{caught.value!r} {caught.value}'


def test_a_region_without_a_store_is_reported(make):
    with pytest.raises(fs.BackendError, match='region'):
        make(region_name='nowhere').exists('x')
    with pytest.raises(fs.Unavailable):
        make(region_name='two').exists('x')


def test_a_service_that_no_catalogue_has_is_reported(make):
    for service in ('', 'image'):
        with pytest.raises(fs.BackendError, match='no object store'):
            make(os_options={'service_type': service}).exists('x')


def test_a_keystone_that_is_not_there_is_unavailable(make):
    with pytest.raises(fs.Unavailable):
        make(authurl='http://127.0.0.1:9/v3').exists('x')


def test_a_link_is_signed_for_the_account_of_the_catalogue(make, keystone):
    path = keystone.swift.partition('//')[2].partition('/')[2]
    assert f'/{path}/' in make().signed_url('x')
