"""Azurite: Microsoft's emulator of Azure Storage, which npm installs into a cache folder when it is first needed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

from .base import Server, free_ports, http_status
from .npm import installed, node_and_npm
from .services import AzureService

#: The pinned version, so that a new one is checked before all tests use it.
VERSION = '3.35.0'
_PROGRAM = Path('node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js')


class AzuriteServer(Server[AzureService]):
    """Azurite's Blob Storage, without the queues and tables."""

    name = 'Azurite'
    install = "pip install 'flask-fs-testing[azure]'"

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        # Not the well-known account, whose key is public.
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether there is a Node.js with npm."""
        if node_and_npm():
            return None
        return f"Azurite cannot be installed (no programs 'node' and 'npm'). Install them with: {cls.install}"

    def prepare(self) -> Mapping[str, list[str]]:
        """Install it, unless it is in the cache; one port."""
        program = _installed()
        [self._port] = free_ports(1)
        [node, *_] = node_and_npm()
        options = ['--silent', '--disableTelemetry', '--skipApiVersionCheck', '--blobHost', '127.0.0.1']
        return {
            'azurite': [node, str(program), *options, '--blobPort', str(self._port), '--location', str(self.folder)]
        }

    def environment(self) -> Mapping[str, str]:
        """Its one account."""
        return {'AZURITE_ACCOUNTS': f'kit:{self._key}'}

    def is_ready(self) -> bool:
        """Whether it rejects a request without a key."""
        return http_status(self._port, '/kit?comp=list') == 403

    @property
    def service(self) -> AzureService:
        """Its account."""
        return AzureService(f'http://127.0.0.1:{self._port}/kit', 'kit', self._key)


def _installed() -> Path:
    """Azurite's program.

    :raises ServerMissing: If npm cannot install it.
    """
    return installed(f'azurite-{VERSION}', f'azurite@{VERSION}') / _PROGRAM
