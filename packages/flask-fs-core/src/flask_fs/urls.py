"""URLs of files, at the web server that serves them or at the application itself."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import quote

from flask import Flask, has_request_context, request, url_for
from werkzeug.routing import BuildError

from .config import Config
from .credentials import shown
from .errors import ConfigurationError, ConfigurationWarning
from .names import INCOMING_PREFIX, is_valid

#: The endpoint where the application serves files.
ENDPOINT = 'fs.get_file'
#: The endpoint to which clients send the uploads that the application has signed.
UPLOAD_ENDPOINT = 'fs.receive_upload'
# The characters that RFC 3986 allows unquoted in a path, except those that some servers interpret.
_SAFE = "/!$'()*,:@~"


def configured_base(app: Any, config: Config) -> str | None:
    """The base URL of the files from the setting ``URL``, with a scheme, a trailing slash and the key prefix."""
    if not (url := config.get('url')):
        return None
    if '://' not in url and not url.startswith('/'):
        scheme = request.scheme if has_request_context() else app.config.get('PREFERRED_URL_SCHEME', 'http')
        url = f'{scheme}://{url}'
    return under(url.rstrip('/') + '/', f'{config.prefix}/' if config.prefix else '')


def under(base: str, filename: str) -> str:
    """The URL of *filename* under *base*, quoted."""
    return base + quote(filename, safe=_SAFE)


def add_route(app: Flask, storage: str) -> None:
    """Add the route of the storage with that name to *app*: ``{FS_PREFIX}/{name}/{filename}``.

    Each storage has its own route, to keep every other URL available for the application.
    """
    path = f'{_prefix(app)}/{storage}/<path:filename>'
    if any(rule.rule == path and rule.endpoint != ENDPOINT for rule in app.url_map.iter_rules()):
        warnings.warn(
            f'The files of storage {storage!r} are not served, because the application has another route {path}. Set '
            'FS_PREFIX, or rename the storage.',
            ConfigurationWarning,
            stacklevel=2,
        )
    rule = app.url_rule_class(path, endpoint=ENDPOINT, defaults={'fs': storage}, methods=['GET', 'OPTIONS'])
    rule.provide_automatic_options = True  # type: ignore[attr-defined]  # Flask's dispatch checks it
    # Not add_url_rule(), which fails after the first request: init_app() can still be called again then.
    app.url_map.add(rule)
    # No file can have such a name.
    path = f'{_prefix(app)}/{storage}/{INCOMING_PREFIX}/<address>'
    methods = ['PUT', 'OPTIONS']
    app.url_map.add(app.url_rule_class(path, endpoint=UPLOAD_ENDPOINT, defaults={'fs': storage}, methods=methods))


def _prefix(app: Flask) -> str:
    """The prefix of the URL paths of all storages in *app*: empty, or a path without a trailing slash."""
    given = app.config.get('FS_PREFIX') or ''
    prefix = given.strip('/') if isinstance(given, str) else None
    # <…> would be a variable in the route.
    if prefix is None or (prefix and not is_valid(prefix)) or set('<>') & set(prefix):
        reason = f"cannot use FS_PREFIX = {shown(given)}: it must be the start of a URL path, such as '/files', without < and >"
        raise ConfigurationError(reason=f'The application {app.name!r} {reason}.')
    return f'/{prefix}' if prefix else ''


def app_url(app: Any, storage: str, filename: str, *, external: bool, **query: str) -> str:
    """The URL where *app* serves a file.

    Within a request it is the result of ``url_for``. Outside of one, an external URL needs ``SERVER_NAME``.

    :raises ConfigurationError: If ``SERVER_NAME`` is needed but not set, or if *app* doesn't serve the storage.
    """
    return _url_for(app, ENDPOINT, external, fs=storage, filename=filename, **query)


def upload_url(app: Any, storage: str, address: str, **query: str) -> str:
    """The full URL to which a client sends an upload signed by *app*: see :func:`app_url`."""
    return _url_for(app, UPLOAD_ENDPOINT, True, fs=storage, address=address, **query)


def _url_for(app: Any, endpoint: str, external: bool, **values: str) -> str:
    storage = values['fs']
    try:
        if has_request_context():
            return url_for(endpoint, **values, _external=external)
        if not isinstance(app, Flask):
            raise BuildError(endpoint, values, None)
        server_name = app.config.get('SERVER_NAME')
        if external and not server_name:
            reason = (
                f'Outside of a request, the full URL of a file in storage {storage!r} needs the host of the application. '
                "Set SERVER_NAME, such as 'www.example.org'."
            )
            raise ConfigurationError(reason=reason)
        scheme = app.config.get('PREFERRED_URL_SCHEME', 'http')
        root = app.config.get('APPLICATION_ROOT') or '/'
        adapter = app.url_map.bind(server_name or 'localhost', script_name=root, url_scheme=scheme)
        return adapter.build(endpoint, values, force_external=external)
    except BuildError:
        reason = f'Storage {storage!r} has no URL in this application: pass it to fs.init_app(app, storage).'
        raise ConfigurationError(reason=reason) from None


def base_url(app: Any, storage: str) -> str:
    """The base URL where *app* serves the files of *storage*: a full URL if the host is known."""
    external = has_request_context() or bool(app.config.get('SERVER_NAME'))
    return app_url(app, storage, 'x', external=external)[:-1]
