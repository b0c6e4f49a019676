"""The cost of listing 100,000 files, compared to walking their folders."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from measuring import cost_of, in_turn, machine, passing_folder, report

import flask_fs as fs


def make_files(root: Path, *, folders: int, files: int) -> None:
    """Make *files* empty files in each of *folders* folders; in *root* itself if folders is 0."""
    for number in range(max(1, folders)):
        folder = root / f'folder-{number:04}' if folders else root
        folder.mkdir(parents=True, exist_ok=True)
        for other in range(files):
            os.close(os.open(f'{folder}/file-{other:06}.jpg', os.O_CREAT))


def bare_walk(root: str) -> Iterator[str]:
    """The path of every file under *root*."""
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path


def os_walk(root: str) -> Iterator[str]:
    """The same with os.walk()."""
    for folder, _, files in os.walk(root):
        for file in files:
            yield os.path.join(folder, file)


def walk_with_facts(root: str) -> Iterator[tuple[str, int, float]]:
    """The path, size and time of every file under *root*."""
    pending = [root]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    yield entry.path, facts.st_size, facts.st_mtime


def compare(title: str, root: Path, expected: int, rounds: int) -> None:
    """Report what listing the *expected* files under *root* costs."""
    storage = fs.Storage('files', fs.ALL)
    storage.configure(SimpleNamespace(config={'FILES_FS_ROOT': str(root)}))
    top = str(root)
    names = {os.path.join(top, name) for name in storage.list_files()}
    assert names == set(bare_walk(top))
    assert expected == len(names)
    contenders = {
        'os.scandir': cost_of(lambda: list(bare_walk(top))),
        'os.walk': cost_of(lambda: list(os_walk(top))),
        'storage.list_files()': cost_of(lambda: list(storage.list_files())),
    }
    report(title, in_turn(contenders, rounds=rounds), reference='os.scandir', limit=1.2)
    contenders = {
        'os.scandir and stat': cost_of(lambda: list(walk_with_facts(top))),
        'storage.scan()': cost_of(lambda: list(storage.scan())),
    }
    report(f'{title}, with sizes and times', in_turn(contenders, rounds=rounds), reference='os.scandir and stat')


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f'{machine()}; {rounds} rounds\n')
    with passing_folder() as folder:
        make_files(folder / 'wide', folders=1000, files=100)
        compare('100,000 files, 100 in a folder', folder / 'wide', 100_000, rounds)
        make_files(folder / 'flat', folders=0, files=100_000)
        compare('100,000 files in one folder', folder / 'flat', 100_000, rounds)


if __name__ == '__main__':
    main()
