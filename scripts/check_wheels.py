"""Check the built distributions.

Each wheel contains its one import package, its license, and no file of another wheel. Each sdist contains the source and
the tests of its member, and nothing else that was in the folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from members import IMPORT_PACKAGES, Member, members

__all__ = ['main', 'problems']

#: Fields that the metadata must have.
METADATA = (
    'Summary',
    'Description-Content-Type',
    'License-Expression',
    'License-File',
    'Requires-Python',
    'Project-URL',
    'Classifier',
    'Author',
)
SDIST = {'.gitignore', 'LICENSE', 'PKG-INFO', 'README.md', 'pyproject.toml', 'src', 'tests'}
#: Modules, py.typed, and the lists that tests read.
SUFFIXES = {'.js', '.mjs', '.py', '.typed', '.txt'}
#: Folders in which a package can have other files.
DATA = {'template', 'templates'}


def problems(dist: Path, found: list[Member]) -> Iterator[str]:
    """The problems of the files in *dist*, one sentence each."""
    expected = set()
    for member in found:
        stem = f'{member.name.replace("-", "_")}-{member.version}'
        wheel = dist / f'{stem}-py3-none-any.whl'
        expected |= {wheel.name, f'{stem}.tar.gz'}
        if wheel.is_file():
            yield from _wrong_wheel(wheel, stem, IMPORT_PACKAGES[member.name])
        if (sdist := dist / f'{stem}.tar.gz').is_file():
            yield from _wrong_sdist(sdist, stem)
    present = {file.name for file in dist.iterdir()}
    for name in sorted(expected - present):
        yield f'{name}: was not built.'
    for name in sorted(present - expected):
        yield f'{name}: is not expected in {dist.name}/.'


def _wrong_wheel(wheel: Path, stem: str, package: str | None) -> Iterator[str]:
    info = f'{stem}.dist-info'
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = HeaderParser().parsestr(archive.read(f'{info}/METADATA').decode())
    tops = {name.partition('/')[0] for name in names}
    wanted = {info, package} if package else {info}
    # Each top folder belongs to one wheel, so no two wheels contain the same file.
    if tops != wanted:
        yield f'{wheel.name}: contains {sorted(tops)} instead of {sorted(wanted)}.'
    if f'{info}/licenses/LICENSE' not in names:
        yield f'{wheel.name}: contains no license.'
    if package and f'{package}/py.typed' not in names:
        yield f'{wheel.name}: contains no {package}/py.typed.'
    for field in METADATA:
        if not metadata[field]:
            yield f'{wheel.name}: its metadata has no {field}.'
    if not metadata.get_payload():
        yield f'{wheel.name}: its metadata has no description.'
    for link in re.findall(r'\]\(([^)\s]+)|(?:src|href)="([^"]+)"', str(metadata.get_payload())):
        if not ''.join(link).startswith(('https://', '#')):
            yield f'{wheel.name}: its README links to {"".join(link)}, which works only in the repository. Use a full URL.'


def _wrong_sdist(sdist: Path, stem: str) -> Iterator[str]:
    with tarfile.open(sdist) as archive:
        files = [PurePosixPath(entry.name).relative_to(stem) for entry in archive.getmembers() if entry.isfile()]
    for file in files:
        below = len(file.parts) > 1
        known = file.suffix in SUFFIXES or DATA & set(file.parts)
        if file.parts[0] not in SDIST or (below and not known):
            yield f'{sdist.name}: contains {file}, which is neither source nor a test.'


def check_contents(dist: Path) -> int:
    """The exit code of check-wheel-contents for every wheel but the metapackage, which is empty."""
    wheels = [str(file) for file in sorted(dist.glob('*.whl')) if not file.name.startswith('flask_fs-')]
    kit = [wheel for wheel in wheels if wheel.startswith(f'{dist}{os.sep}flask_fs_testing-')]
    # Its template is not a module until the placeholders are replaced.
    runs = [['check-wheel-contents', '--ignore', 'W004', *kit], ['check-wheel-contents', *sorted({*wheels} - {*kit})]]
    return max(subprocess.run(run, check=False).returncode for run in runs)


def main(dist: Path) -> int:
    """The exit code: 0 if there are no problems."""
    found = list(problems(dist, members()))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if check_contents(dist) or found else 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
