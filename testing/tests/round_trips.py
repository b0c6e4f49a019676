"""One file there and back, by the client that people use for each kind of service."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from flask_fs_testing.servers import AzureService, GCSService, MongoService, S3Service, SQLService, SwiftService


def s3_client(service: S3Service) -> Any:
    boto3 = pytest.importorskip('boto3')
    return boto3.client(
        's3',
        endpoint_url=service.endpoint,
        aws_access_key_id=service.access_key,
        aws_secret_access_key=service.secret_key,
        region_name=service.region,
    )


def s3_round_trip(service: S3Service, bucket: str) -> bytes:
    with contextlib.closing(s3_client(service)) as client:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key='folder/a.txt', Body=b'hello')
        with client.get_object(Bucket=bucket, Key='folder/a.txt')['Body'] as body:
            return bytes(body.read())


def swift_round_trip(service: SwiftService, container: str) -> bytes:
    swiftclient = pytest.importorskip('swiftclient')
    with contextlib.closing(swiftclient.Connection(service.auth_url, service.user, service.key)) as connection:
        connection.put_container(container)
        connection.put_object(container, 'folder/a.txt', b'hello')
        return bytes(connection.get_object(container, 'folder/a.txt')[1])


def gcs_round_trip(service: GCSService, bucket: str) -> bytes:
    storage, auth = pytest.importorskip('google.cloud.storage'), pytest.importorskip('google.auth.credentials')
    options = {'api_endpoint': service.endpoint}
    with storage.Client(service.project, auth.AnonymousCredentials(), client_options=options) as client:
        blob = client.create_bucket(bucket).blob('folder/a.txt')
        blob.upload_from_string(b'hello')
        return bytes(blob.download_as_bytes())


def mongo_round_trip(service: MongoService, database: str) -> bytes:
    pymongo, gridfs = pytest.importorskip('pymongo'), pytest.importorskip('gridfs')
    with pymongo.MongoClient(service.url) as client:
        files = gridfs.GridFSBucket(client[database])
        files.upload_from_stream('folder/a.txt', b'hello')
        with files.open_download_stream_by_name('folder/a.txt') as stream:
            return bytes(stream.read())


def azure_round_trip(service: AzureService, container: str) -> bytes:
    azure = pytest.importorskip('azure.storage.blob')
    with azure.BlobServiceClient.from_connection_string(service.connection_string) as client:
        client.create_container(container).upload_blob('folder/a.txt', b'hello')
        return bytes(client.get_blob_client(container, 'folder/a.txt').download_blob().readall())


def sql_round_trip(service: SQLService) -> bytes:
    sqlalchemy = pytest.importorskip('sqlalchemy')
    engine = sqlalchemy.create_engine(service.url, poolclass=sqlalchemy.NullPool)
    pytest.importorskip(engine.driver)
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE files (content VARCHAR(9))')
        connection.exec_driver_sql("INSERT INTO files VALUES ('hello')")
    with engine.begin() as connection:
        content = connection.exec_driver_sql('SELECT content FROM files').scalar_one()
        connection.exec_driver_sql('DROP TABLE files')
    return str(content).encode()


def round_trip(service: object, name: str = 'round-trip') -> bytes:
    if isinstance(service, SwiftService):
        return swift_round_trip(service, name)
    if isinstance(service, AzureService):
        return azure_round_trip(service, name)
    if isinstance(service, GCSService):
        return gcs_round_trip(service, name)
    if isinstance(service, MongoService):
        return mongo_round_trip(service, name)
    if isinstance(service, SQLService):
        return sql_round_trip(service)
    assert isinstance(service, S3Service)
    return s3_round_trip(service, name)


def as_s3(service: S3Service | SwiftService) -> S3Service:
    if isinstance(service, S3Service):
        return service
    assert service.s3_endpoint is not None
    return S3Service(service.s3_endpoint, service.user, service.key)
