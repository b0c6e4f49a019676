"""OpenStack Swift: a real one with four processes, from the distributions ``swift`` and ``pyeclib``."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from .base import Server, free_ports, http_status
from .errors import ServerDied
from .services import SwiftService
from .swift_config import MAKE_RINGS, PARTS, files

_USER = 'test:tester'


class SwiftServer(Server[SwiftService]):
    """Swift with one device and one replica; its proxy also speaks S3."""

    name = 'Swift'
    modules = ('swift', 'pyeclib')
    install = "pip install 'flask-fs-testing[swift]'"

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        # With a letter, so that it is not a number: Flask reads environment variables as JSON.
        self._key = f'key{secrets.token_hex(16)}'
        self._ports: dict[str, int] = {}

    @classmethod
    def missing(cls) -> str | None:
        """Whether it is installed, and its data can be stored."""
        if missing := super().missing():
            return missing
        if not _keeps_extended_attributes():
            return (
                f'Swift needs extended attributes, and the file system of {tempfile.gettempdir()} does not support them: '
                'set TMPDIR to a folder on one that does.'
            )
        return None

    def prepare(self) -> Mapping[str, list[str]]:
        """Write its configuration and its rings."""
        self._ports = dict(zip(PARTS, free_ports(len(PARTS)), strict=True))
        for name, text in files(self.folder, self._ports, _USER, self._key, _fernet_key()).items():
            (self.folder / name).write_text(text, encoding='utf-8')
        (self.folder / 'devices' / 'd1').mkdir(parents=True)
        ports = [str(self._ports[part]) for part in ('account', 'container', 'object')]
        made = subprocess.run(
            # In a separate process, because the process of the tests must not import Swift.
            [sys.executable, '-c', MAKE_RINGS, str(self.folder), *ports],
            capture_output=True,
            text=True,
            timeout=self.deadline_s,
            check=False,
        )
        if made.returncode:
            raise ServerDied(f'Swift did not start: its rings could not be created.\n{made.stderr}')
        return {
            part: [
                sys.executable,
                '-c',
                f'import sys; import no_sync; from swift.{"obj" if part == "object" else part}.server import main; sys.exit(main())',
                str(self.folder / f'{part}.conf'),
                'verbose',
            ]
            for part in PARTS
        }

    def environment(self) -> Mapping[str, str]:
        """No threads for the disk, because nothing waits for it, and no lookup of its only address."""
        return {'EVENTLET_THREADPOOL_SIZE': '0', 'EVENTLET_NO_GREENDNS': 'yes'}

    def is_ready(self) -> bool:
        """Whether all parts are healthy, and the proxy accepts the user."""
        if any(http_status(port, '/healthcheck') != 200 for port in self._ports.values()):
            return False
        who = {'X-Auth-User': _USER, 'X-Auth-Key': self._key}
        return http_status(self._ports['proxy'], '/auth/v1.0', who) == 200

    @property
    def service(self) -> SwiftService:
        """Its proxy."""
        endpoint = f'http://127.0.0.1:{self._ports["proxy"]}'
        return SwiftService(f'{endpoint}/auth/v1.0', _USER, self._key, s3_endpoint=endpoint)


def _fernet_key() -> str:
    """The key with which tempauth signs its tokens, because there is no memcached to store them."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _keeps_extended_attributes() -> bool:
    """Whether files in the temporary folder can have extended attributes, in which Swift stores metadata."""
    if not hasattr(os, 'setxattr'):
        return sys.platform == 'darwin'
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.setxattr(file.name, 'user.flask-fs-testing', b'x')
        except OSError:
            return False
    return True
