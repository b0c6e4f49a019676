"""The instructions of each operation of local storage on a file of 1 KiB, compared to legacy packages and plain Python.

Counted by valgrind, so the figures hardly depend on the machine. What the kernel does is not in them: `system_calls.py`
counts that.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import machine

#: In the order in which they can follow each other.
OPERATIONS = ('save', 'exists', 'read', 'replace', 'delete', 'write')
#: Content is only inspected where the name says what it is.
NAMES = ('name', 'folder/name', 'folder/name.txt')
#: Distributions with the same documented interface, and the package that each is imported as.
PEERS = {'flask-fs2': 'flask_fs', 'flask-storage': 'flask_storage'}
_TOTAL = re.compile(r'^(?:summary|totals): (\d+)', re.MULTILINE)
#: How often each operation is counted. The difference is free of what surrounds the loop.
FEW, MANY = 10, 60

# Calls getsid(), as nothing else does, around each loop: valgrind begins another count there. Every loop runs once before, for what Python loads,
# specializes or looks up at first use.
CHILD = f"""
import gc, importlib, io, itertools, os, sys

package, root = sys.argv[1:]
content = b'x' * 1024
streams = [io.BytesIO(content) for _ in range({MANY})]

if package == 'plain':
    def path(name):
        return os.path.join(root, name)

    def save(stream, name, mode='xb'):
        with open(path(name), mode) as file:
            file.write(stream.read())

    def replace(stream, name):
        save(stream, name, 'wb')

    def write(name, content):
        with open(path(name), 'xb') as file:
            file.write(content)

    def exists(name):
        return os.path.isfile(path(name))

    def read(name):
        with open(path(name), 'rb') as file:
            return file.read()

    def delete(name):
        os.unlink(path(name))
else:
    from flask import Flask

    fs = importlib.import_module(package)
    storage = fs.Storage('files', fs.ALL)
    app = Flask('counted', instance_path=root)
    app.config['FS_ROOT'] = root
    fs.init_app(app, storage)
    app.app_context().push()
    save, write, exists, read, delete = storage.save, storage.write, storage.exists, storage.read, storage.delete

    def replace(stream, name):
        save(stream, name, overwrite=True)

    root = os.path.join(root, 'files')


def run(operation, names):
    for stream in streams:
        stream.seek(0)
    os.getsid(0)
    if operation in ('save', 'replace'):
        act = save if operation == 'save' else replace
        for stream, name in zip(streams, names):
            act(stream, name)
    elif operation == 'write':
        for name in names:
            write(name, content)
    else:
        act = globals()[operation]
        for name in names:
            act(name)
    os.getsid(0)


os.makedirs(os.path.join(root, 'folder'), exist_ok=True)
gc.disable()
for count, name in itertools.product(({MANY}, {FEW}, {MANY}), {NAMES}):
    names = [name.replace('name', str(number)) for number in range(count)]
    for operation in {OPERATIONS}:
        run(operation, names)
        # Each was done, or the count is about nothing.
        there = sum(os.path.exists(os.path.join(root, name)) for name in names)
        assert there == (0 if operation == 'delete' else count), (operation, there)
    for name in names:
        os.unlink(os.path.join(root, name))
"""


def count(python: str, package: str) -> dict[str, float]:
    """The instructions that one call of each operation takes, by the *package* that *python* can import."""
    with tempfile.TemporaryDirectory() as folder:
        out, root = Path(folder, 'counts'), Path(folder, 'root')
        root.mkdir()
        valgrind = ['valgrind', '--quiet', '--tool=callgrind', f'--callgrind-out-file={out}', '--dump-before=getsid']
        # The order of sets, and so the work with them, is the same in every run.
        environ = {**os.environ, 'PYTHONHASHSEED': '0'}
        command = [*valgrind, python, '-c', CHILD, package, str(root)]
        subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
        # The last one is written at the end of the process, without a number.
        dumps = [Path(f'{out}.{number + 1}') for number in range(2 * 3 * len(NAMES) * len(OPERATIONS))]
        totals = [int(_TOTAL.search(dump.read_text())[1]) for dump in dumps]  # type: ignore[index]  # each has one
    loops = totals[1::2]
    rows = [f'{operation} {name}' for name in NAMES for operation in OPERATIONS]
    few, many = loops[len(rows) : -len(rows)], loops[-len(rows) :]
    return {row: (more - less) / (MANY - FEW) for row, less, more in zip(rows, few, many, strict=True)}


def peers(folder: Path) -> dict[str, tuple[str, str]]:
    """The Python and the package of each peer that can be installed, in an environment of its own in *folder*."""
    found = {}
    for distribution, package in PEERS.items():
        python = folder / distribution / 'bin' / 'python'
        try:
            venv.create(folder / distribution, with_pip=True)
            pip = [str(python), '-m', 'pip', 'install', '-qq', '--disable-pip-version-check', distribution]
            subprocess.run(pip, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            subprocess.run([str(python), '-c', f'import {package}'], check=True, stderr=subprocess.PIPE, text=True)
        except subprocess.CalledProcessError as error:
            print(f'Without {distribution}: {_last_line(error)}\n')
        else:
            found[distribution] = (str(python), package)
    return found


def _last_line(error: subprocess.CalledProcessError) -> str:
    return str((error.stderr.strip().splitlines() or [error])[-1])


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--no-peers', action='store_true', help='install no other packages')
    alone = parser.parse_args().no_peers
    if shutil.which('valgrind') is None:
        sys.exit('This needs valgrind.')
    print(f'{machine()}\n')
    with tempfile.TemporaryDirectory(prefix='flask-fs-benchmark-') as folder, ThreadPoolExecutor(2) as pool:
        contenders = {'Flask-FS': (sys.executable, 'flask_fs'), 'plain Python': (sys.executable, 'plain')}
        contenders |= {} if alone else peers(Path(folder))
        counting = {name: pool.submit(count, *contender) for name, contender in contenders.items()}
        counts: dict[str, dict[str, float]] = {}
        for name, counted in counting.items():
            try:
                counts[name] = counted.result()
            except subprocess.CalledProcessError as error:
                if name not in PEERS:
                    raise
                print(f'Without {name}: {_last_line(error)}\n')
    print(f'| thousand instructions | {" | ".join(counts)} |')
    print(f'|---|{"---:|" * len(counts)}')
    for row in next(iter(counts.values())):
        cells = (f'{found[row] / 1000:.1f}' for found in counts.values())
        print(f'| {row} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
