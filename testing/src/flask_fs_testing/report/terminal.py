"""A summary of the report, at the end of the run."""

from __future__ import annotations

from .collected import Collected


def summary(found: Collected) -> list[str]:
    """A line for each test class, followed by its known limits and advice."""
    lines = []
    for name, report in found.reports().items():
        limits = f', {len(report.known_limits)} known limits' if report.known_limits else ''
        failed = f', {len(report.failed)} failed' if report.failed else ''
        slowest = max(report.seconds, key=lambda topic: report.seconds[topic])
        seconds = f'{sum(report.seconds.values()):.1f} s, of which {slowest} {report.seconds[slowest]:.1f} s'
        lines.append(f'{name}: {report.passed} of {report.checks} checks passed{failed}{limits}; {seconds}')
        lines += [f'  known limit: {check}: {reason}' for check, reason in sorted(report.known_limits.items())]
        lines += [f'  advice: {text}' for text in report.advice]
    return lines
