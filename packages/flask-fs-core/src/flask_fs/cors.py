"""The command ``flask fs cors``: allow an application's pages to upload to its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import click

from .backends.base import BaseBackend
from .bindings import Binding
from .errors import FSError

_DEFAULT_PORTS = {'http': 80, 'https': 443}


def check_origins(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The origins of pages, as browsers send them, without duplicates.

    See https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin.
    """
    return tuple(dict.fromkeys(map(_origin, values)))


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value.lower().removesuffix('/'))
        port = parts.port
    except ValueError:
        raise click.BadParameter(f'{value!r} is not a URL') from None
    origin = f'{parts.scheme}://{parts.netloc}'
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or set('@*') & set(origin) or parts.geturl() != origin:
        raise click.BadParameter(
            f'{value!r} is not an origin: use a scheme, a host and optionally a port, such as https://app.example.org'
        )
    if not origin.isascii():
        raise click.BadParameter(f'{value!r} needs its host in ASCII form (xn--…), as browsers send it')
    return origin.removesuffix(f':{port}') if port == _DEFAULT_PORTS[parts.scheme] else origin


def allow_origins(bindings: Mapping[str, Binding], storage: str, origins: Sequence[str], *, dry_run: bool) -> str:
    """Make a storage's store accept requests from pages of *origins*, and return a description of the resulting rules.

    :raises click.ClickException: If no such storage exists, or its store doesn't support this.
    """
    if storage not in bindings:
        raise click.ClickException(f'The application has no storage {storage!r} (found: {", ".join(bindings)}).')
    driver = bindings[storage].driver
    if not isinstance(driver, BaseBackend):
        raise click.ClickException(f'The backend of storage {storage!r} has no store that browsers can upload to.')
    try:
        return driver._call_hook(lambda _: driver._allow_origins(origins, dry_run=dry_run), '')
    except FSError as error:
        raise click.ClickException(str(error)) from error
