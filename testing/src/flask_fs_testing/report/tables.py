"""The tables and lists of a report, as plain text, for each form of it to mark up and to escape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask_fs.backends import Capability

from .backend_report import BackendReport
from .versions import sentence

Reports = Mapping[str, BackendReport]
#: How many names of checks that were not run are of interest: more are a selection.
MAX_NAMES = 12
#: What kinds of measurements count.
UNITS = {'moved': 'bytes moved', 'open': 'left open'}


class Table(NamedTuple):
    """A table with a column for each test class.

    :param rows: A heading, and a cell for each class.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]


class Entry(NamedTuple):
    """A line of a list: about the test class *name*, maybe about the check *check*."""

    name: str
    check: str
    text: str


def overview(reports: Reports) -> Table:
    """The capabilities, and how many checks passed."""
    rows = {'backend': _cells(reports, lambda report: report.backend)}
    for capability in Capability.__members__:
        if capability != 'NONE':
            rows[capability] = _cells(reports, lambda report, capability=capability: report.state_of(capability))  # type: ignore[misc]
    rows['checks passed'] = _cells(reports, lambda report: f'{report.passed}/{report.checks}')
    rows['known limits'] = _cells(reports, lambda report: str(len(report.known_limits)))
    rows['checks failed'] = _cells(reports, lambda report: str(len(report.failed)))
    return Table('Capabilities', list(reports), list(rows.items()))


def further(reports: Reports) -> list[Table]:
    """What was measured, beside what is allowed, and how long each class of checks took; those with a row."""
    kinds = sorted(
        {
            (kind, operation)
            for report in reports.values()
            for kind, values in report.measured.items()
            for operation in values
            if kind != 'sizes'
        }
    )
    measured = [
        (
            f'{UNITS.get(kind, kind)}: {operation}',
            _cells(reports, lambda report, at=(kind, operation): _measured(report, *at)),
        )  # type: ignore[misc]
        for kind, operation in kinds
    ]
    sized = sorted({capability for report in reports.values() for capability in report.sizes})
    sizes = [(each, _cells(reports, lambda report, each=each: _sizes(report, each))) for each in sized]  # type: ignore[misc]
    topics = sorted({topic for report in reports.values() for topic in report.seconds})
    seconds = [
        (topic, _cells(reports, lambda report, topic=topic: f'{report.seconds.get(topic, 0):.1f}'))  # type: ignore[misc]
        for topic in topics
    ]
    tables = [
        Table('Measured (and the maximum that is allowed)', list(reports), measured),
        Table('Sizes of the files behind each “proven”, in bytes', list(reports), sizes),
        Table('Seconds', list(reports), seconds),
    ]
    return [table for table in tables if table.rows]


def lists(reports: Reports) -> dict[str, list[Entry]]:
    """What is said of single checks and classes, by title; titles without an entry are left out."""
    found = {
        'Broken guarantees': [
            Entry(name, *each) for name, report in reports.items() for each in sorted(report.failed.items())
        ],
        'Known limits': [
            Entry(name, *each) for name, report in reports.items() for each in sorted(report.known_limits.items())
        ],
        'Not run': [Entry(name, '', _not_run(report)) for name, report in reports.items() if report.not_run],
        'Advice': [Entry(name, '', text) for name, report in reports.items() for text in report.advice],
        'Proof': _proofs(reports),
    }
    return {title: entries for title, entries in found.items() if entries}


def _cells(reports: Reports, cell: Callable[[BackendReport], str]) -> list[str]:
    return [cell(report) for report in reports.values()]


def _measured(report: BackendReport, kind: str, operation: str) -> str:
    value = report.measured.get(kind, {}).get(operation)
    maximum = report.max_requests.get(operation) if kind == 'requests' else None
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


def _not_run(report: BackendReport) -> str:
    names = report.not_run
    return ', '.join(names) if len(names) <= MAX_NAMES else f'{len(names)} of {report.checks} checks'
