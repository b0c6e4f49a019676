"""The commands ``flask fs list`` and ``flask fs sweep``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import click
from flask import current_app, has_app_context
from flask.cli import AppGroup, ScriptInfo

from .backends.contract import Capability
from .bindings import Binding, state_of
from .errors import FSError

#: Does something with one storage of the application, and returns a line to print, or None.
_Act = Callable[[str, Binding], str | None]


def _for_each_storage(act: _Act) -> Callable[[], None]:
    """A command that calls *act* for each storage of the application, even after one failed."""

    @functools.wraps(act)
    def command() -> None:
        failed = False
        for name, binding in _bindings():
            try:
                if (line := act(name, binding)) is not None:
                    click.echo(line)
            # Whatever it was, the other storages follow.
            except Exception as error:  # noqa: BLE001
                failed = True
                message = str(error) if isinstance(error, FSError) else f'{type(error).__name__}: {error}'
                click.echo(f'{name}\tfailed: {message}', err=True)
        if failed:
            raise click.exceptions.Exit(1)

    return command


def _bindings() -> Iterator[tuple[str, Binding]]:
    context = click.get_current_context()
    try:
        # The command loads the application itself, so that it can report what is wrong with its configuration.
        if not has_app_context():
            context.with_resource(context.ensure_object(ScriptInfo).load_app().app_context())
    except FSError as error:
        raise click.ClickException(str(error)) from None
    storages = state_of(current_app)
    if not storages:
        click.echo(f'{current_app.name!r} has no storages: pass them to fs.init_app(app, …).', err=True)
    return ((name, storage._bound()) for name, storage in sorted(storages.items()))


@click.group('fs', cls=AppGroup)
def group() -> None:
    """List the storages of the application, and sweep them."""


@group.command('list', with_appcontext=False)
@_for_each_storage
def list_storages(name: str, binding: Binding) -> str:
    """Show each storage with its backend, the location of its files, and the backend's capabilities."""
    # Before Python 3.11, NONE is one of its members.
    promises = ' '.join(str(each.name) for each in Capability if each and each in binding.driver.capabilities)
    return f'{name}\t{binding.kind}\t{_location(binding)}\t{promises}'


def _location(binding: Binding) -> str:
    """Where the files are, or at least the URL of a web server that serves them."""
    backend = binding.backend
    # A mock has every attribute, and its class none.
    if hasattr(type(backend), 'describe_location') and (location := backend.describe_location()):
        return str(location)
    return binding.config.get('url') or ''


@group.command(with_appcontext=False)
@_for_each_storage
def sweep(name: str, binding: Binding) -> str | None:
    """Remove what crashed processes left behind: temporary files, parts of uploads."""
    swept: Any = getattr(binding.backend, 'sweep', None)
    removed = None if swept is None else swept()
    return None if removed is None else f'{name}\t{removed} removed'
