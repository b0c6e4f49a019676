"""The public names of every distribution, with the parameters of what can be called, as one list each.

The lists are kept in ``packages/*/tests/public-names.txt``, so that a change of what users rely on shows as a line in a review.
``public_names.py`` reports what differs and exits with 1; ``public_names.py --write`` writes the lists anew.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from members import IMPORT_PACKAGES, Member, members

__all__ = ['main', 'public_names', 'recorded']

#: What the documentation names besides the packages themselves.
DOCUMENTED = {
    'flask-fs-core': [
        'flask_fs.backends.local',
        'flask_fs.backends.memory',
        'flask_fs.backends.mock',
        'flask_fs.backends.ranged',
        'flask_fs.backends.response',
        'flask_fs.backends.streams',
        'flask_fs.config',
        'flask_fs.errors',
        'flask_fs.files',
        'flask_fs.names',
        'flask_fs.settings',
        'flask_fs.signals',
    ],
    'flask-fs-testing': ['flask_fs_testing.memory'],
}


def public_names(distribution: str) -> list[str]:
    """What users of *distribution* may rely on, such as ``flask_fs.Storage.write(filename, content, overwrite)``."""
    package = importlib.import_module(str(IMPORT_PACKAGES[distribution]))
    found: set[str] = set()
    described: set[type] = set()
    for module in [*_packages(package), *map(importlib.import_module, DOCUMENTED.get(distribution, []))]:
        for name in _names_of(module):
            found.update(_lines(f'{module.__name__}.{name}', getattr(module, name), described))
    return sorted(found)


def _packages(package: ModuleType) -> Iterator[ModuleType]:
    """The package and those below it: each tells in ``__all__`` what is public."""
    yield package
    for info in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):
        if info.ispkg:
            yield importlib.import_module(info.name)


def _names_of(module: ModuleType) -> list[str]:
    told = getattr(module, '__all__', None)
    if told is not None:
        return list(told)
    own = {name for name, value in vars(module).items() if getattr(value, '__module__', None) == module.__name__}
    return [name for name in own if not name.startswith('_')]


def _lines(name: str, value: Any, described: set[type]) -> Iterator[str]:
    if not inspect.isclass(value):
        yield name + (_parameters(value) if inspect.isroutine(value) else '')
        return
    makes = next(base for base in value.__mro__ if '__init__' in vars(base))
    yield name + (_parameters(value) if _package_of(makes) in IMPORT_PACKAGES.values() else '')
    # A class that has several places is described at the first.
    if value not in described:
        described.add(value)
        for member, owner in _members_of(value):
            found = inspect.getattr_static(owner, member)
            call = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
            yield f'{name}.{member}' + (_parameters(call) if inspect.isfunction(call) else '')


def _members_of(value: type) -> Iterator[tuple[str, type]]:
    """The public members that a class has from its own distribution, each with the class that defines it."""
    # dir() tells a flag of no bits on some Pythons only.
    for member in sorted({*dir(value), *getattr(value, '__members__', ())}):
        owner = next((base for base in value.__mro__ if member in vars(base)), object)
        if not member.startswith('_') and _package_of(owner) == _package_of(value):
            yield member, owner


def _package_of(value: type) -> str:
    return value.__module__.partition('.')[0]


def _parameters(call: Any) -> str:
    """The parameters by name, with the marks for those that go by position or by name only."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return ''
    plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters if parameter.name != 'self']
    optional = inspect.Parameter.empty
    # That there is a default is said, and not which: some show differently on each Python.
    named = [parameter if parameter.default is optional else parameter.replace(default=...) for parameter in plain]
    return str(inspect.Signature(named)).replace('=Ellipsis', '=...')


def recorded(member: Member) -> Path:
    """The file in which the names of *member* are kept."""
    return member.folder / 'tests' / 'public-names.txt'


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 if all lists are as the code is."""
    parser = argparse.ArgumentParser(description='Compare the public names of every distribution with the lists kept.')
    parser.add_argument('--write', action='store_true', help='write the lists anew')
    write = parser.parse_args(arguments).write
    differs = False
    for member in members():
        if IMPORT_PACKAGES[member.name] is None:
            continue
        names = public_names(member.name)
        file = recorded(member)
        if write:
            file.write_text('\n'.join(names) + '\n', encoding='utf-8')
            continue
        kept = file.read_text(encoding='utf-8').splitlines() if file.exists() else []
        for sign, lines in (('-', set(kept) - set(names)), ('+', set(names) - set(kept))):
            for line in sorted(lines):
                differs = True
                print(f'{file.name} of {member.name}: {sign} {line}', file=sys.stderr)
    if differs:
        print('If that is meant, write the lists anew: python3 dev.py public-names --write', file=sys.stderr)
    return 1 if differs else 0


if __name__ == '__main__':
    sys.exit(main())
