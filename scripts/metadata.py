"""The generated parts of pyproject.toml files: metadata that all members share, and the metapackage's requirements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from members import KIT, ROOT, Member, members

__all__ = ['METAPACKAGE', 'REPOSITORY', 'generated', 'write_generated']

METAPACKAGE = 'flask-fs'
#: Members that the metapackage does not require.
APART = {METAPACKAGE, KIT}
REPOSITORY = 'https://github.com/flask-fs/flask-fs'

SHARED: dict[str, Any] = {
    'requires-python': '>=3.10',
    'license': 'MIT',
    'license-files': ['LICENSE'],
    'authors': [{'name': 'The Flask-FS authors'}],
    'urls': {
        'Changelog': f'{REPOSITORY}/blob/main/CHANGELOG.md',
        'Documentation': f'{REPOSITORY}/blob/main/docs/index.md',
        'Issues': f'{REPOSITORY}/issues',
        'Source': REPOSITORY,
    },
}


def generated(member: Member, found: list[Member]) -> dict[str, Any]:
    """The generated keys of *member*'s ``[project]`` table; *found* are all members."""
    wanted = dict(SHARED)
    if member.name == METAPACKAGE:
        siblings = {other.name: f'{other.name}>={member.version}' for other in found if other.name not in APART}
        extras = {
            name.removeprefix(f'{METAPACKAGE}-'): [requirement]
            for name, requirement in siblings.items()
            if name != f'{METAPACKAGE}-core'
        }
        # All members are installed anyway. The extras with their names only keep requirements such as flask-fs[s3] valid,
        # unlike the extras that the members themselves have.
        extras |= {
            extra: [f'{other.name}[{extra}]>={member.version}']
            for other in found
            if other.name in siblings
            for extra in other.project.get('optional-dependencies', {})
        }
        everything = [requirement for [requirement] in extras.values()]
        wanted['dependencies'] = list(siblings.values())
        wanted['optional-dependencies'] = {**extras, 'all': everything}
    return wanted


def write_generated(root: Path = ROOT) -> list[Path]:
    """Write the generated parts into the pyproject.toml files below *root*; return the changed files."""
    # Imported here, because only writing needs it.
    import tomlkit

    found = members(root)
    changed = []
    for member in found:
        document = tomlkit.parse(member.file.read_text(encoding='utf-8'))
        project = document.unwrap()['project']
        wrong = {key: value for key, value in generated(member, found).items() if project.get(key) != value}
        for key, value in wrong.items():
            document['project'][key] = _item(value)
        if wrong:
            member.file.write_text(tomlkit.dumps(document), encoding='utf-8')
            changed.append(member.file)
    return changed


def _item(value: Any) -> Any:
    """*value* in tomlkit's layout: a table for a dictionary, and an array with one line per element."""
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.table()
        for key, element in value.items():
            table.add(key, _item(element))
        return table.add(tomlkit.nl())
    if isinstance(value, list):
        array = tomlkit.array()
        lines = len(value) > 1
        for element in value:
            array.add_line(_inline(element), indent='  ' if lines else '', newline=lines, add_comma=lines)
        if lines:
            array.add_line(indent='')
        return array
    return value


def _inline(element: Any) -> Any:
    import tomlkit

    if not isinstance(element, dict):
        return element
    table = tomlkit.inline_table()
    table.update(element)
    return table
