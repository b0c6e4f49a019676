"""Start the distribution of a new backend: a copy of the template with its own name, which passes the conformance kit.

``python -m flask_fs_testing new-backend redis ../flask-fs-redis`` creates the folder and prints the next steps. Names in the template:

===========  =============================  ================
``NAME``     the name, as in configuration  ``my-store``
``_NAME``    in Python identifiers          ``_my_store``
``FS_NAME``  in names of settings           ``FS_MY_STORE``
``Name``     in names of classes            ``MyStore``
``VERSION``  the version of Flask-FS        ``1.0.0``
===========  =============================  ================

This module needs only the standard library: in a clone of the repository, people run it as a file before they have installed
anything.
"""

from __future__ import annotations

import argparse
import builtins
import importlib.metadata
import keyword
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

__all__ = ['Refused', 'main']

TEMPLATE = Path(__file__).with_name('template') / 'flask-fs-NAME'
#: The folder of the kit in a clone of the repository; an unrelated folder if the kit is installed.
CLONED = Path(__file__).resolve().parents[2]

NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
#: With names up to this length, the lines of the template are not too long.
MAX_LETTERS = 30
#: The distributions and backends of Flask-FS itself.
OWN = frozenset(
    (
        'azure',
        'core',
        'gcs',
        'gridfs',
        'images',
        'local',
        'memory',
        'mock',
        'mongo',
        's3',
        'sqlalchemy',
        'swift',
        'testing',
    )
)
# Not the end of NESTED_NAMES or similar names.
PLACEHOLDER = re.compile(r'(?<![A-Z])(FS_NAME|_NAME|NAME|VERSION)(?![A-Z])|Name(?![a-z])')
#: Left in the template by tools that were run there.
LEFT_OVER = shutil.ignore_patterns('__pycache__', '.*_cache', '.venv', '*.egg-info', '*.pyc', 'dist', 'report.*')


class Refused(Exception):
    """Why no folder is created, and how to fix it, for the user."""


def version(cloned: Path = CLONED) -> str:
    """The version of the kit, which all members share."""
    if not is_clone(cloned):
        return importlib.metadata.version('flask-fs-testing')
    [found] = re.findall(r'(?m)^version = "([^"]*)"', (cloned / 'pyproject.toml').read_text(encoding='utf-8'))
    return str(found)


def is_clone(cloned: Path = CLONED) -> bool:
    """Whether the kit is in a clone of the repository, whose members might be newer than the released ones."""
    return (cloned.parent / 'packages' / 'flask-fs-core' / 'pyproject.toml').is_file()


def check(name: str) -> str:
    """*name*, if a backend can have it.

    :raises Refused: If not.
    """
    if not NAME.fullmatch(name):
        plain = re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-').removeprefix('flask-fs-')
        hint = f', such as {plain!r}' if NAME.fullmatch(plain) else ''
        raise Refused(f'{name!r} is not a valid backend name: use lowercase letters, digits and single hyphens{hint}.')
    if name.startswith('flask-fs'):
        rest = name.removeprefix('flask-fs').strip('-') or 'redis'
        raise Refused(f'{name!r} would become flask-fs-{name}: omit flask-fs-, as in {rest!r}.')
    if len(name) > MAX_LETTERS:
        raise Refused(f'{name!r} is too long: use at most {MAX_LETTERS} characters.')
    if reason := _reserved(name):
        raise Refused(f'{reason}: use another name.')
    return name


def _reserved(name: str) -> str | None:
    """Why *name* is reserved, as a sentence without its period; None if it is not."""
    python = name.replace('-', '_')
    if name in OWN:
        return f'Flask-FS itself uses {name!r}'
    if name == 'base':
        return "'base' would name the class BaseBackend, which is the class that backends derive from"
    if name.startswith('test'):
        return f'{name!r}: pytest would collect its class as tests, because its name begins with Test'
    if python in {word.lower() for word in (*keyword.kwlist, *keyword.softkwlist)}:
        return f'{name!r} is a Python keyword'
    if python in {word.lower() for word in dir(builtins)}:
        return f'{name!r} is a Python builtin, which a variable with that name would shadow'
    if python in sys.stdlib_module_names:
        return f'{name!r} is a module of the standard library'
    if installed := _installed(name):
        return f'{installed} is already installed here'
    return None


def _installed(name: str) -> str | None:
    """The name of an installed distribution that the new one would have too; None if there is none."""
    try:
        return str(importlib.metadata.distribution(f'flask-fs-{name}').metadata['Name'])
    except importlib.metadata.PackageNotFoundError:
        return None


def instantiate(name: str, folder: Path, template: Path = TEMPLATE, *, version: str) -> None:
    """Create *folder*, with the distribution of a backend *name* in it; completely or not at all.

    :param version: The oldest version of Flask-FS that the distribution supports.
    :raises Refused: If *folder* already exists, or its parent folder does not.
    """
    if os.path.lexists(folder):
        raise Refused(f'{folder} already exists: name a folder that does not.')
    if not folder.parent.is_dir():
        raise Refused(f'There is no folder {folder.parent}: create it first.')
    python = name.replace('-', '_')
    words = {
        'FS_NAME': f'FS_{python.upper()}',
        '_NAME': f'_{python}',
        'NAME': name,
        'Name': ''.join(part.capitalize() for part in name.split('-')),
        'VERSION': version,
    }

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(lambda found: words[found[0]], text)

    # Next to the folder: the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix='.new-backend-', dir=folder.parent) as passing:
        draft = Path(passing) / 'draft'
        shutil.copytree(template, draft, ignore=LEFT_OVER)
        # Files before the folders that they are in.
        for path in sorted(draft.rglob('*'), reverse=True):
            if path.is_file():
                path.write_bytes(filled(path.read_bytes().decode()).encode())
            if (new := filled(path.name)) != path.name:
                path.rename(path.with_name(new))
        draft.rename(folder)


def next_steps(folder: Path, cloned: Path = CLONED) -> list[str]:
    """The commands that run the checks; in a clone, they install its Flask-FS, which might not be released yet."""
    ours = ['-e', str(cloned.parent / 'packages' / 'flask-fs-core'), '-e', str(cloned)] if is_clone(cloned) else []
    install = ['pip', 'install', *ours, '-e', '.[dev]']
    return [shlex.join(line) for line in (['cd', str(folder)], install, ['pytest', '--fs-report=report'])]


def main(arguments: list[str], cloned: Path = CLONED) -> int:
    """The exit code: 0 if the folder was created."""
    parser = argparse.ArgumentParser(prog='new-backend', description='Start the distribution of a new backend.')
    parser.add_argument('name', metavar='NAME', help='what configuration will call the backend, such as redis')
    parser.add_argument('folder', metavar='FOLDER', type=Path, help='the folder to create, such as ../flask-fs-redis')
    options = parser.parse_args(arguments)
    folder = Path(os.path.abspath(options.folder.expanduser()))
    try:
        instantiate(check(options.name), folder, version=version(cloned))
    except (Refused, OSError) as error:
        print(f'new-backend: {error}', file=sys.stderr)
        return 1
    print(f'Created {folder}: a working backend, on a stand-in for your store. README.md there lists the next steps.\n')
    print('Next, in a virtual environment:\n')
    for line in next_steps(folder, cloned):
        print(f'  {line}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
