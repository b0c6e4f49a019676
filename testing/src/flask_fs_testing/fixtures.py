"""pytest fixtures for services: those that environment variables name, or else real servers started for the run.

=========================  ==============================================================================
``s3_service``             ``FS_TEST_S3_ENDPOINT``, ``FS_TEST_S3_ACCESS_KEY``, ``FS_TEST_S3_SECRET_KEY``,
                           ``FS_TEST_S3_REGION`` (us-east-1); else SeaweedFS
``gcs_service``            ``FS_TEST_GCS_ENDPOINT``, ``FS_TEST_GCS_PROJECT`` (testing); else fake-gcs-server
``swift_service``          ``FS_TEST_SWIFT_AUTHURL``, ``FS_TEST_SWIFT_USER``, ``FS_TEST_SWIFT_KEY``; else Swift
``swift_s3_service``       the S3 API of the Swift of ``swift_service``
``mongo_service``          ``FS_TEST_MONGO_URL``; else SecantusDB, which is compatible with MongoDB
``azure_service``          ``FS_TEST_AZURE_ENDPOINT``, ``FS_TEST_AZURE_ACCOUNT``, ``FS_TEST_AZURE_KEY``; else Azurite
``postgres_service``       ``FS_TEST_POSTGRES_URL``; else PostgreSQL
``mariadb_service``        ``FS_TEST_MARIADB_URL``; else MariaDB
``postgres_url``           a new database of ``postgres_service`` for each test
``mariadb_url``            a new database of ``mariadb_service`` for each test
``moto_service``           moto's server
``moto_in_process``        moto inside this process
``mongomock_in_process``   mongomock inside this process
=========================  ==============================================================================

If a service is not available, the test is skipped, or fails if ``FS_TEST_SERVICES=required``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, NoReturn, TypeVar
from unittest import mock

import pytest

from .servers import (
    AzureService,
    AzuriteServer,
    FakeGCSServer,
    GCSService,
    MariadbServer,
    MongoService,
    MotoServer,
    PostgresServer,
    S3Service,
    SeaweedServer,
    SecantusServer,
    Server,
    ServerMissing,
    SQLService,
    SwiftServer,
    SwiftService,
    shared,
)

S = TypeVar('S')


@pytest.fixture(scope='session')
def s3_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """A real S3-compatible server, shared by the run."""
    service_type = functools.partial(S3Service, region=os.environ.get('FS_TEST_S3_REGION', 'us-east-1'))
    variables = ('FS_TEST_S3_ENDPOINT', 'FS_TEST_S3_ACCESS_KEY', 'FS_TEST_S3_SECRET_KEY')
    yield from _service(SeaweedServer(), service_type, variables, request, tmp_path_factory)


@pytest.fixture(scope='session')
def gcs_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCSService]:
    """An emulator of Google Cloud Storage, shared by the run."""
    service_type = functools.partial(GCSService, project=os.environ.get('FS_TEST_GCS_PROJECT', 'testing'))
    yield from _service(FakeGCSServer(), service_type, ('FS_TEST_GCS_ENDPOINT',), request, tmp_path_factory)


@pytest.fixture(scope='session')
def swift_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftService]:
    """A real OpenStack Swift, shared by the run."""
    variables = ('FS_TEST_SWIFT_AUTHURL', 'FS_TEST_SWIFT_USER', 'FS_TEST_SWIFT_KEY')
    yield from _service(SwiftServer(), SwiftService, variables, request, tmp_path_factory)


@pytest.fixture(scope='session')
def swift_s3_service(swift_service: SwiftService) -> S3Service:
    """The S3 API of Swift: a second real S3-compatible server, with other gaps than the first."""
    if swift_service.s3_endpoint is None:
        pytest.skip('The Swift of FS_TEST_SWIFT_AUTHURL is not known to support S3.')
    return S3Service(swift_service.s3_endpoint, swift_service.user, swift_service.key)


@pytest.fixture(scope='session')
def mongo_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoService]:
    """A MongoDB-compatible server, shared by the run."""
    yield from _service(SecantusServer(), MongoService, ('FS_TEST_MONGO_URL',), request, tmp_path_factory)


@pytest.fixture(scope='session')
def azure_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureService]:
    """A storage account of Azure on an emulator, shared by the run."""
    variables = ('FS_TEST_AZURE_ENDPOINT', 'FS_TEST_AZURE_ACCOUNT', 'FS_TEST_AZURE_KEY')
    yield from _service(AzuriteServer(), AzureService, variables, request, tmp_path_factory)


@pytest.fixture(scope='session')
def postgres_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLService]:
    """A real PostgreSQL, shared by the run."""
    yield from _service(PostgresServer(), SQLService, ('FS_TEST_POSTGRES_URL',), request, tmp_path_factory)


@pytest.fixture(scope='session')
def mariadb_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLService]:
    """A real MariaDB, shared by the run."""
    yield from _service(MariadbServer(), SQLService, ('FS_TEST_MARIADB_URL',), request, tmp_path_factory)


@pytest.fixture
def postgres_url(postgres_service: SQLService, fresh_name: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, for SQLAlchemy. It is dropped after the test, even with open connections."""
    with _database(postgres_service, fresh_name, 'DROP DATABASE "{}" WITH (FORCE)') as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_service: SQLService, fresh_name: str) -> Iterator[str]:
    """The URL of an empty MariaDB database, for SQLAlchemy. It is dropped after the test."""
    with _database(mariadb_service, fresh_name, 'DROP DATABASE `{}`') as url:
        yield url


@contextlib.contextmanager
def _database(service: SQLService, name: str, drop: str) -> Generator[str]:
    """A new database of *service*, until the end of the block."""
    sqlalchemy = _module('sqlalchemy', PostgresServer.install)
    url = sqlalchemy.make_url(service.url)
    _module(url.get_dialect().driver, PostgresServer.install)
    name = name.replace('-', '_')
    engine = sqlalchemy.create_engine(url, isolation_level='AUTOCOMMIT', poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {name}')
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(drop.format(name))


@pytest.fixture(scope='session')
def moto_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """An imitation of S3 in a separate process, shared by the run."""
    yield from _service(MotoServer(), S3Service, (), request, tmp_path_factory)


@pytest.fixture
def moto_in_process() -> Iterator[S3Service]:
    """An imitation of S3 inside this process, empty for each test: requests of boto3 to AWS do not leave the process."""
    moto = _module('moto', SeaweedServer.install)
    with moto.mock_aws(), _one_at_a_time(_module('moto.s3.responses', SeaweedServer.install).S3Response):
        yield S3Service('https://s3.us-east-1.amazonaws.com', 'testing', 'testing')


@contextlib.contextmanager
def _one_at_a_time(responder: type) -> Generator[None]:
    """Let only one request at a time access moto's objects.

    Otherwise another thread could write between a condition and the write that it guards, and a listing fails if a key is
    removed meanwhile.
    """
    lock = threading.RLock()

    def alone(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return method(*args, **kwargs)

        return call

    # Both run after the body has been read, because reading it might wait for another thread.
    steps = ('_bucket_response', '_key_response')
    with mock.patch.multiple(responder, **{step: alone(getattr(responder, step)) for step in steps}):
        yield


@pytest.fixture
def mongomock_in_process() -> Any:
    """A class to use instead of ``pymongo.MongoClient``, with the part of GridFS that mongomock supports.

    That is ``gridfs.GridFS``; ``gridfs.GridFSBucket`` does not work with it.
    """
    install = "pip install 'flask-fs-testing[gridfs]'"
    mongomock = _module('mongomock', install)
    _module('mongomock.gridfs', install).enable_gridfs_integration()
    return mongomock.MongoClient


@pytest.fixture
def fresh_name() -> str:
    """A name that no test has used before, valid for a bucket, a container, a database or a collection."""
    return f'flask-fs-test-{secrets.token_hex(6)}'


def _service(
    server: Server[S],
    service_type: Callable[..., S],
    variables: tuple[str, ...],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[S]:
    """The service that environment *variables* name, or else *server*, started by the first worker that needs it."""
    if variables and os.environ.get(variables[0]):
        yield service_type(*(_needed(name, variables[0]) for name in variables))
        return
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, 'workerinput'):
        # Each worker of pytest-xdist has a separate folder in that of the run.
        folder = folder.parent
    try:
        with shared(server, service_type, folder) as service:
            yield service
    except ServerMissing as missing:
        _unavailable(str(missing))


def _needed(name: str, other: str) -> str:
    """The environment variable *name*, which *other* requires."""
    if value := os.environ.get(name):
        return value
    pytest.fail(f'{other} is set, but {name} is not. Set both, or neither.', pytrace=False)


def _module(name: str, install: str) -> Any:
    """A module that an extra of the kit installs, imported when a test requests it."""
    try:
        return pytest.importorskip(name, reason=f'{name} is not installed. Install it with: {install}')
    except pytest.skip.Exception as missing:
        _unavailable(str(missing))


def _unavailable(message: str) -> NoReturn:
    """Skip the test, unless the run requires all services."""
    if os.environ.get('FS_TEST_SERVICES') == 'required':
        pytest.fail(f'{message}\nThis is a failure because FS_TEST_SERVICES=required.', pytrace=False)
    pytest.skip(message)
