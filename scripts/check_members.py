"""Check that the members are consistent, and write the generated parts of their pyproject.toml files.

``check_members.py`` reports problems and exits with 1. ``check_members.py --write`` writes the generated parts: the
metadata that all members share, and the requirements of the metapackage (see metadata.py). ``check_members.py --set
1.2.0`` also writes the version, and the bounds between members.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from members import IMPORT_PACKAGES, ROOT, Member, members
from metadata import generated, write_generated

__all__ = ['main', 'problems', 'set_version']

VERSION = re.compile(r'\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?')
REQUIREMENT = re.compile(r'(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^]]*\])?\s*(?P<bounds>[^;]*)')
PYTHON = re.compile(r'Programming Language :: Python :: 3\.\d+')


def problems(root: Path) -> list[str]:
    """The problems of the members below *root*, one sentence each."""
    found = members(root)
    return [
        *_wrong_members(found),
        *_wrong_versions(found),
        *_wrong_pythons(found),
        *(problem for member in found for problem in _wrong_metadata(member, found)),
        *(problem for member in found for problem in _wrong_requirements(member)),
        *(problem for member in found for problem in _wrong_package(member)),
        *(problem for member in found for problem in _wrong_license(member, root)),
    ]


def _wrong_members(found: list[Member]) -> Iterator[str]:
    names = {member.name for member in found}
    for name in sorted(IMPORT_PACKAGES.keys() - names):
        yield f'{name}: is in scripts/members.py, but no member has this name. Add the package, or remove the name there.'
    for name in sorted(names - IMPORT_PACKAGES.keys()):
        yield f'{name}: is not in scripts/members.py. Add it to IMPORT_PACKAGES there.'
    for member in found:
        folder = 'testing' if member.name == 'flask-fs-testing' else member.name
        if member.folder.name != folder:
            yield f'{member.name}: is in the folder {member.folder.name}/ instead of {folder}/. Rename the folder.'


def _wrong_versions(found: list[Member]) -> Iterator[str]:
    versions = {member.version for member in found}
    if len(versions) > 1:
        each = ', '.join(f'{member.name} {member.version}' for member in found)
        yield f'The members have different versions: {each}. Fix them with: python3 dev.py set-version X.Y.Z'
    for member in found:
        if not VERSION.fullmatch(member.version):
            yield f'{member.name}: {member.version!r} is not a version like 1.2.0 or 1.2.0rc1.'


def _wrong_pythons(found: list[Member]) -> Iterator[str]:
    named = {tuple(filter(PYTHON.fullmatch, member.project.get('classifiers', []))) for member in found}
    if len(named) > 1:
        yield 'The members have different classifiers for Python versions. Make them the same.'


def _wrong_metadata(member: Member, found: list[Member]) -> Iterator[str]:
    for key, wanted in generated(member, found).items():
        if member.project.get(key) != wanted:
            yield f'{member.name}: {key} is {member.project.get(key)!r} instead of {wanted!r}. Fix it with: python3 dev.py hatch run python scripts/check_members.py --write'
    for key in ('description', 'readme', 'keywords', 'classifiers'):
        if not member.project.get(key):
            yield f'{member.name}: {key} is missing.'


def _wrong_requirements(member: Member) -> Iterator[str]:
    for requirement in member.requirements():
        match = REQUIREMENT.match(requirement)
        if match is None:
            yield f'{member.name}: {requirement!r} is not a valid requirement.'
            continue
        name, bounds = match['name'], match['bounds'].strip()
        if name in IMPORT_PACKAGES and bounds != f'>={member.version}':
            yield f'{member.name}: requires {requirement!r} instead of {name}>={member.version}.'
        elif re.search(r'<|~=|==|!=', bounds):
            yield f'{member.name}: {requirement!r} has an upper bound. Use only >=.'
        elif not bounds.startswith('>='):
            yield f'{member.name}: {requirement!r} has no lower bound. Use >=.'


def _wrong_package(member: Member) -> Iterator[str]:
    package = IMPORT_PACKAGES.get(member.name)
    packages = sorted(path.parent.name for path in member.folder.glob('src/*/__init__.py'))
    if packages != ([package] if package else []):
        yield f'{member.name}: src/ contains {packages or "no package"} instead of {package or "none"}.'
    if package and not (member.folder / 'src' / package / 'py.typed').is_file():
        yield f'{member.name}: src/{package}/py.typed is missing.'


def _wrong_license(member: Member, root: Path) -> Iterator[str]:
    own = member.folder / 'LICENSE'
    if not own.is_file() or own.read_bytes() != (root / 'LICENSE').read_bytes():
        yield f'{member.name}: its LICENSE differs from the one in the root. Copy that one.'


def set_version(root: Path, version: str) -> list[Path]:
    """Set the version of all members, and the bounds between them, to *version*; return the changed files."""
    if not VERSION.fullmatch(version):
        raise ValueError(f'{version!r} is not a version like 1.2.0 or 1.2.0rc1.')
    siblings = '|'.join(sorted(IMPORT_PACKAGES, key=len, reverse=True))
    changed = []
    for member in members(root):
        old = member.file.read_text(encoding='utf-8')
        # Replaced as text, to keep comments and layout.
        new = re.sub(r'(?m)^version = "[^"]*"', f'version = "{version}"', old, count=1)
        new = re.sub(rf'"({siblings})(\[[^]]*\])?>=[^"]*"', rf'"\1\2>={version}"', new)
        if new != old:
            member.file.write_text(new, encoding='utf-8')
            changed.append(member.file)
    return changed


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The exit code: 0 if there are no problems."""
    parser = argparse.ArgumentParser(description='Check that all members are consistent.')
    parser.add_argument('--set', metavar='X.Y.Z', dest='version', help='set the version of all members')
    parser.add_argument('--write', action='store_true', help='write the generated parts')
    options = parser.parse_args(arguments)
    changed: set[Path] = set()
    if options.version:
        try:
            changed |= set(set_version(root, options.version))
        except ValueError as error:
            parser.error(str(error))
    if options.version or options.write:
        changed |= set(write_generated(root))
    for file in sorted(changed):
        print(f'wrote {file.relative_to(root)}')
    found = problems(root)
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        versions = {member.version for member in members(root)}
        print(f'{len(members(root))} members are consistent at {", ".join(versions)}.')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
