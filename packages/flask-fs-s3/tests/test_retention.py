"""Deleted files on S3: kept under another name, or as versions of their bucket."""

from __future__ import annotations

from typing import Any

import pytest

import flask_fs as fs

pytestmark = pytest.mark.slow


@pytest.fixture(params=['copies', 'versions'])
def deleting(seaweed: Any, request: pytest.FixtureRequest) -> Any:
    """A storage on SeaweedFS that keeps what is deleted, with another one's files beside its own."""
    seaweed.client.put_object(Bucket=seaweed.bucket, Key='beside', Body=b'')
    if request.param == 'versions':
        seaweed.client.put_bucket_versioning(Bucket=seaweed.bucket, VersioningConfiguration={'Status': 'Enabled'})
    storage = fs.Storage('kit', fs.ALL)
    app = seaweed.make_app(storage, prefix='tenants/7', retention_days=7, retention_by=request.param)
    with app.app_context():
        yield storage


def names(storage: Any) -> list[str]:
    return sorted(file.name for file in storage.backend.deleted())


def test_what_is_deleted_can_be_restored(deleting: Any) -> None:
    deleting.write('d/a.txt', 'a')
    deleting.write('d/b.txt', 'b')
    deleting.delete('d')
    assert list(deleting.list_files()) == []
    assert names(deleting) == ['d/a.txt', 'd/b.txt']
    assert [file.size for file in deleting.backend.deleted('d/a')] == [1]

    deleting.backend.restore('d/a.txt')
    assert deleting.read('d/a.txt') == b'a'
    assert names(deleting) == ['d/b.txt']


def test_restoring_never_replaces_a_file(deleting: Any) -> None:
    deleting.write('a.txt', 'old')
    deleting.remove('a.txt')
    deleting.write('a.txt', 'new')
    with pytest.raises(fs.FileExists):
        deleting.backend.restore('a.txt')
    assert deleting.read('a.txt') == b'new'


def test_what_was_never_there_cannot_be_restored(deleting: Any) -> None:
    deleting.remove('nothing')
    assert names(deleting) == []
    with pytest.raises(fs.FileNotFound):
        deleting.backend.restore('nothing')


def test_the_newest_one_is_restored(deleting: Any) -> None:
    for content in ('first', 'second', 'third'):
        deleting.write('a.txt', content)
        deleting.remove('a.txt')
    deleting.backend.restore('a.txt')
    assert deleting.read('a.txt') == b'third'


def test_purging_leaves_nothing_and_spares_all_others(deleting: Any, seaweed: Any) -> None:
    for name in ('a', 'a.txt', 'a/b', 'ab'):
        deleting.write(name, 'old')
        deleting.write(name, 'new', overwrite=True)
        deleting.remove(name)
    deleting.backend.purge('a')
    assert names(deleting) == ['a.txt', 'a/b', 'ab']
    for name in ('a.txt', 'a/b', 'ab'):
        deleting.backend.purge(name)
    assert names(deleting) == []
    page = seaweed.client.list_object_versions(Bucket=seaweed.bucket)
    left = {one['Key'] for kind in ('Versions', 'DeleteMarkers') for one in page.get(kind, [])}
    assert left == {'beside'}


def test_what_is_there_again_is_not_purged(deleting: Any) -> None:
    deleting.write('a.txt', 'old')
    deleting.remove('a.txt')
    deleting.backend.restore('a.txt')
    deleting.backend.purge('a.txt')
    assert deleting.read('a.txt') == b'old'


def test_what_was_kept_long_enough_is_swept(deleting: Any) -> None:
    deleting.write('a.txt', 'old')
    deleting.remove('a.txt')
    assert deleting.backend.sweep() == 0
    deleting.backend.config.retention_days = -1
    assert deleting.backend.sweep() == 1
    assert names(deleting) == []


def test_many_pages_are_listed(deleting: Any) -> None:
    written = [f'n/{number:03}' for number in range(75)]
    for name in written:
        deleting.write(name, '')
    deleting.delete_many(written)
    assert names(deleting) == written


def test_a_bucket_without_versions_refuses_to_delete(seaweed: Any) -> None:
    storage = fs.Storage('kit', fs.ALL)
    with seaweed.make_app(storage, retention_days=7, retention_by='versions').app_context():
        storage.write('a.txt', 'a')
        with pytest.raises(fs.OperationNotSupported, match='enable versioning'):
            storage.remove('a.txt')
        assert storage.read('a.txt') == b'a'
