"""The tables and lists of a report, as plain text: each format adds its markup and escapes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask_fs.backends import Capability

from .backend_report import BackendReport
from .versions import sentence

Reports = Mapping[str, BackendReport]
#: How many names of checks that were not run are listed: more than that means that a selection was run.
MAX_NAMES = 12
#: What each kind of measurement counts.
UNITS = {'moved': 'bytes moved', 'open': 'left nothing open after'}


class Table(NamedTuple):
    """A table with a column for each test class.

    :param rows: A heading, and a cell for each class.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]


class Entry(NamedTuple):
    """A line of a list, about the test class *name* or its check *check*."""

    name: str
    check: str
    text: str


def overview(reports: Reports) -> Table:
    """The capabilities, and how many checks passed."""
    found = reports.values()
    capabilities = [name for name in Capability.__members__ if name != 'NONE']
    rows = [
        ('backend', [report.backend for report in found]),
        *((capability, [report.state_of(capability) for report in found]) for capability in capabilities),
        ('checks passed', [f'{report.passed}/{report.checks}' for report in found]),
        ('known limits', [str(len(report.known_limits)) for report in found]),
        ('checks failed', [str(len(report.failed)) for report in found]),
    ]
    return Table('Capabilities', list(reports), rows)


def further(reports: Reports) -> list[Table]:
    """Measurements with their allowed maximums, sizes of files, and seconds by class of checks; without empty tables."""
    found = reports.values()
    measured = sorted(
        {
            (kind, each)
            for report in found
            for kind, values in report.measured.items()
            for each in values
            if kind not in ('sizes', 'allowed')
        }
    )
    sized = sorted({capability for report in found for capability in report.sizes})
    topics = sorted({topic for report in found for topic in report.seconds})
    rows = {
        'Measured (and the allowed maximum)': [
            (f'{UNITS.get(kind, kind)}: {each}', [_measured(report, kind, each) for report in found])
            for kind, each in measured
        ],
        'Sizes of the files behind each “proven”, in bytes': [
            (capability, [_sizes(report, capability) for report in found]) for capability in sized
        ],
        'Seconds': [(topic, [f'{report.seconds.get(topic, 0):.1f}' for report in found]) for topic in topics],
    }
    return [Table(title, list(reports), each) for title, each in rows.items() if each]


def lists(reports: Reports) -> dict[str, list[Entry]]:
    """Lists about single checks and classes, by title; without empty lists."""
    found = {
        'Broken guarantees': [
            Entry(name, *each) for name, report in reports.items() for each in sorted(report.failed.items())
        ],
        'Known limits': [
            Entry(name, *each) for name, report in reports.items() for each in sorted(report.known_limits.items())
        ],
        'Not run': [Entry(name, '', text) for name, report in reports.items() for text in _not_run(report)],
        'Advice': [Entry(name, '', text) for name, report in reports.items() for text in report.advice],
        'Proof': _proofs(reports),
    }
    return {title: entries for title, entries in found.items() if entries}


def _measured(report: BackendReport, kind: str, operation: str) -> str:
    value = report.measured.get(kind, {}).get(operation)
    maximum = report.measured.get('allowed', {}).get(operation) if kind == 'requests' else None
    return '' if value is None else f'{value:,}' + (f' (max. {maximum})' if maximum is not None else '')


def _sizes(report: BackendReport, capability: str) -> str:
    sizes = sorted(report.sizes.get(capability, {}).items(), key=lambda item: (item[1], item[0]))
    return ', '.join(f'{name} {size:,}' for name, size in sizes)


def _proofs(reports: Reports) -> list[Entry]:
    names: dict[str, list[str]] = {}
    for name, report in reports.items():
        if report.run:
            names.setdefault(sentence(report.run), []).append(name)
    return [Entry(', '.join(proved), '', text) for text, proved in names.items()]


def _not_run(report: BackendReport) -> list[str]:
    return [
        f'{reason}: {_names(names, report)}' if reason else _names(names, report)
        for reason, names in report.not_run_by_reason.items()
    ]


def _names(names: list[str], report: BackendReport) -> str:
    return ', '.join(names) if len(names) <= MAX_NAMES else f'{len(names)} of {report.checks} checks'
