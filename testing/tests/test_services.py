"""What the fixtures for services give works, with the client that people use for it."""

from __future__ import annotations

import json
import time
from concurrent import futures
from typing import Any

import pytest
from round_trips import round_trip, s3_client, s3_round_trip

from flask_fs_testing.servers import (
    AzureService,
    GCSService,
    MongoService,
    S3Service,
    SeaweedServer,
    SQLService,
    SwiftServer,
    SwiftService,
)

pytestmark = pytest.mark.slow


def test_s3(s3_service: S3Service, fresh_name: str) -> None:
    assert round_trip(s3_service, fresh_name) == b'hello'


def test_swift(swift_service: SwiftService, fresh_name: str) -> None:
    assert round_trip(swift_service, fresh_name) == b'hello'


def test_swift_as_s3(swift_s3_service: S3Service, fresh_name: str) -> None:
    assert round_trip(swift_s3_service, fresh_name) == b'hello'


def test_azure(azure_service: AzureService, fresh_name: str) -> None:
    assert round_trip(azure_service, fresh_name) == b'hello'


def test_gcs(gcs_service: GCSService, fresh_name: str) -> None:
    assert round_trip(gcs_service, fresh_name) == b'hello'


def test_mongo(mongo_service: MongoService, fresh_name: str) -> None:
    assert round_trip(mongo_service, fresh_name) == b'hello'


def test_postgres(postgres_service: SQLService) -> None:
    assert round_trip(postgres_service) == b'hello'


def test_mariadb(mariadb_service: SQLService) -> None:
    assert round_trip(mariadb_service) == b'hello'


@pytest.mark.parametrize('fixture', ['postgres_url', 'mariadb_url'])
@pytest.mark.parametrize('time', ['first', 'second'])
def test_each_test_has_an_empty_database(fixture: str, time: str, request: pytest.FixtureRequest) -> None:
    """The round trip makes a table, which in a database of an earlier test would be there already."""
    url = request.getfixturevalue(fixture)
    service = SQLService(url)
    assert url not in repr(service)
    assert round_trip(service) == b'hello'


def test_moto(moto_service: S3Service, fresh_name: str) -> None:
    assert round_trip(moto_service, fresh_name) == b'hello'


@pytest.mark.parametrize('time', ['first', 'second'])
def test_moto_in_process_is_empty_each_time(moto_in_process: S3Service, time: str) -> None:
    client = s3_client(moto_in_process)
    assert client.list_buckets()['Buckets'] == []
    assert s3_round_trip(moto_in_process, 'bucket') == b'hello'


def test_moto_in_process_has_one_winner(moto_in_process: S3Service, monkeypatch: pytest.MonkeyPatch) -> None:
    moto_models = pytest.importorskip('moto.s3.models')
    client = s3_client(moto_in_process)
    client.create_bucket(Bucket='bucket')
    get_object = moto_models.S3Backend.get_object

    def slowly(*args: Any, **kwargs: Any) -> Any:
        # The condition was checked; the write comes only when another thread had its time.
        key = get_object(*args, **kwargs)
        time.sleep(0.05)
        return key

    monkeypatch.setattr(moto_models.S3Backend, 'get_object', slowly)

    def create(number: int) -> int:
        try:
            client.put_object(Bucket='bucket', Key='a', Body=bytes([number]), IfNoneMatch='*')
        except client.exceptions.ClientError:
            return 0
        return 1

    with futures.ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(create, range(4))) == 1


def test_mongomock_has_gridfs(mongomock_in_process: Any) -> None:
    gridfs = pytest.importorskip('gridfs')
    files = gridfs.GridFS(mongomock_in_process()['database'])
    files.put(b'hello', filename='a.txt')
    assert files.get_last_version('a.txt').read() == b'hello'


def test_credentials_are_text_where_they_are_read_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask reads environment variables so, and of sixteen hexadecimal digits some are a number."""
    monkeypatch.setattr('secrets.token_hex', lambda size: '1' * 2 * size)
    seaweed, swift = SeaweedServer(), SwiftServer()
    for credential in (seaweed._access_key, seaweed._secret_key, swift._key):
        with pytest.raises(ValueError, match='Expecting value'):
            json.loads(credential)
