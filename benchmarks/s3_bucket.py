"""A bucket on a SeaweedFS of its own, reached by a storage and by boto3: what both benchmarks of S3 measure."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config

import flask_fs as fs
from flask_fs_testing.servers import S3Service

BUCKET = 'files'
SMALL = bytes(range(256)) * 4


class BucketAccess:
    """One bucket, reached in every way: by a storage, and by a client and a resource of boto3 with the same Config."""

    def __init__(self, service: S3Service, **more: Any) -> None:
        account = {'access_key': service.access_key, 'secret_key': service.secret_key, 'region': service.region}
        settings = {'backend': 's3', 'bucket_name': BUCKET, 'endpoint': service.endpoint, **account, **more}
        self.storage = fs.Storage('files', fs.ALL, overwrite=True)
        config = {f'FILES_FS_{key.upper()}': value for key, value in settings.items()}
        self.storage.configure(SimpleNamespace(config=config))
        given: Any = {
            'endpoint_url': service.endpoint,
            'region_name': service.region,
            'aws_access_key_id': service.access_key,
            'aws_secret_access_key': service.secret_key,
            'config': same_config(self.storage.config),
        }
        self.client: Any = boto3.client('s3', **given)
        self.resource: Any = boto3.resource('s3', **given)

    def put(self, keys: Iterable[str]) -> None:
        """Store small objects under *keys*."""
        for key in keys:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=SMALL)


def same_config(options: Any) -> Config:
    """A Config of botocore's for the settings of a storage."""
    # The Config of a finished client would not do: it holds that one's User-Agent, which spares the next one making it.
    return Config(
        s3={'addressing_style': options.addressing_style},
        signature_version=options.signature_version,
        request_checksum_calculation='when_required',
        response_checksum_validation='when_required',
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={'mode': 'standard', 'total_max_attempts': options.retries + 1},
        max_pool_connections=options.max_pool_connections,
    )
