"""The URL and the credentials of a server, as plain data, whoever started it. Secrets are not in the reprs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Service:
    """An S3-compatible server.

    :param endpoint: Its URL, such as ``http://127.0.0.1:9000``.
    :param seaweed_master: The URL of the master of SeaweedFS, which allocates space, if known.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = 'us-east-1'
    seaweed_master: str | None = None


@dataclass(frozen=True)
class GCSService:
    """An emulator of Google Cloud Storage, which accepts requests without credentials.

    :param endpoint: Its URL, such as ``http://127.0.0.1:4443``.
    """

    endpoint: str
    project: str = 'testing'


@dataclass(frozen=True)
class SwiftService:
    """An OpenStack Swift with version 1 authentication.

    :param auth_url: Such as ``http://127.0.0.1:8080/auth/v1.0``.
    :param user: As ``account:user``.
    :param s3_endpoint: The URL of its S3 API, if known.
    """

    auth_url: str
    user: str
    key: str = field(repr=False)
    s3_endpoint: str | None = None


@dataclass(frozen=True)
class AzureService:
    """A storage account of Azure, or of an emulator.

    :param endpoint: The URL of its Blob Storage, such as ``http://127.0.0.1:10000/devstoreaccount1``.
    :param account: Its name.
    """

    endpoint: str
    account: str
    key: str = field(repr=False)

    @property
    def connection_string(self) -> str:
        """The connection string for Azure clients."""
        return f'AccountName={self.account};AccountKey={self.key};BlobEndpoint={self.endpoint}'


@dataclass(frozen=True)
class MongoService:
    """A MongoDB or a server compatible with it.

    :param url: Such as ``mongodb://127.0.0.1:27017``. It can contain a password, so the repr omits it.
    """

    url: str = field(repr=False)


@dataclass(frozen=True)
class SQLService:
    """A server of SQL databases.

    :param url: The URL for SQLAlchemy of a database whose user can create others, such as
        ``postgresql+psycopg://kit:secret@127.0.0.1:5432/postgres``. It contains a password, so the repr omits it.
    """

    url: str = field(repr=False)
