"""moto's server: an imitation of S3 that starts quickly, and does not check signatures, expiry or checksums."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from .base import Server, free_ports, http_status
from .services import S3Service


class MotoServer(Server[S3Service]):
    """moto in a separate process."""

    name = 'moto'
    # The second one is from the extra "server".
    modules = ('moto', 'flask_cors')
    install = "pip install 'flask-fs-testing[s3]'"
    _port = 0

    def prepare(self) -> Mapping[str, list[str]]:
        """One port."""
        [self._port] = free_ports(1)
        return {'moto': [sys.executable, '-m', 'moto.server', '-H', '127.0.0.1', '-p', str(self._port)]}

    def is_ready(self) -> bool:
        """Its own API responds."""
        return http_status(self._port, '/moto-api/data.json') == 200

    @property
    def service(self) -> S3Service:
        """It accepts any credentials."""
        return S3Service(f'http://127.0.0.1:{self._port}', 'testing', 'testing')
