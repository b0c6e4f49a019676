"""The result of a run as a badge for a README."""

from __future__ import annotations

from collections.abc import Collection

from .backend_report import BackendReport
from .pages import render

LABEL = 'flask-fs conformance'
#: Colors of the right half, dark enough for white letters (WCAG 2, contrast of 4.5).
COLORS = {'passed': '#2c6e33', 'limited': '#7a5c00', 'partial': '#555f6b', 'failed': '#b3261e'}
#: The average width of a letter in Verdana at 11 pixels.
LETTER_PX = 6.6


def text_of(reports: Collection[BackendReport]) -> str:
    """How many checks of all backends passed, and how many there are: ``131/131``."""
    return f'{sum(report.passed for report in reports)}/{sum(report.checks for report in reports)}'


def svg(reports: Collection[BackendReport]) -> str:
    """A badge for *reports*, in the color of the worst."""
    states = {report.state for report in reports}
    worst = next((state for state in ('failed', 'partial', 'limited') if state in states), 'passed')
    kits = sorted({report.run['kit'] for report in reports if report.run})
    left, right = (round(len(text) * LETTER_PX) + 10 for text in (LABEL, text_of(reports)))
    return render(
        'badge.svg',
        label=LABEL,
        text=text_of(reports),
        kits=', '.join(kits),
        color=COLORS[worst if reports else 'partial'],
        left=left,
        right=right,
    )
