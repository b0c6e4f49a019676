"""The URLs of files, signed links, and responses with files."""

from __future__ import annotations

import datetime
import io
from types import GeneratorType
from typing import Any

from flask import make_response
from werkzeug.wrappers import Response

from .. import signing, urls
from ..backends.contract import Capability
from ..backends.http import add_security_headers
from ..errors import OperationNotSupported
from ..files import extension
from ..upload_checks import refused_type
from .naming import Naming


class Linking(Naming):
    """The methods that make links and responses."""

    @property
    def has_url(self) -> bool:
        """Whether a web server outside the application serves the files (the setting ``URL``)."""
        return bool(self.config.get('url'))

    @property
    def base_url(self) -> str:
        """The base URL of the files, with a trailing slash."""
        bound = self._bound()
        base = urls.configured_base(bound.app, bound.config) or urls.base_url(bound.app, self.name)
        return urls.under(base, self._folder)

    def url(self, filename: str, external: bool = False) -> str:
        """The quoted URL of a file, whether it exists or not. A leading slash in *filename* is dropped.

        :param external: Whether to return a full URL, with scheme and host, even if the application serves the file.
        """
        bound, name = self._bound(), self._whole_name(filename.removeprefix('/'))
        if base := urls.configured_base(bound.app, bound.config):
            return urls.under(base, name)
        return urls.app_url(bound.app, self.name, name, external=external)

    def signed_url(
        self,
        filename: str,
        *,
        expires_s: int | datetime.timedelta = 3600,
        method: str = 'GET',
        download_name: str | None = None,
    ) -> str:
        """A signed (presigned) URL that lets anyone read or store a file until it expires, whether the file exists or not.

        If the store doesn't sign links itself, the application does, with its ``SECRET_KEY``. It serves signed links even if
        ``FS_SERVE`` is false, and without calling ``authorize``.

        :param expires_s: The lifetime in whole seconds, 1 to 604800 (seven days, the maximum of S3), or as a
            :class:`~datetime.timedelta`. A link signed by the application is valid up to a quarter longer: for some time,
            further links to the file are identical, which lets caches work.
        :param method: ``GET`` (for links signed by the application, also HEAD), ``HEAD``, or ``PUT``, which stores the body of
            a request and replaces an existing file. The store ignores ``MAX_BYTES`` and ``overwrite``.
        :param download_name: Makes browsers save the file, with this name.
        :raises OperationNotSupported: With ``PUT``, if the store doesn't sign links itself.
        :raises UnauthorizedFileType: With ``PUT``, if the storage does not accept the file's extension.
        :raises ConfigurationError: If the application signs and has no ``SECRET_KEY``, or no ``SERVER_NAME`` outside of
            a request.
        """
        bound, name = self._bound(), self._whole_name(filename)
        if method not in ('GET', 'HEAD', 'PUT'):
            raise ValueError(f"method must be 'GET', 'HEAD' or 'PUT', not {method!r}")
        lifetime_s = signing.whole_seconds(expires_s)
        signing.check_download_name(download_name)
        if method == 'PUT':
            if download_name is not None:
                raise ValueError('download_name is for links for reading, not for PUT')
            if not self.extension_allowed(extension(name)):
                raise refused_type(name, self, bound.config)
        if Capability.SIGNED_URL in bound.driver.capabilities:
            return bound.driver.signed_url(name, expires_s=lifetime_s, method=method, download_name=download_name)
        if method == 'PUT':
            reason = "its store doesn't sign links, and the application signs links only for reading"
            raise OperationNotSupported(name, storage=self.name, reason=reason)
        link = signing.SignedLink(self.name, name, method, signing.expiry(lifetime_s), download_name)
        signature = {signing.PARAMETER: signing.sign(bound.app, link)}
        return urls.app_url(bound.app, self.name, name, external=True, **signature)

    def serve(self, filename: str, *, download_name: str | None = None, private: bool = False) -> Any:
        """The response to the current request for a file, with support for conditional requests, ranges and streaming.

        :param download_name: Makes browsers save the file, with this name.
        :param private: Whether the response depends on the visitor, and shared caches must not store it.
        :raises FileNotFound: If no file with that name exists.
        """
        bound = self._bound()
        served = bound.driver.serve(self._whole_name(filename))
        if not isinstance(served, (Response, str, bytes, bytearray, tuple, list, dict, GeneratorType, io.IOBase)):
            # The result of a test double is returned unchanged.
            return served
        response = make_response(served)
        # The header that is stored with the file takes precedence. Responses of legacy backends have none.
        stored = response.headers.get('Cache-Control') if Capability.ATTRIBUTES in bound.driver.capabilities else None
        cache_control = stored or bound.config.get('cache_control')
        if response.status_code >= 400:
            # The header is meant for the file: caches would keep the error as long.
            cache_control = 'no-store'
        return add_security_headers(response, cache_control=cache_control, private=private, download_name=download_name)
