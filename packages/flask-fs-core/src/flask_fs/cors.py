"""The command ``flask fs cors``: pages of an application may send files to its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import click

from .backends.base import BaseBackend
from .bindings import Binding
from .errors import FSError

_DEFAULT_PORTS = {'http': 80, 'https': 443}


def check_origins(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Origins of pages, as browsers send them, each once.

    See https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin.
    """
    return tuple(dict.fromkeys(map(_origin, values)))


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value.lower().removesuffix('/'))
        port = parts.port
    except ValueError:
        raise click.BadParameter(f'{value!r} is no URL') from None
    origin = f'{parts.scheme}://{parts.netloc}'
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or set('@*') & set(origin) or parts.geturl() != origin:
        raise click.BadParameter(f'{value!r} is not like https://app.example.org: a scheme, a host and maybe a port')
    if not origin.isascii():
        raise click.BadParameter(f'{value!r} needs the form of its host in ASCII, which browsers send: xn--…')
    return origin.removesuffix(f':{port}') if port == _DEFAULT_PORTS[parts.scheme] else origin


def allow_origins(bindings: Mapping[str, Binding], storage: str, origins: Sequence[str], *, dry_run: bool) -> str:
    """Have the store of a storage accept requests from pages of *origins*, and return what is set then.

    :raises click.ClickException: If there is no such storage, or its store does not.
    """
    if storage not in bindings:
        raise click.ClickException(f'The application has no storage {storage!r} (found: {", ".join(bindings)}).')
    driver = bindings[storage].driver
    if not isinstance(driver, BaseBackend):
        raise click.ClickException(f'The backend of storage {storage!r} has no store that browsers send to.')
    try:
        return driver._call_hook(lambda _: driver._allow_origins(origins, dry_run=dry_run), '')
    except FSError as error:
        raise click.ClickException(str(error)) from error
