"""The fixtures for services: named ones are used, missing ones skip or fail, and workers share what is started."""

from __future__ import annotations

import os

import pytest

# Each test runs pytest once more.
pytestmark = pytest.mark.slow

S3_VARIABLES = ('FS_TEST_S3_ENDPOINT', 'FS_TEST_S3_ACCESS_KEY', 'FS_TEST_S3_SECRET_KEY', 'FS_TEST_S3_REGION')
SWIFT_VARIABLES = ('FS_TEST_SWIFT_AUTHURL', 'FS_TEST_SWIFT_USER', 'FS_TEST_SWIFT_KEY')
AZURE_VARIABLES = ('FS_TEST_AZURE_ENDPOINT', 'FS_TEST_AZURE_ACCOUNT', 'FS_TEST_AZURE_KEY')
VARIABLES = (
    *S3_VARIABLES,
    *SWIFT_VARIABLES,
    *AZURE_VARIABLES,
    'FS_TEST_GCS_ENDPOINT',
    'FS_TEST_MONGO_URL',
    'FS_TEST_SERVICES',
)

SMALL_FIXTURE = """
import pytest
from small_servers import NotInstalled, SmallServer, SmallService

from flask_fs_testing.fixtures import _service


@pytest.fixture(scope='session')
def small_service(request, tmp_path_factory):
    yield from _service(SmallServer(), SmallService, (), request, tmp_path_factory)


@pytest.fixture(scope='session')
def missing_service(request, tmp_path_factory):
    yield from _service(NotInstalled(), SmallService, (), request, tmp_path_factory)
"""


@pytest.fixture(autouse=True)
def no_service_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def kit(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A run of its own, with fixtures for the small servers besides the kit's."""
    monkeypatch.setenv('PYTHONPATH', os.path.dirname(__file__))
    # Of the plugins in this environment, those that matter here: loading all takes longer than the tests.
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')
    temporary = pytester.path / 'temporary'
    temporary.mkdir()
    monkeypatch.setenv('TMPDIR', str(temporary))
    pytester.makeini('[pytest]\nfilterwarnings = error\n')
    pytester.makeconftest(SMALL_FIXTURE)
    return pytester


def run(kit: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugins = ('-p', 'xdist', '-p', 'flask_fs_testing.fixtures', '-p', 'no:cacheprovider')
    return kit.runpytest_inprocess(*plugins, *arguments)


NAMED = """
def test_s3(s3_service):
    assert s3_service.endpoint == 'http://s3.test'
    assert [s3_service.access_key, s3_service.secret_key, s3_service.region] == ['key', 'hidden', 'eu-west-3']

def test_swift(swift_service):
    assert swift_service.auth_url == 'http://swift.test/auth/v1.0'
    assert [swift_service.user, swift_service.key] == ['me:too', 'hidden']

def test_azure(azure_service):
    assert [azure_service.endpoint, azure_service.account, azure_service.key] == ['http://azure.test', 'me', 'hidden']
    assert 'AccountKey=hidden' in azure_service.connection_string

def test_gcs(gcs_service):
    assert [gcs_service.endpoint, gcs_service.project] == ['http://gcs.test', 'photos']

def test_mongo(mongo_service):
    assert mongo_service.url == 'mongodb://me:hidden@mongo.test'
"""


def name_services(monkeypatch: pytest.MonkeyPatch) -> None:
    s3, azure = ('http://s3.test', 'key', 'hidden', 'eu-west-3'), ('http://azure.test', 'me', 'hidden')
    values = (*s3, 'http://swift.test/auth/v1.0', 'me:too', 'hidden', *azure)
    for variable, value in zip((*S3_VARIABLES, *SWIFT_VARIABLES, *AZURE_VARIABLES), values, strict=True):
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv('FS_TEST_GCS_ENDPOINT', 'http://gcs.test')
    monkeypatch.setenv('FS_TEST_GCS_PROJECT', 'photos')
    monkeypatch.setenv('FS_TEST_MONGO_URL', 'mongodb://me:hidden@mongo.test')


def test_services_named_by_the_environment_are_used(kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    name_services(monkeypatch)
    kit.makepyfile(NAMED)
    run(kit).assert_outcomes(passed=5)
    assert list((kit.path / 'temporary').glob('flask-fs-testing-*')) == []


def test_a_named_swift_is_not_known_to_speak_s3(kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    name_services(monkeypatch)
    kit.makepyfile('def test_it(swift_s3_service): pass')
    result = run(kit, '-rs')
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(['*The Swift of FS_TEST_SWIFT_AUTHURL is not known to support S3.*'])


def test_secrets_are_not_shown_when_a_test_fails(kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    name_services(monkeypatch)
    kit.makepyfile(
        'def test_it(s3_service, azure_service, swift_service, mongo_service):\n'
        '    assert not (s3_service, azure_service, swift_service, mongo_service)'
    )
    result = run(kit, '--showlocals')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*http://s3.test*'])
    result.stdout.no_fnmatch_line('*hidden*')


def test_a_named_service_without_its_key_is_an_error(kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('FS_TEST_S3_ENDPOINT', 'http://s3.test')
    kit.makepyfile('def test_it(s3_service): pass')
    result = run(kit)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ['*FS_TEST_S3_ENDPOINT is set, but FS_TEST_S3_ACCESS_KEY is not. Set both, or neither.']
    )


def test_a_missing_server_skips_and_says_what_to_install(kit: pytest.Pytester) -> None:
    kit.makepyfile('def test_one(missing_service): pass\ndef test_two(missing_service): pass')
    result = run(kit, '-rs')
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(['SKIPPED * Small is not installed. Install it with: pip install small'])


def test_a_missing_server_fails_where_services_are_required(
    kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('FS_TEST_SERVICES', 'required')
    kit.makepyfile('def test_it(missing_service): pass')
    result = run(kit)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*pip install small', '*This is a failure because FS_TEST_SERVICES=required.'])


@pytest.mark.parametrize('fixture', ['moto_in_process', 'mongomock_in_process'])
def test_a_missing_module_skips_or_fails_alike(
    kit: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixture: str
) -> None:
    # None in sys.modules is what Python takes for a module that is not there.
    kit.makeconftest('import sys\nsys.modules["moto"] = sys.modules["mongomock"] = None')
    kit.makepyfile(f'def test_it({fixture}): pass')
    result = run(kit, '-rs')
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * is not installed. Install it with: pip install 'flask-fs-testing*"])
    monkeypatch.setenv('FS_TEST_SERVICES', 'required')
    run(kit).assert_outcomes(errors=1)


# Workers

URLS = """
import os, pathlib, time

import pytest
from flask_fs_testing.servers.base import http_status


@pytest.mark.parametrize('number', range(8))
def test_it(small_service, number):
    assert http_status(int(small_service.url.rpartition(':')[2]), '/') == 200
    worker = os.environ['PYTEST_XDIST_WORKER']
    pathlib.Path(worker).write_text(small_service.url)
    # Until another worker was here too, so that one is not done with all tests before the next comes.
    deadline = time.monotonic() + 30
    while len(list(pathlib.Path().glob('gw*'))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
"""


def test_workers_share_one_server_that_ends_with_the_run(kit: pytest.Pytester) -> None:
    kit.makepyfile(URLS)
    run(kit, '-n', '3').assert_outcomes(passed=8)
    urls = [file.read_text() for file in kit.path.glob('gw*')]
    assert len(urls) >= 2
    assert len(set(urls)) == 1
    assert list((kit.path / 'temporary').glob('flask-fs-testing-*')) == []


CRASHING = """
import os, pathlib, signal

import pytest
from flask_fs_testing.servers.base import http_status


@pytest.mark.parametrize('number', range(8))
def test_it(small_service, number):
    assert http_status(int(small_service.url.rpartition(':')[2]), '/') == 200
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_that_is_killed_leaves_no_server_behind(kit: pytest.Pytester) -> None:
    kit.makepyfile(CRASHING)
    run(kit, '-n', '2').assert_outcomes(passed=7, failed=1)
    assert list((kit.path / 'temporary').glob('flask-fs-testing-*')) == []


def test_names_are_fresh_and_good_for_buckets_and_databases(kit: pytest.Pytester) -> None:
    kit.makepyfile("""
        import re

        seen = set()

        def test_one(fresh_name): check(fresh_name)

        def test_other(fresh_name): check(fresh_name)

        def check(name):
            assert re.fullmatch('[a-z0-9-]{3,38}', name)
            assert name not in seen
            seen.add(name)
    """)
    run(kit).assert_outcomes(passed=2)
