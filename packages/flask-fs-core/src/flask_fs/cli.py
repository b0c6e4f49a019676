"""The commands ``flask fs list`` and ``flask fs sweep``."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from .backends.contract import Capability
from .registry import state_of


@click.command('list')
@with_appcontext
def list_storages() -> None:
    """Show each storage with its backend, where its files are, and what its backend promises."""
    for name, storage in sorted(state_of(current_app).items()):
        backend = storage.backend
        kind = getattr(backend, 'kind', '') or type(backend).__name__
        place = storage.root or storage.config.get('url') or ''
        promises = ' '.join(str(capability.name) for capability in Capability if capability & backend.capabilities)
        click.echo(f'{name}\t{kind}\t{place}\t{promises}')


@click.command()
@with_appcontext
def sweep() -> None:
    """Remove what processes left behind when they died half-way: temporary files, parts of uploads."""
    for name, storage in sorted(state_of(current_app).items()):
        if (swept := getattr(storage.backend, 'sweep', None)) is not None:
            click.echo(f'{name}\t{swept()} removed')


COMMANDS = (list_storages, sweep)
