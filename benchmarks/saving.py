"""The cost of saving 1 GiB, compared to copying it."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO

from measuring import Measure, cost_of, in_turn, machine, passing_folder, report
from werkzeug.datastructures import FileStorage

import flask_fs as fs

BLOCK = b'x' * (1024 * 1024)


def fill(file: IO[bytes], size: int) -> None:
    """Write *size* bytes, and go back to the beginning."""
    for _ in range(0, size, len(BLOCK)):
        file.write(BLOCK)
    file.seek(0)


def copy_file_range(source: str, target: str) -> None:
    """The obvious code: the kernel copies into a new file."""
    with open(source, 'rb', buffering=0) as read, open(target, 'xb', buffering=0) as written:
        while os.copy_file_range(read.fileno(), written.fileno(), 1 << 30):
            pass


def sendfile(source: str, target: str) -> None:
    """The same by the older way."""
    with open(source, 'rb', buffering=0) as read, open(target, 'xb', buffering=0) as written:
        while os.sendfile(written.fileno(), read.fileno(), None, 1 << 30):
            pass


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=12)
    parser.add_argument('--mebibytes', type=int, default=1024)
    arguments = parser.parse_args()
    size = arguments.mebibytes << 20
    print(f'{machine()}; {arguments.rounds} rounds\n')
    with passing_folder(needed_bytes=4 * size) as folder, tempfile.SpooledTemporaryFile(max_size=1024) as spool:
        source, root = str(folder / 'source'), folder / 'root'
        root.mkdir()
        with open(source, 'wb') as file:
            fill(file, size)
        fill(spool, size)
        # What was just written goes to the disk now, and not while somebody is measured.
        os.sync()
        storage = fs.Storage('files', fs.ALL)
        storage.configure(SimpleNamespace(config={'FILES_FS_ROOT': str(root)}))
        target = str(root / 'large')

        def contender(act: Callable[[], object]) -> Measure:
            return cost_of(act, before=lambda: remove(Path(target)))

        def save_file() -> None:
            with open(source, 'rb') as file:
                storage.save(file, 'large')

        def save_upload() -> None:
            spool.seek(0)
            storage.save(FileStorage(spool, filename='large'))

        def upload_by_hand() -> None:
            spool.seek(0)
            FileStorage(spool, filename='large').save(target)

        contenders = {
            'os.copy_file_range()': contender(lambda: copy_file_range(source, target)),
            'os.sendfile()': contender(lambda: sendfile(source, target)),
            'shutil.copyfile()': contender(lambda: shutil.copyfile(source, target)),
            "an upload's own save()": contender(upload_by_hand),
            'storage.save(open file)': contender(save_file),
            'storage.save(path)': contender(lambda: storage.save(Path(source), 'large')),
            'storage.save(upload)': contender(save_upload),
        }
        seconds = in_turn(contenders, rounds=arguments.rounds)
    report(f'Saving {arguments.mebibytes} MiB', seconds, reference='os.copy_file_range()', limit=1.05)


def remove(path: Path) -> None:
    """Remove a file, there or not."""
    path.unlink(missing_ok=True)


if __name__ == '__main__':
    main()
