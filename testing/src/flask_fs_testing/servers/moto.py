"""moto's server: S3 by an imitation, which starts quickly and checks neither signatures nor expiry nor checksums."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping

from .base import Server, free_ports, http_status
from .services import S3Service


class MotoServer(Server[S3Service]):
    """moto in a process of its own."""

    name = 'moto'
    install = "pip install 'flask-fs-testing[s3]'"

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether moto is there with its server's requirements."""
        lacks = [name for name in ('moto', 'flask_cors') if importlib.util.find_spec(name) is None]
        if lacks:
            return f'moto[server] is not installed (no {" and no ".join(lacks)}). Install it with: {cls.install}'
        return None

    def prepare(self) -> Mapping[str, list[str]]:
        """One port."""
        [self._port] = free_ports(1)
        return {'moto': [sys.executable, '-m', 'moto.server', '-H', '127.0.0.1', '-p', str(self._port)]}

    def is_ready(self) -> bool:
        """Its own API answers."""
        return http_status(self._port, '/moto-api/data.json') == 200

    @property
    def service(self) -> S3Service:
        """It takes any credentials."""
        return S3Service(f'http://127.0.0.1:{self._port}', 'testing', 'testing')
