"""Real servers for tests, started on loopback from programs that pip or the system has installed, and ended with the process that uses them."""

from __future__ import annotations

from .azurite import AzuriteServer
from .base import Server
from .errors import ServerDied, ServerError, ServerMissing, ServerNotReady
from .fake_gcs import FakeGCSServer
from .mariadb import MariadbServer
from .moto import MotoServer
from .postgres import PostgresServer
from .seaweedfs import SeaweedServer
from .secantusdb import SecantusServer
from .services import AzureService, GCSService, MongoService, S3Service, SQLService, SwiftService
from .shared import shared
from .swift import SwiftServer

__all__ = [
    'AzureService',
    'AzuriteServer',
    'FakeGCSServer',
    'GCSService',
    'MariadbServer',
    'MongoService',
    'MotoServer',
    'PostgresServer',
    'S3Service',
    'SQLService',
    'SeaweedServer',
    'SecantusServer',
    'Server',
    'ServerDied',
    'ServerError',
    'ServerMissing',
    'ServerNotReady',
    'SwiftServer',
    'SwiftService',
    'shared',
]
