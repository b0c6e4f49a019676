"""The cost of a folder page in S3, with 100,000 files below or in the folder: requests and wall time."""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import urllib3
from measuring import machine
from s3_bucket import BUCKET, BucketAccess

from flask_fs.backends import Folder
from flask_fs_testing.servers import SeaweedServer

FOLDERS = 1000
#: Pages of this size are what people look at.
PAGE = 50


def fill(access: BucketAccess, prefix: str, keys: Iterable[str]) -> None:
    """Store an empty object under each of *keys*: by forms, as signing each request would take as long as all the rest."""
    form = access.client.generate_presigned_post(BUCKET, f'{prefix}${{filename}}', ExpiresIn=86400)
    connections = urllib3.PoolManager(maxsize=8)

    def put(key: str) -> None:
        fields = {**form['fields'], 'key': key, 'file': ('file', b'')}
        response = connections.request('POST', form['url'], fields=fields)
        assert response.status == 204, response.data

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(put, keys):
            pass


def page_of(access: BucketAccess, prefix: str, after: str | None, limit: int) -> tuple[Folder, int, float]:
    """A page, how many requests it took, and how many milliseconds."""
    requests: list[Any] = []
    events = access.storage.backend._bucket.client.meta.events
    events.register('before-send.s3', handler := lambda **_: requests.append(1))
    try:
        start = time.perf_counter()
        page = access.storage.folder(prefix, after=after, limit=limit)
        return page, len(requests), (time.perf_counter() - start) * 1000
    finally:
        events.unregister('before-send.s3', handler)


def measure(title: str, get: Callable[[str | None], tuple[Folder, int, float]], pages: int) -> None:
    """Report what the first *pages* pages cost, or all, if there are fewer."""
    counts: list[int] = []
    times: list[float] = []
    after, entries = None, 0
    while not counts or (after is not None and len(counts) < pages):
        page, requests, took_ms = get(after)
        entries += len(page.files) + len(page.folders)
        counts.append(requests)
        times.append(took_ms)
        after = page.next
    cells = [title, str(len(counts)), f'{entries:,}', str(max(counts))]
    cells += [f'{value:.1f} ms' for value in (statistics.median(times), max(times), times[-1])]
    print(f'| {" | ".join(cells)} |', flush=True)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--files', type=int, default=100_000)
    files = parser.parse_args().files
    print(f'{machine()}; boto3 {boto3.__version__}; {files:,} files\n')
    with SeaweedServer() as server:
        access = BucketAccess(server.service)
        access.client.create_bucket(Bucket=BUCKET)
        fill(access, 'tree/', (f'tree/{number % FOLDERS:04}/{number:06}.jpg' for number in range(files)))
        fill(access, 'flat/', (f'flat/{number:06}.jpg' for number in range(files)))
        access.storage.exists('warm')
        print('| folder | pages | entries | max requests per page | median | slowest | last |')
        print('|---|---:|---:|---:|---:|---:|---:|')
        for limit in (PAGE, 1000):
            for prefix, title in (
                ('', f'the top, {2 * files:,} files below'),
                ('tree', f'{FOLDERS:,} subfolders, {files:,} files below'),
                ('tree/0500', f'{files // FOLDERS} files'),
                ('flat', f'{files:,} files'),
            ):
                measure(
                    f'{title}, by {limit}',
                    functools.partial(page_of, access, prefix, limit=limit),
                    pages=-(-files // limit),
                )
        start = time.perf_counter()
        usage = access.storage.usage('flat/')
        print(f'\nusage() of {usage.files:,} files: {time.perf_counter() - start:.1f} s')


if __name__ == '__main__':
    main()
