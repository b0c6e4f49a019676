"""Lists of the public names of each distribution, with parameters.

The lists are in ``packages/*/tests/public-names.txt``, so a review shows each change to a name that users rely on.
``public_names.py`` reports differences and exits with 1. ``public_names.py --write`` updates the lists.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from members import IMPORT_PACKAGES, ROOT, Member, members

__all__ = ['PAGE', 'main', 'public_modules', 'public_names', 'recorded']

#: The page that lists what users can import: each row of its tables begins with a module.
PAGE = ROOT / 'docs' / 'reference' / 'imports.md'


def public_modules() -> list[str]:
    """The modules that users can import, except aliases of modules in other distributions."""
    rows = re.findall(r'^\| `flask_fs.*', PAGE.read_text(encoding='utf-8'), re.MULTILINE)
    found = sorted(name for row in rows for name in re.findall(r'`(flask_fs[\w.]*)`', row))
    return [name for name in found if hasattr(importlib.import_module(name), '__all__')]


def public_names(distribution: str) -> list[str]:
    """The public names of *distribution*, such as ``flask_fs.Storage.write(filename, content, overwrite)``."""
    places = {
        f'{module}.{name}': getattr(importlib.import_module(module), name)
        for module in public_modules()
        for name in importlib.import_module(module).__all__
    }
    # A class in several modules is described in the first of them.
    classes = {value: place for place, value in reversed(places.items()) if inspect.isclass(value)}
    mine = {place: value for place, value in places.items() if place.startswith(f'{IMPORT_PACKAGES[distribution]}.')}
    return sorted(line for place, value in mine.items() for line in _lines(place, value, classes))


def _lines(place: str, value: Any, classes: dict[type, str]) -> Iterator[str]:
    if not inspect.isclass(value):
        yield place + (_parameters(value) if inspect.isroutine(value) else '')
        return
    makes = next(base for base in value.__mro__ if '__init__' in vars(base))
    yield place + (_parameters(value) if _package_of(makes) in IMPORT_PACKAGES.values() else '')
    if classes[value] == place:
        inherited = {line for base in value.__mro__[1:] if base in classes for line in _members_of(base)}
        yield from (f'{place}.{line}' for line in _members_of(value) if line not in inherited)


def _members_of(value: type) -> Iterator[str]:
    """The public members of a class that are defined in this project, with their parameters."""
    # Only some Python versions include a flag without bits in dir().
    for member in sorted({*dir(value), *getattr(value, '__members__', ())}):
        owner = next((base for base in value.__mro__ if member in vars(base)), object)
        # pytest runs the kit's checks, and users do not call them, so their names can change.
        if not member.startswith(('_', 'test_')) and _package_of(owner) in IMPORT_PACKAGES.values():
            found = inspect.getattr_static(owner, member)
            call = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
            yield member + (_parameters(call) if inspect.isfunction(call) else '')


def _package_of(value: type) -> str:
    return value.__module__.partition('.')[0]


def _parameters(call: Any) -> str:
    """The names of the parameters, with the markers of positional-only and keyword-only ones."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return ''
    plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters if parameter.name != 'self']
    optional = inspect.Parameter.empty
    # Without the value of a default, because some have a different repr in each Python version.
    named = [parameter if parameter.default is optional else parameter.replace(default=...) for parameter in plain]
    return str(inspect.Signature(named)).replace('=Ellipsis', '=...')


def recorded(member: Member) -> Path:
    """The file with the recorded names of *member*."""
    return member.folder / 'tests' / 'public-names.txt'


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 if all lists match the code."""
    parser = argparse.ArgumentParser(
        description='Compare the public names of all distributions with the recorded lists.'
    )
    parser.add_argument('--write', action='store_true', help='update the lists')
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
        print('If these changes are intended, update the lists: python3 dev.py public-names --write', file=sys.stderr)
    return 1 if differs else 0


if __name__ == '__main__':
    sys.exit(main())
