"""The members of the workspace, as their pyproject.toml files describe them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ['IMPORT_PACKAGES', 'KIT', 'ROOT', 'Member', 'libraries', 'members', 'name_of', 'tomllib']

ROOT = Path(__file__).resolve().parent.parent

#: The conformance kit.
KIT = 'flask-fs-testing'

#: The import package of each documented distribution; the metapackage has none.
IMPORT_PACKAGES: dict[str, str | None] = {
    'flask-fs': None,
    'flask-fs-azure': 'flask_fs_azure',
    'flask-fs-core': 'flask_fs',
    'flask-fs-gcs': 'flask_fs_gcs',
    'flask-fs-gridfs': 'flask_fs_gridfs',
    'flask-fs-images': 'flask_fs_images',
    'flask-fs-mongo': 'flask_fs_mongo',
    'flask-fs-s3': 'flask_fs_s3',
    'flask-fs-sqlalchemy': 'flask_fs_sqlalchemy',
    'flask-fs-swift': 'flask_fs_swift',
    'flask-fs-testing': 'flask_fs_testing',
}


@dataclass(frozen=True)
class Member:
    """One distribution of the workspace."""

    folder: Path
    pyproject: dict[str, Any]

    @property
    def file(self) -> Path:
        """Its pyproject.toml."""
        return self.folder / 'pyproject.toml'

    @property
    def project(self) -> dict[str, Any]:
        """The ``[project]`` table."""
        table: dict[str, Any] = self.pyproject['project']
        return table

    @property
    def name(self) -> str:
        """The distribution's name."""
        return str(self.project['name'])

    @property
    def version(self) -> str:
        """The distribution's version."""
        return str(self.project['version'])

    def requirements(self) -> Iterator[str]:
        """All requirements, including those of the extras."""
        yield from self.project.get('dependencies', [])
        for extra in self.project.get('optional-dependencies', {}).values():
            yield from extra


def name_of(requirement: str) -> str:
    """The name of the distribution in a requirement such as ``flask-fs-swift[keystone]>=1.0``."""
    return re.split(r'[^\w.-]', requirement)[0]


def libraries(found: list[Member]) -> list[str]:
    """The requirements of all members except the kit, including extras, without other members."""
    required = {line for member in found if member.name != KIT for line in member.requirements()}
    return sorted(line for line in required if name_of(line) not in IMPORT_PACKAGES)


def members(root: Path = ROOT) -> list[Member]:
    """All members below *root*, sorted by name."""
    files = [*root.glob('packages/*/pyproject.toml'), root / 'testing' / 'pyproject.toml']
    found = [Member(file.parent, tomllib.loads(file.read_text(encoding='utf-8'))) for file in files if file.exists()]
    return sorted(found, key=lambda member: member.name)
