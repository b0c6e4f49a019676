"""The URLs of files, links that are signed, and responses with files."""

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
    """The verbs that make links and responses."""

    @property
    def has_url(self) -> bool:
        """Whether a web server outside the application serves the files (the setting ``URL``)."""
        return bool(self.config.get('url'))

    @property
    def base_url(self) -> str:
        """The URL under which the files are found, with a trailing slash."""
        bound = self._bound()
        base = urls.configured_base(bound.app, bound.config) or urls.base_url(bound.app, self.name)
        return urls.under(base, self._folder)

    def url(self, filename: str, external: bool = False) -> str:
        """The URL of a file, whether it exists or not, quoted; a leading slash in *filename* is dropped.

        :param external: A full URL, with scheme and host, even if the application serves the file.
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
        """A full URL that lets anyone read a file, whether it exists or not, or store one, until it expires.

        If the store does not sign links itself, the application does, with its ``SECRET_KEY``; it responds to them even
        if ``FS_SERVE`` is false, and without calling ``authorize``.

        :param expires_s: Lifetime in whole seconds, 1 to 604800 (seven days, the most that S3 signs for), or as a
            :class:`~datetime.timedelta`. A link signed by the application lives up to a quarter longer: until then, further
            links to the file are the same, which caches need.
        :param method: ``GET`` (for links signed by the application, HEAD as well), ``HEAD``, or ``PUT``, which stores
            the body of one request and replaces what is there. The store ignores ``MAX_BYTES`` and ``overwrite``.
        :param download_name: Makes browsers save the file, under this name.
        :raises OperationNotSupported: With ``PUT``, if the store does not sign links itself.
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
            reason = 'its store does not sign links, and the application signs links for reading only'
            raise OperationNotSupported(name, storage=self.name, reason=reason)
        link = signing.SignedLink(self.name, name, method, signing.expiry(lifetime_s), download_name)
        signature = {signing.PARAMETER: signing.sign(bound.app, link)}
        return urls.app_url(bound.app, self.name, name, external=True, **signature)

    def serve(self, filename: str, *, download_name: str | None = None, private: bool = False) -> Any:
        """The response to the current request for a file: conditional requests, ranges and streaming included.

        :param download_name: Makes browsers save the file, under this name.
        :param private: Whether the response depends on the visitor, so that shared caches must not store it.
        :raises FileNotFound: If there is no file of that name.
        """
        bound = self._bound()
        served = bound.driver.serve(self._whole_name(filename))
        if not isinstance(served, (Response, str, bytes, bytearray, tuple, list, dict, GeneratorType, io.IOBase)):
            # The result of a test double is returned unchanged.
            return served
        response = make_response(served)
        # What was stored with the file wins; a legacy backend's own response has no such thing.
        stored = response.headers.get('Cache-Control') if Capability.ATTRIBUTES in bound.driver.capabilities else None
        cache_control = stored or bound.config.get('cache_control')
        if response.status_code >= 400:
            # That is for the file. Caches would keep the error as long.
            cache_control = 'no-store'
        return add_security_headers(response, cache_control=cache_control, private=private, download_name=download_name)
