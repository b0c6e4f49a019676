"""Deleted files in a versioned bucket: S3 keeps the versions under a delete marker until they are removed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from flask_fs.backends import DeletedFile, batched
from flask_fs.errors import FileExists, FileNotFound, OperationNotSupported

from .bucket import Bucket
from .errors import code_of
from .removal import BATCH_KEYS, remove, remove_versions


class Versions:
    """The versions of the objects of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._are_kept = False

    def retain(self, key: str) -> None:
        """Hide an object under a delete marker. Nothing happens if the object does not exist.

        :raises OperationNotSupported: If the bucket is not versioned, so that the object would be lost.
        """
        if not self._are_kept:
            if self._bucket.request('get_bucket_versioning').get('Status') != 'Enabled':
                reason = (
                    f'bucket {self._bucket.name!r} is not versioned: enable versioning of the bucket, or set '
                    f"{self._bucket.settings}RETENTION_BY = 'copies'"
                )
                raise self._bucket.error(OperationNotSupported, key, reason)
            self._are_kept = True
        # S3 also adds delete markers for objects that do not exist.
        if self._bucket.find(key) is not None:
            remove(self._bucket, key)

    def deleted(self, prefix: str) -> Iterator[DeletedFile]:
        """The objects that are currently hidden by a delete marker and have at least one version."""
        marker: Any = None
        for page in self._pages(prefix):
            markers = {one['Key']: one for one in page.get('DeleteMarkers') or () if one['IsLatest']}
            if marker is not None:
                markers.setdefault(marker['Key'], marker)
            for version in page.get('Versions') or ():
                # The first version of a key is the newest.
                if (found := markers.pop(version['Key'], None)) is not None:
                    deleted = found['LastModified'].astimezone(datetime.timezone.utc)
                    yield DeletedFile(version['Key'], deleted, version['Size'], found['VersionId'])
            # The versions of the last key might be on the next page.
            marker = max(markers.values(), key=lambda one: one['Key'], default=None)

    def restore(self, file: DeletedFile) -> None:
        """Remove the delete marker of an object, so that its newest version is visible again.

        :raises FileNotFound: If the object has no versions left.
        :raises FileExists: If a new object was stored in the meantime.
        """
        versions, _ = self._of(file.name)
        if not versions:
            raise self._bucket.error(FileNotFound, file.name)
        # If there is a newer version, the marker hides nothing, and removing it does not affect that version.
        self._bucket.request('delete_object', file.name, VersionId=file.id)
        found = self._bucket.find(file.name)
        if found is None or found.get('VersionId') != versions[0]['VersionId']:
            raise self._bucket.error(FileExists, file.name)

    def purge(self, file: DeletedFile) -> None:
        """Remove all versions of an object that its delete marker hides, and then the marker."""
        versions, markers = self._of(file.name)
        if not any(one['IsLatest'] and one['VersionId'] == file.id for one in markers):
            # The file was restored or stored again, so the versions are now its history.
            return
        others = (one['VersionId'] for one in (*versions, *markers) if one['VersionId'] != file.id)
        for batch in batched(others, BATCH_KEYS):
            remove_versions(self._bucket, file.name, batch)
        # Removed last, because without the marker one of the others would be visible again.
        self._bucket.request('delete_object', file.name, VersionId=file.id)

    def _of(self, key: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The versions of an object, newest first, and its delete markers."""
        versions, markers = [], []
        for page in self._pages(key):
            versions += [one for one in page.get('Versions') or () if one['Key'] == key]
            markers += [one for one in page.get('DeleteMarkers') or () if one['Key'] == key]
            # Keys that begin with that key come after it.
            if page.get('NextKeyMarker') != key:
                break
        return versions, markers

    def _pages(self, prefix: str) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            try:
                page: dict[str, Any] = self._bucket.request('list_object_versions', Prefix=prefix, **more)
            except ClientError as error:
                if code_of(error) != 'NoSuchBucket':
                    raise
                return
            yield page
            if not page.get('IsTruncated') or not page.get('NextKeyMarker'):
                return
            more = {'KeyMarker': page['NextKeyMarker'], 'VersionIdMarker': page.get('NextVersionIdMarker') or ''}
