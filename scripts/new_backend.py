"""Start the distribution of a new backend: a copy of the template under its own name, which passes the conformance kit.

``new_backend.py redis ../flask-fs-redis`` makes the folder and says how to go on. Names in the template:

===========  =============================  ================
``NAME``     the name, as in configuration  ``my-store``
``_NAME``    in names of Python             ``_my_store``
``FS_NAME``  in names of settings           ``FS_MY_STORE``
``Name``     in names of classes            ``MyStore``
``VERSION``  the version of Flask-FS        ``1.0.0``
===========  =============================  ================
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

# Not from members.py, which needs a library on Python 3.10: this is for people who have nothing installed yet.
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / 'template' / 'flask-fs-NAME'

__all__ = ['TEMPLATE', 'Refused', 'check', 'instantiate', 'main', 'taken', 'version']

NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
#: The lines of the template keep within their length with names up to this one.
MAX_LETTERS = 30
# Not the ends of NESTED_NAMES and the like.
PLACEHOLDER = re.compile(r'(?<![A-Z])(FS_NAME|_NAME|NAME|VERSION)(?![A-Z])|Name(?![a-z])')
#: Left in the template by tools that were run there.
LEFT_OVER = shutil.ignore_patterns('__pycache__', '.*_cache', '.venv', '*.egg-info', '*.pyc', 'dist', 'report.*')


class Refused(Exception):
    """Why no folder is made, and what would help, for the user."""


def taken(root: Path = ROOT) -> set[str]:
    """The names of the distributions and backends that Flask-FS itself has."""
    found = {folder.name.removeprefix('flask-fs-') for folder in root.glob('packages/flask-fs-*')}
    return found | {'local', 'memory', 'mock', 'testing'}


def version(root: Path = ROOT) -> str:
    """The version that all members have."""
    text = (root / 'packages' / 'flask-fs-core' / 'pyproject.toml').read_text(encoding='utf-8')
    [found] = re.findall(r'(?m)^version = "([^"]*)"', text)
    return str(found)


def check(name: str, root: Path = ROOT) -> str:
    """*name* itself, if a backend can have it.

    :raises Refused: If not.
    """
    if not NAME.fullmatch(name):
        plain = re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-').removeprefix('flask-fs-')
        hint = f', such as {plain!r}' if NAME.fullmatch(plain) else ''
        raise Refused(f'{name!r} is no name for a backend: take small letters, digits and single hyphens{hint}.')
    if name.startswith('flask-fs'):
        rest = name.removeprefix('flask-fs').strip('-') or 'redis'
        raise Refused(f'{name!r} would give flask-fs-{name}: leave flask-fs- away, as in {rest!r}.')
    if len(name) > MAX_LETTERS:
        raise Refused(f'{name!r} is too long: take at most {MAX_LETTERS} letters.')
    if name in taken(root):
        raise Refused(f'Flask-FS has {name!r} itself: take another name.')
    if name == 'base':
        raise Refused(
            "'base' would give a BaseBackend, which is the class that backends derive from: take another name."
        )
    if name.startswith('test'):
        raise Refused(f'{name!r}: pytest would take its class for tests, as that begins with Test: take another name.')
    return name


def instantiate(name: str, folder: Path, template: Path = TEMPLATE, root: Path = ROOT) -> None:
    """Make *folder*, with the distribution of a backend *name* in it; all of it or nothing.

    :raises Refused: If *folder* is there already, or the folder around it is not.
    """
    if os.path.lexists(folder):
        raise Refused(f'{folder} is there already: name a folder that is not.')
    if not folder.parent.is_dir():
        raise Refused(f'There is no folder {folder.parent}: make it first.')
    python = name.replace('-', '_')
    words = {
        'FS_NAME': f'FS_{python.upper()}',
        '_NAME': f'_{python}',
        'NAME': name,
        'Name': ''.join(part.capitalize() for part in name.split('-')),
        'VERSION': version(root),
    }

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(lambda found: words[found[0]], text)

    # Beside the folder, so that the last step is a rename within one file system.
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


def next_steps(folder: Path, root: Path = ROOT) -> list[str]:
    """The commands that prove what was made, on the Flask-FS of this clone, which may not be released yet."""
    core, kit = str(root / 'packages' / 'flask-fs-core'), str(root / 'testing')
    install = ['pip', 'install', '-e', core, '-e', kit, '-e', '.[dev]']
    return [shlex.join(line) for line in (['cd', str(folder)], install, ['pytest', '--fs-report=report'])]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The exit code: 0 if the folder was made."""
    parser = argparse.ArgumentParser(prog='new-backend', description='Start the distribution of a new backend.')
    parser.add_argument('name', metavar='NAME', help='what configuration will call the backend, such as redis')
    parser.add_argument('folder', metavar='FOLDER', type=Path, help='the folder to make, such as ../flask-fs-redis')
    options = parser.parse_args(arguments)
    folder = Path(os.path.abspath(options.folder.expanduser()))
    try:
        instantiate(check(options.name, root), folder, root=root)
    except (Refused, OSError) as error:
        print(f'new-backend: {error}', file=sys.stderr)
        return 1
    print(
        f'Made {folder}: a backend that works, on a store that stands in for yours. README.md there says how to go on.\n'
    )
    print('Next, in a virtual environment:\n')
    for line in next_steps(folder, root):
        print(f'  {line}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
