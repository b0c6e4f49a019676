"""The score of the kit at the end of a run."""

from __future__ import annotations

import collections

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the score of the kit: what its checks caught, also where the workers of pytest-xdist ran them."""
    outcomes = [
        (value, report.passed)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, 'when', '') == 'call'
        for name, value in report.user_properties
        if name == 'broken-backend'
    ]
    if outcomes:
        caught = {(backend, check) for (backend, check), passed in outcomes if passed}
        backends = {backend for (backend, _), _ in outcomes}
        by_check = collections.Counter(check for _, check in caught)
        fewest = min(by_check.values(), default=0)
        terminalreporter.section('score of the kit')
        terminalreporter.write_line(
            f'{len({backend for backend, _ in caught})} of {len(backends)} broken backends are caught, by {len(by_check)} checks; '
            f'{list(by_check.values()).count(fewest)} checks catch no more than {fewest}. '
            'All of them on all: python3 dev.py mutants'
        )
