"""The commands ``flask fs list``, ``flask fs sweep`` and ``flask fs cors``, and the lookup of further commands."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
from flask import current_app, has_app_context
from flask.cli import AppGroup, ScriptInfo

from .backends.contract import Capability
from .bindings import Binding, state_of
from .cors import allow_origins, check_origins
from .errors import FSError

#: The entry point group in which distributions provide further commands of ``flask fs``, by the command's name.
ENTRY_POINT_GROUP = 'flask_fs.commands'
#: Core's own commands that are loaded on demand, by the command's name.
_LOADED_LATER = {'gc': 'consistency.commands', 'fsck': 'consistency.commands'}

#: Processes one storage of the application, and returns a line to print, or None.
_Act = Callable[[str, Binding], str | None]


def _for_each_storage(act: _Act) -> Callable[[], None]:
    """A command that calls *act* for each storage of the application, and continues after an error."""

    @functools.wraps(act)
    def command() -> None:
        failed = False
        for name, binding in bindings().items():
            try:
                if (line := act(name, binding)) is not None:
                    click.echo(line)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other storages follow
                failed = True
                message = str(error) if isinstance(error, FSError) else f'{type(error).__name__}: {error}'
                click.echo(f'{name}\tfailed: {message}', err=True)
        if failed:
            raise click.exceptions.Exit(1)

    return command


def bindings() -> dict[str, Binding]:
    """The storages of the current command's application, by name. Loads the application if necessary.

    :raises click.ClickException: If its configuration is wrong.
    """
    context = click.get_current_context()
    try:
        # The command loads the application itself, to report configuration errors.
        if not has_app_context():
            context.with_resource(context.ensure_object(ScriptInfo).load_app().app_context())
    except FSError as error:
        raise click.ClickException(str(error)) from None
    storages = state_of(current_app)
    if not storages:
        click.echo(f'{current_app.name!r} has no storages: pass them to fs.init_app(app, …).', err=True)
    return {name: storage._bound() for name, storage in sorted(storages.items())}


class _Commands(AppGroup):
    """Core's commands and those of other distributions, loaded on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LOADED_LATER, *self._announced()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (point := self._announced().get(cmd_name)) is not None:
            command: click.Command = point.load()
            return command
        if (module := _LOADED_LATER.get(cmd_name)) is not None:
            later: click.Command = getattr(importlib.import_module(f'{__package__}.{module}'), cmd_name)
            return later
        return super().get_command(ctx, cmd_name)

    def _announced(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


@click.group('fs', cls=_Commands)
def group() -> None:
    """List, clean up and check the application's storages, and allow direct uploads to their stores."""


@group.command('list', with_appcontext=False)
@_for_each_storage
def list_storages(name: str, binding: Binding) -> str:
    """Show each storage's name, backend, location, and capabilities."""
    # Before Python 3.11, NONE is one of its members.
    promises = ' '.join(str(each.name) for each in Capability if each and each in binding.driver.capabilities)
    return f'{name}\t{binding.kind}\t{_location(binding)}\t{promises}'


def _location(binding: Binding) -> str:
    """The location of the files, or else the URL of a web server that serves them."""
    backend = binding.backend
    # A mock has every attribute, but its class doesn't.
    if hasattr(type(backend), 'describe_location') and (location := backend.describe_location()):
        return str(location)
    return binding.config.get('url') or ''


@group.command(with_appcontext=False)
@_for_each_storage
def sweep(name: str, binding: Binding) -> str | None:
    """Remove leftovers of crashed processes: temporary files, incomplete uploads."""
    swept: Any = getattr(binding.backend, 'sweep', None)
    removed = None if swept is None else swept()
    return None if removed is None else f'{name}\t{removed} removed'


@group.command(with_appcontext=False)
@click.argument('storage')
@click.option(
    '--origin',
    'origins',
    multiple=True,
    required=True,
    metavar='URL',
    callback=check_origins,
    help='The origin of your pages. Repeatable.',
)
@click.option('--dry-run', is_flag=True, help='Show what would be set, without changing anything.')
def cors(storage: str, origins: tuple[str, ...], dry_run: bool) -> None:
    """Allow pages from each --origin to upload files to the store of STORAGE.

    Browsers only upload to another site if that site allows it (CORS). Rules for other origins don't change.
    """
    click.echo(allow_origins(bindings(), storage, origins, dry_run=dry_run))


# flask-fs-testing replaces this command. This one says how to get it.
@group.command(with_appcontext=False, context_settings={'ignore_unknown_options': True, 'allow_extra_args': True})
def prove() -> None:
    """Test a storage's server (requires flask-fs-testing)."""
    message = 'flask fs prove comes with the conformance kit. Install it with pip install flask-fs-testing.'
    raise click.ClickException(message)
