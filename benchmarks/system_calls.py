"""The system calls of each operation of local storage on a file of 1 KiB, counted with strace."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from measuring import machine, passing_folder

# Runs each operation twice; the second time stands between two looks for files that are not there. What Python loads or
# looks up only once is no part of an operation.
OPERATIONS = """
import io, os, sys
from types import SimpleNamespace
import flask_fs as fs

root = sys.argv[1]
storage = fs.Storage('files', fs.ALL)
storage.configure(SimpleNamespace(config={'FILES_FS_ROOT': root + '/files', 'FILES_FS_URL': 'https://files.example'}))
content = b'x' * 1024
real = open(root + '/real', 'w+b')
real.write(content)
real.flush()


def save(name, **options):
    storage.save(io.BytesIO(content), name, **options)


def save_real(name):
    storage.save(real, name)


for name, operation in {
    'save, overwrite=False': lambda n: save(f'new{n}'),
    'save, overwrite=True, nothing there': lambda n: save(f'over{n}', overwrite=True),
    'save, overwrite=True, a file there': lambda n: save('over1', overwrite=True),
    'save a real file': lambda n: save_real(f'real{n}'),
    'save as a/b/name': lambda n: save(f'a/b/new{n}'),
    'save as a/b/name, neither folder there': lambda n: save(f'made{n}/b/new'),
    'read': lambda n: storage.read('new1'),
    'read a/b/name': lambda n: storage.read('a/b/new1'),
    'read_chunks': lambda n: list(storage.read_chunks('new1')),
    'exists': lambda n: storage.exists('new1'),
    'exists a/name': lambda n: storage.exists('a/b'),
    'stat': lambda n: storage.stat('new1'),
    'metadata, checksum not looked at': lambda n: storage.metadata('new1')['size'],
    'url': lambda n: storage.url('new1'),
    'copy': lambda n: storage.copy('new1', f'copied{n}'),
    'move': lambda n: storage.move(f'copied{n}', f'moved{n}'),
    'move, overwrite=True': lambda n: storage.move(f'moved{n}', 'over1', overwrite=True),
    'delete': lambda n: storage.delete(f'new{n}'),
    'list_files, for each folder': lambda n: list(storage.list_files('a/b/')),
}.items():
    for number in range(2):
        real.seek(0)
        os.access(f'begin {name}', 0)
        operation(number)
        os.access('end', 0)
"""
# What the memory allocator asks for depends on what else is in memory.
MEMORY = frozenset(('brk', 'madvise', 'mmap', 'mremap', 'munmap'))


def calls_of_operations() -> dict[str, list[str]]:
    """The system calls of each operation, in order."""
    with passing_folder() as folder:
        trace = folder / 'trace'
        subprocess.run(['strace', '-o', trace, sys.executable, '-c', OPERATIONS, folder], check=True)
        return _parsed(trace)


def _parsed(trace: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in trace.read_text(errors='replace').splitlines():
        if 'access' in line and (begun := re.search(r'"begin (.*?)"', line)):
            current = found[begun[1]] = []
        elif 'access' in line and '"end"' in line:
            current = None
        elif current is not None and (called := re.match(r'\w+', line)) and called[0] not in MEMORY:
            current.append(called[0])
    return found


def main() -> None:
    """Count, and print a table."""
    if shutil.which('strace') is None:
        sys.exit('This needs strace.')
    print(f'{machine()}\n')
    print('| operation | system calls | which |')
    print('|---|---:|---|')
    for operation, calls in calls_of_operations().items():
        print(f'| {operation} | {len(calls)} | {" ".join(calls)} |')


if __name__ == '__main__':
    main()
