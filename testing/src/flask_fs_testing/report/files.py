"""The files of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from . import badge
from .collected import Collected
from .markdown import markdown
from .pages import render
from .tables import further, lists, overview
from .versions import Versions


def write(found: Collected, path: Path) -> None:
    """Write the report on *found* to *path* with each suffix: ``.md``, ``.json``, ``.html``, and the badge ``.svg``."""
    reports = found.reports(Versions())
    backends = list(reports.values())
    svg, text = badge.svg(backends), f'{badge.LABEL} {badge.text_of(backends)}'
    data = {name: vars(report) for name, report in reports.items()}
    page = render(
        'page.html',
        title=badge.LABEL,
        text=text,
        badge=svg,
        reports=reports,
        overview=overview(reports),
        tables=further(reports),
        lists=lists(reports),
        guarantees=found.guarantees,
    )
    contents: Mapping[str, str] = {
        'md': markdown(reports, f'![{text}]({quote(path.name)}.svg)'),
        'json': json.dumps(data, indent=2, sort_keys=True) + '\n',
        'html': page,
        'svg': svg,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix, content in contents.items():
        Path(f'{path}.{suffix}').write_text(content, encoding='utf-8', newline='\n')
