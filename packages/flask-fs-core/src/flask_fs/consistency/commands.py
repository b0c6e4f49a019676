"""The commands ``flask fs gc`` and ``flask fs fsck``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Generator
from typing import Any

import click
from flask import Flask

from ..bindings import current_application
from ..cli import bindings
from ..credentials import without_userinfo
from ..errors import FSError
from .fsck import Finding, check, repair
from .gc import collect
from .outcome import Outcome

_UNITS_S = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400}
#: How many references to missing files are kept in memory until they can be fixed.
_MAX_MISSING = 10_000
#: How often progress is shown, in seconds.
_SHOWN_EVERY_S = 0.1
_REPAIRED = {'orphans': 'orphan', 'missing': 'missing'}


class _CouldNotRun(click.ClickException):
    exit_code = 2


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    found = re.fullmatch(r'(\d+(?:\.\d+)?)\s*([smhd]?)', value.strip(), re.ASCII)
    if found is None:
        raise click.BadParameter(f'{value!r} is not a duration: use a form such as 90s, 30m, 1h, or 7d')
    return float(found[1]) * _UNITS_S[found[2]]


_older_than = click.option(
    '--older-than',
    'older_than_s',
    default='1h',
    show_default=True,
    metavar='DURATION',
    callback=_seconds,
    help='Skip anything newer, because its transaction might still be open: 90s, 30m, 1h, 7d.',
)
_dry_run = click.option('--dry-run', is_flag=True, help='Show what would be done, without changing anything.')
_as_json = click.option('--json', 'as_json', is_flag=True, help='Print one JSON object per line.')


@click.command('gc')
@_older_than
@click.option(
    '--scan',
    'scanned',
    multiple=True,
    metavar='STORAGE',
    help='Also remove every file of this storage that no row of this application refers to. Repeatable.',
)
@_dry_run
@_as_json
def gc(older_than_s: float, scanned: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Remove the files that crashes left behind, according to the journals of the databases.

    Exit code: 0 for success, 1 if a file could not be removed, 2 if something could not be checked.
    """
    counts: Counter[str] = Counter()
    with _running() as (app, progress):
        for outcome in collect(app, older_than_s=older_than_s, dry_run=dry_run, scan=scanned, progress=progress):
            counts[outcome.action] += 1
            progress.clear()
            _show_outcome(outcome, as_json, dry_run)
    would = 'would be ' if dry_run else ''
    click.echo(
        f'{would}removed: {counts["removed"]}, kept: {counts["kept"]}, unsure: {counts["unsure"]}, failed: {counts["failed"]}',
        err=as_json,
    )
    if counts['failed']:
        raise click.exceptions.Exit(1)


@click.command('fsck')
@click.argument('storages', nargs=-1, metavar='[STORAGE]...')
@click.option('--content', is_flag=True, help='Read all files, and compare them with the recorded checksums.')
@click.option(
    '--repair',
    'repaired',
    multiple=True,
    type=click.Choice(list(_REPAIRED)),
    help='orphans: remove files that no row of this application refers to. missing: empty references whose files are missing. Repeatable.',
)
@click.option('--yes', is_flag=True, help='Do not ask for confirmation; required without a terminal.')
@_older_than
@_dry_run
@_as_json
def fsck(
    storages: tuple[str, ...],
    content: bool,
    repaired: tuple[str, ...],
    yes: bool,
    older_than_s: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Compare files with the rows that refer to them, in each STORAGE or in all.

    Exit code: 0 if everything matches, 1 if something was found, even if it was fixed, 2 if something could not be checked.
    """
    counts: Counter[str] = Counter()
    kinds = {_REPAIRED[each] for each in repaired} if not dry_run else set()
    with _running() as (app, progress):
        if kinds and not yes:
            _ask(repaired)
        found = check(app, storages or None, content=content, older_than_s=older_than_s, progress=progress)
        missing: list[Finding] = []
        orphans: list[Finding] = []
        with contextlib.closing(found) as findings:  # type: ignore[type-var]  # it is a generator
            for finding in findings:
                counts[finding.kind] += 1
                progress.clear()
                _show_finding(finding, as_json)
                if finding.kind in kinds:
                    (orphans if finding.kind == 'orphan' else missing).append(finding)
                if len(orphans) >= 100:
                    _repair(app, orphans, as_json, counts)
                if len(missing) > _MAX_MISSING:
                    missing.pop()
                    counts['left'] += 1
            _repair(app, orphans, as_json, counts)
        _repair(app, missing, as_json, counts)
    if counts['left']:
        click.echo(f'{counts["left"]} more references to missing files remain: run the command again.', err=True)
    summary = ', '.join(f'{kind}: {counts[kind]}' for kind in ('orphan', 'missing', 'altered', 'malformed'))
    click.echo(summary, err=as_json)
    if counts:
        raise click.exceptions.Exit(1)


def _ask(repaired: tuple[str, ...]) -> None:
    what = {
        'orphans': 'remove files that no row of this application refers to',
        'missing': 'empty references whose files are missing',
    }
    if not _is_terminal():
        raise _CouldNotRun('--repair needs confirmation, and there is no terminal to ask for it: add --yes.')
    click.confirm(
        f'This will {" and ".join(what[each] for each in dict.fromkeys(repaired))}. Continue?', abort=True, err=True
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _repair(app: Flask, findings: list[Finding], as_json: bool, counts: Counter[str]) -> None:
    if findings:
        for outcome in repair(app, findings):
            _show_outcome(outcome, as_json, False)
        findings.clear()


# --- Output.


class _Shown:
    """One line of progress on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._is_shown = self.is_terminal()
        self._last = 0.0
        self._is_there = False

    def __call__(self, what: str, count: int) -> None:
        if self._is_shown and (now := time.monotonic()) - self._last >= _SHOWN_EVERY_S:
            self._last, self._is_there = now, True
            click.echo(f'\r\x1b[K{what}: {count:,}', nl=False, err=True)

    @staticmethod
    def is_terminal() -> bool:
        """Whether standard error is a terminal."""
        return sys.stderr.isatty()

    def clear(self) -> None:
        """Erase the line."""
        if self._is_there:
            self._is_there = False
            click.echo('\r\x1b[K', nl=False, err=True)


@contextlib.contextmanager
def _running() -> Generator[tuple[Flask, _Shown]]:
    """The application and the progress. Any error of the application, its stores, or its databases exits with code 2."""
    progress = _Shown()
    try:
        bindings()
        yield current_application(), progress
    except (_CouldNotRun, click.UsageError, click.Abort, click.exceptions.Exit):
        raise
    except click.ClickException as error:
        raise _CouldNotRun(error.format_message()) from error
    except FSError as error:
        raise _CouldNotRun(_printable(str(error))) from error
    except Exception as error:
        # Such as an error of any database.
        message = f'{type(error).__name__}: {without_userinfo(str(error))}'
        raise _CouldNotRun(f'The check could not be completed: {_printable(message)}') from error
    finally:
        progress.clear()


def _show_outcome(outcome: Outcome, as_json: bool, dry_run: bool) -> None:
    if as_json:
        _print_json({**outcome._asdict(), 'dry_run': dry_run})
    elif outcome.action != 'kept':
        action = 'would be removed' if dry_run and outcome.action == 'removed' else outcome.action
        _print_line(action, outcome.storage, outcome.filename, outcome.reason)


def _show_finding(finding: Finding, as_json: bool) -> None:
    shown = {field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)}
    if as_json:
        _print_json({key: shown[key] for key in ('kind', 'storage', 'filename', 'where', 'detail')})
    else:
        _print_line(finding.kind, finding.storage, finding.filename or '', finding.where, finding.detail)


def _print_json(shown: dict[str, Any]) -> None:
    click.echo(json.dumps(shown))


def _print_line(*parts: str) -> None:
    click.echo('\t'.join(map(_printable, parts)))


def _printable(text: str) -> str:
    """*text* with control characters escaped: values in a database are untrusted."""
    return ''.join(each if each.isprintable() else each.encode('unicode_escape').decode() for each in text)
