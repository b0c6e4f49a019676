"""The cost of uploads and downloads of large files in S3, compared to boto3's transfers, and their memory.

It starts SeaweedFS, whose CPU time does not count.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import boto3
from measuring import Measure, cost_of, in_turn, machine, passing_folder, report
from s3_bucket import BUCKET, BucketAccess

from flask_fs_testing.servers import S3Service, SeaweedServer

BLOCK = os.urandom(1024 * 1024)
UPLOAD, DOWNLOAD = 'upload_fileobj()', 'download_fileobj()'


class OnlyRead:
    """A source of *size* bytes that does not say how many there are."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        chunk = BLOCK[: min(self._left, len(BLOCK), size if size >= 0 else self._left)]
        self._left -= len(chunk)
        return chunk


def transfers(access: BucketAccess, folder: str, size: int) -> dict[str, Callable[[], object]]:
    """Ways to store *size* bytes, from a file that is named by their number, and to read an object so named to nowhere."""
    storage, client, key = access.storage, access.client, str(size)
    new = map(f'new/{os.getpid()}-{size}-{{}}'.format, itertools.count())

    def upload() -> None:
        with open(f'{folder}/{key}', 'rb') as file:
            client.upload_fileobj(file, BUCKET, 'theirs')

    def save() -> None:
        with open(f'{folder}/{key}', 'rb') as file:
            storage.save(file, 'ours')

    def download() -> None:
        with open(os.devnull, 'wb') as nowhere:
            client.download_fileobj(BUCKET, key, nowhere)

    def open_and_read() -> None:
        with storage.open(key, 'rb') as file:
            drain(iter(lambda: file.read(len(BLOCK)), b''))

    def drain(pieces: Iterable[bytes]) -> None:
        with open(os.devnull, 'wb', buffering=0) as nowhere:
            if size != sum(map(nowhere.write, pieces)):
                sys.exit(f'{key} bytes were stored, and another number was read.')

    return {
        UPLOAD: upload,
        'storage.save(open file)': save,
        'storage.save(object with only read)': lambda: storage.save(OnlyRead(size), 'ours'),
        'storage.save(object with only read), create-only': lambda: storage.save(
            OnlyRead(size), next(new), overwrite=False
        ),
        DOWNLOAD: download,
        "get_object()['Body']": lambda: drain(
            client.get_object(Bucket=BUCKET, Key=key)['Body'].iter_chunks(len(BLOCK))
        ),
        'storage.open()': open_and_read,
        'storage.read_chunks()': lambda: drain(storage.read_chunks(key)),
    }


def prepare(access: BucketAccess, folder: str, size: int) -> None:
    """Make the file and the object that :func:`transfers` need."""
    with open(f'{folder}/{size}', 'w+b') as file:
        file.writelines(itertools.repeat(BLOCK, size // len(BLOCK)))
        file.seek(0)
        access.client.upload_fileobj(file, BUCKET, str(size))


def compare_transfers(access: BucketAccess, folder: str, size: int, rounds: int) -> None:
    """Report the CPU time and the wall time of large uploads and downloads."""
    acts = transfers(access, folder, size)
    names = list(acts)
    split = names.index(DOWNLOAD)
    for title, chosen in (('up', names[:split]), ('down', names[split:])):
        clock: dict[str, list[float]] = {name: [] for name in chosen}

        def contender(name: str, clock: Mapping[str, list[float]] = clock) -> Measure:
            def on_the_clock() -> None:
                start = time.perf_counter()
                acts[name]()
                clock[name].append(time.perf_counter() - start)

            # What the last upload left in memory goes to the disk now, and not while the next one is measured.
            return cost_of(on_the_clock, before=os.sync)

        seconds = in_turn({name: contender(name) for name in chosen}, rounds=rounds)
        what = f'{size >> 20} MiB {title}'
        report(f'{what}, CPU time', seconds, reference=chosen[0], limit=1.1)
        # As for the CPU time, the first round does not count.
        measured = {name: times[1:] for name, times in clock.items()}
        report(f'{what}, wall time', measured, reference=chosen[0], limit=1.1)


def growth(service: S3Service, folder: str, sizes: tuple[int, int], operation: str) -> int:
    """By how many bytes this process grows, at its peak, when it does *operation* again on a larger file."""
    small, large = (transfers(BucketAccess(service), folder, size)[operation] for size in sizes)
    small()
    Path('/proc/self/clear_refs').write_text('5')
    before = peak_bytes()
    large()
    return peak_bytes() - before


def peak_bytes() -> int:
    """The most memory that this process has held."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM'))


def compare_growth(service: S3Service, folder: str, sizes: tuple[int, int], operations: Iterable[str]) -> None:
    """Report how much memory each of *operations* takes, in a process of its own."""
    print(f'### {sizes[1] >> 20} MiB, growth of memory\n\n| contender | resident |\n|---|---:|')
    for operation in operations:
        # Not forked, which would begin with all the memory that is in use here.
        with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
            grown = pool.submit(growth, service, folder, sizes, operation).result()
        print(f'| {operation} | {grown / 2**20:.2f} MiB |', flush=True)
    print('\nTarget: less than 64 MiB.\n')


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--mebibytes', type=int, default=1024)
    arguments = parser.parse_args()
    size = arguments.mebibytes << 20
    print(f'{machine()}; boto3 {boto3.__version__}; {arguments.rounds} rounds\n')
    # What is replaced stays on the server's disk for a while.
    needed_bytes = (4 * arguments.rounds + 12) * size
    with passing_folder(needed_bytes=needed_bytes) as path, SeaweedServer() as server:
        service, folder = server.service, str(path)
        access = BucketAccess(service)
        access.client.create_bucket(Bucket=BUCKET)
        for each_size in (sizes := (len(BLOCK), size)):
            prepare(access, folder, each_size)
        compare_transfers(access, folder, size, arguments.rounds)
        compare_growth(service, folder, sizes, transfers(access, folder, size))


if __name__ == '__main__':
    main()
