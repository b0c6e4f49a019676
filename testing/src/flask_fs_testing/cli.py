"""The command ``flask fs prove``."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import click

from flask_fs.backends import Capability
from flask_fs.cli import bindings

from .deployment import MARK, Deployment, Unsuitable
from .proof import Proof
from .proof import prove as run_checks
from .report import write

__all__ = ['prove']

#: The result for each capability, by the word in the report.
_STATES = {'no': 'not declared', 'declared': 'declared, but not tried', 'proven': 'proven', 'broken': 'broken'}


class Refused(click.ClickException):
    """Nothing was checked."""

    exit_code = 2


def _check_prefix(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not MARK.fullmatch(value):
        raise click.BadParameter('use the prefix that the run printed, such as fs-prove-0123456789abcdef')
    return value


@click.command()
@click.argument('storage')
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
@click.option(
    '--report',
    metavar='PATH',
    type=click.Path(path_type=Path),
    help='Also write the report: PATH.md, PATH.json, PATH.html and PATH.svg.',
)
@click.option(
    '--clean-up',
    'prefix',
    metavar='PREFIX',
    callback=_check_prefix,
    help='Run no checks: remove what a killed run left below the PREFIX that it printed.',
)
def prove(storage: str, yes: bool, report: Path | None, prefix: str | None) -> None:
    """Check every guarantee on the server of STORAGE.

    The checks of the conformance kit store, read and remove files below a new key prefix. Nothing else is touched, and
    everything they stored is removed. The exit code is 0 if every guarantee held and nothing is left, 1 if not, and 2 if
    nothing was checked.
    """
    if not __debug__:
        raise Refused('The checks need assertions, which this Python skips. Run it without -O and PYTHONOPTIMIZE.')
    deployment = _deployment(storage, prefix)
    click.echo(f'Storage {storage!r} uses {deployment.backend_class.__name__}.')
    if prefix:
        click.echo(f'Everything below {deployment.location} will be removed.')
    else:
        click.echo(
            f'The checks store, read and remove files below {deployment.location}\n'
            'They touch nothing else there, and remove what they stored. They take minutes, thousands of requests and up\n'
            'to a gigabyte of traffic, for which your provider might charge you.'
        )
    if not yes:
        if not sys.stdin.isatty():
            raise Refused('There is no terminal to ask for confirmation. Pass --yes to continue without it.')
        click.confirm('Continue?', abort=True)
    if prefix:
        _say_left(deployment, deployment.clear())
        return
    try:
        deployment.try_access()
    except Exception as error:  # noqa: BLE001  # whatever it is, no check could say more
        refused = Refused(f'No checks were run: storing and removing a first file failed: {error}')
        refused.show()
        _say_left(deployment, deployment.clear())
        raise click.exceptions.Exit(refused.exit_code) from None
    with click.progressbar(length=0, file=sys.stderr, label='Checks') as bar:

        def progress(run: int, total: int) -> None:
            bar.length = total
            bar.update(1)

        proof = run_checks(deployment, progress)
    _show(proof)
    if report is not None:
        write(proof.collected, report)
        click.echo(f'The report is in {report}.md, .json, .html and .svg.')
    _say_left(deployment, proof.left)
    if proof.interrupted:
        raise click.exceptions.Exit(130)
    if proof.broken or proof.failure:
        raise click.exceptions.Exit(1)


def _deployment(storage: str, prefix: str | None) -> Deployment:
    found = bindings()
    if storage not in found:
        names = f'its storages are {", ".join(found)}' if found else 'it has no storages'
        raise Refused(f'The application has no storage {storage!r}: {names}.')
    try:
        return Deployment(storage, found[storage], prefix)
    except Unsuitable as error:
        raise Refused(str(error)) from None


def _show(proof: Proof) -> None:
    """Print the results."""
    if (report := proof.report) is not None:
        click.echo()
        for capability in Capability.__members__:
            if capability != 'NONE':
                click.echo(f'{capability:15} {_STATES[report.state_of(capability)]}')
        for check, seen in proof.broken.items():
            click.echo(f'\nBROKEN: {report.failed.get(check, check)}\nCheck: {check}\n{seen}')
        click.echo('\nNot run:')
        for reason, checks in report.not_run_by_reason.items():
            line = f'{reason or "the run ended before them"}: {", ".join(checks)}'
            click.echo(textwrap.fill(line, 100, initial_indent='- ', subsequent_indent='  '))
        counts = f'{report.passed} checks passed, {len(proof.broken)} failed, {len(report.not_run)} were not run.'
        click.echo(f'\n{counts}')
    if proof.interrupted:
        click.echo('Interrupted: the other checks were not run.', err=True)
    if proof.failure:
        click.echo(f'The run of the checks failed:\n{proof.failure}', err=True)


def _say_left(deployment: Deployment, left: list[str]) -> None:
    """Print whether anything could not be removed, and exit with code 1 if so."""
    if not left:
        click.echo(f'Nothing is left below {deployment.prefix}/.')
        return
    for problem in left:
        click.echo(problem, err=True)
    click.echo(f'Remove it with: flask fs prove {deployment.storage} --clean-up {deployment.prefix}', err=True)
    raise click.exceptions.Exit(1)
