"""The cost of calls on small files in S3, compared to boto3's client and resource, with the same configuration.

It starts SeaweedFS, whose CPU time does not count.
"""

from __future__ import annotations

import argparse
import gc
import io
import itertools
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from measuring import Measure, cpu_s, in_turn, machine, report
from s3_bucket import BUCKET, SMALL, BucketAccess

from flask_fs_testing.servers import S3Service, SeaweedServer

KEYS = [f'many/{number:04}.bin' for number in range(2500)]
TIMES = 20
CLIENT, RESOURCE, OURS = "boto3's client", "boto3's resource", 'Flask-FS'


def compare(
    title: str,
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    times: int = TIMES,
    before: Callable[[], object] = int,
) -> None:
    """Report the CPU time of each of *calls*, as the means of *times* calls, each after one of *before*.

    Within a round they take turns after each single call: requests cost more or less from one second to the next, by
    more than what is to be seen here.
    """

    def one(name: str) -> Measure:
        def measure() -> float:
            before()
            start = cpu_s()
            calls[name]()
            return cpu_s() - start

        return measure

    contenders = {name: one(name) for name in calls}
    gc.collect()
    gc.disable()
    try:
        measured = in_turn(contenders, rounds=rounds * times)
    finally:
        gc.enable()
    seconds = {
        name: [statistics.fmean(each[start : start + times]) for start in range(0, len(each), times)]
        for name, each in measured.items()
    }
    report(title, seconds, reference=CLIENT, limit=1.05)


def compare_reading(access: BucketAccess, rounds: int) -> None:
    """Report what single calls cost that need an object and leave it as it is."""
    storage, client, resource = access.storage, access.client, access.resource
    name = 'small.bin'
    here = {'Bucket': BUCKET, 'Key': name}
    access.put((name,))
    assert storage.read(name) == SMALL

    def by_client() -> bytes:
        content: bytes = client.get_object(**here)['Body'].read()
        return content

    def by_resource() -> bytes:
        content: bytes = resource.Object(BUCKET, name).get()['Body'].read()
        return content

    calls: dict[str, Callable[[], object]] = {
        CLIENT: by_client,
        OURS: lambda: storage.read(name),
        f'{OURS}, read_chunks()': lambda: b''.join(storage.read_chunks(name)),
        RESOURCE: by_resource,
    }
    compare('read, 1 KiB', calls, rounds)
    calls = {
        CLIENT: lambda: client.head_object(**here),
        f'{OURS}, stat()': lambda: storage.stat(name),
        f'{OURS}, exists()': lambda: storage.exists(name),
        f'{OURS}, metadata()': lambda: storage.metadata(name)['size'],
        RESOURCE: lambda: resource.Object(BUCKET, name).load(),
    }
    compare('head_object', calls, rounds)
    calls = {
        CLIENT: lambda: client.copy_object(Bucket=BUCKET, Key='copied.bin', CopySource=here),
        OURS: lambda: storage.copy(name, 'copied.bin'),
        RESOURCE: lambda: resource.Object(BUCKET, 'copied.bin').copy_from(CopySource=here),
    }
    compare('copy', calls, rounds)


def compare_writing(access: BucketAccess, rounds: int) -> None:
    """Report what storing 1 KiB costs; with the same type and metadata, but boto3's callers are given the checksum."""
    storage, client, resource = access.storage, access.client, access.resource
    here = {'Bucket': BUCKET, 'Key': 'written.bin'}
    storage.write('written.bin', SMALL)
    written = client.head_object(**here)
    same = {'ContentType': written['ContentType'], 'Metadata': written['Metadata']}
    calls: dict[str, Callable[[], object]] = {
        CLIENT: lambda: client.put_object(**here, Body=SMALL, **same),
        OURS: lambda: storage.write('written.bin', SMALL),
        f'{OURS}, save(stream)': lambda: storage.save(io.BytesIO(SMALL), 'written.bin'),
        RESOURCE: lambda: resource.Object(BUCKET, 'written.bin').put(Body=SMALL, **same),
        f'{CLIENT}, without type and metadata': lambda: client.put_object(**here, Body=SMALL),
    }
    compare('write, 1 KiB', calls, rounds)
    new = map('new/{}.bin'.format, itertools.count())
    calls = {
        CLIENT: lambda: client.put_object(Bucket=BUCKET, Key=next(new), Body=SMALL, IfNoneMatch='*', **same),
        OURS: lambda: storage.save(io.BytesIO(SMALL), next(new), overwrite=False),
        RESOURCE: lambda: resource.Object(BUCKET, next(new)).put(Body=SMALL, IfNoneMatch='*', **same),
    }
    compare('save, 1 KiB, create-only', calls, rounds)


def compare_deleting(access: BucketAccess, rounds: int) -> None:
    """Report what deleting a file and all under it costs, where there is nothing under it."""
    client, resource = access.client, access.resource

    def by_client(key: str) -> None:
        client.list_objects_v2(Bucket=BUCKET, Prefix=f'{key}/')
        client.delete_object(Bucket=BUCKET, Key=key)

    def by_resource(key: str) -> None:
        resource.Bucket(BUCKET).objects.filter(Prefix=f'{key}/').delete()
        resource.Object(BUCKET, key).delete()

    key = 'doomed.bin'
    calls: dict[str, Callable[[], object]] = {
        CLIENT: lambda: by_client(key),
        OURS: lambda: access.storage.delete(key),
        RESOURCE: lambda: by_resource(key),
    }
    compare('delete: list, then delete', calls, rounds, before=lambda: access.put((key,)))


def compare_listing(access: BucketAccess, rounds: int) -> None:
    """Report what listing costs by three pages."""
    storage, client, resource = access.storage, access.client, access.resource
    access.put(KEYS)

    def by_client() -> list[str]:
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = client.list_objects_v2(Bucket=BUCKET, Prefix='many/', **more)
            found += [each['Key'] for each in page['Contents']]
            if not page['IsTruncated']:
                return found
            more['ContinuationToken'] = page['NextContinuationToken']

    calls: dict[str, Callable[[], object]] = {
        CLIENT: by_client,
        f'{OURS}, list_files()': lambda: list(storage.list_files('many/')),
        f'{OURS}, scan()': lambda: list(storage.scan('many/')),
        RESOURCE: lambda: [each.key for each in resource.Bucket(BUCKET).objects.filter(Prefix='many/')],
    }
    assert by_client() == list(storage.list_files('many/')) == KEYS
    compare(f'list, {len(KEYS):,} keys', calls, rounds, times=1)


def compare_signing(access: BucketAccess, rounds: int) -> None:
    """Report what links cost, for which nothing is sent."""
    here = {'Bucket': BUCKET, 'Key': 'small.bin'}
    config = access.storage.config
    service = S3Service(config.endpoint, config.access_key, config.secret_key, config.region)
    elsewhere = BucketAccess(service, public_endpoint='https://files.example').storage
    calls: dict[str, Callable[[], object]] = {
        CLIENT: lambda: access.client.generate_presigned_url('get_object', Params=here),
        OURS: lambda: access.storage.signed_url('small.bin'),
        f'{OURS}, with a public endpoint': lambda: elsewhere.signed_url('small.bin'),
    }
    compare('signed_url', calls, rounds)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f'{machine()}; boto3 {boto3.__version__}; {rounds} rounds\n')
    with SeaweedServer() as server:
        access = BucketAccess(server.service)
        access.client.create_bucket(Bucket=BUCKET)
        for compare_some in (compare_reading, compare_writing, compare_deleting, compare_listing, compare_signing):
            compare_some(access, rounds)


if __name__ == '__main__':
    main()
