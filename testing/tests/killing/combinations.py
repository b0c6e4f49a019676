"""Databases and stores for the trials."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from flask_fs_testing.servers import MongoService, S3Service

__all__ = ['DATABASES', 'STORES', 'settings']

DATABASES = ('sqlite', 'sqlite-two', 'postgres', 'mariadb')
STORES = ('local', 's3', 'gridfs')


def settings(store: str, service: Any, folder: Path) -> dict[str, Any]:
    """The configuration of an application that stores files in *store*, in a place that nobody used before."""
    fresh = f'flask-fs-test-{secrets.token_hex(6)}'
    if isinstance(service, S3Service):
        return {
            'FS_BACKEND': 's3',
            'FS_S3_ENDPOINT': service.endpoint,
            'FS_S3_ACCESS_KEY': service.access_key,
            'FS_S3_SECRET_KEY': service.secret_key,
            'FS_S3_REGION': service.region,
            'FS_S3_BUCKET_NAME': fresh,
        }
    if isinstance(service, MongoService):
        return {'FS_BACKEND': 'gridfs', 'FS_GRIDFS_MONGO_URL': service.url, 'FS_GRIDFS_MONGO_DB': fresh}
    assert store == 'local'
    return {'FS_BACKEND': 'local', 'FS_ROOT': str(folder / 'files')}
