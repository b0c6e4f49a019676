"""What a run of the kit found out about each backend, as Markdown for people and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask_fs.backends import Capability


@dataclass
class BackendReport:
    """What was found out about one backend.

    :param declared: The names of the capabilities that it declares.
    :param proven: For each capability that a check proves, whether all of its checks passed.
    :param passed: How many checks passed.
    :param failed: The guarantees that broke, by the name of the check.
    """

    backend: str
    declared: list[str] = field(default_factory=list)
    proven: dict[str, bool] = field(default_factory=dict)
    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: Mapping[str, Any]) -> None:
        """Take in the outcome of one check."""
        self.declared = list(outcome['declared'])
        if outcome['passed']:
            self.passed += 1
        else:
            self.failed[outcome['check']] = outcome['guarantee']
        if (capability := outcome['proves']) in self.declared:
            self.proven[capability] = self.proven.get(capability, True) and outcome['passed']

    def state_of(self, capability: str) -> str:
        """The word for *capability* in a table."""
        if capability not in self.declared:
            return 'no'
        return {True: 'proven', False: '**broken**', None: 'declared'}[self.proven.get(capability)]


def write(reports: Mapping[str, BackendReport], path: Path) -> None:
    """Write the table to *path* with ``.md`` behind it, and the same data to *path* with ``.json``."""
    Path(f'{path}.md').write_text(markdown(reports), encoding='utf-8')
    data = {name: vars(report) for name, report in sorted(reports.items())}
    Path(f'{path}.json').write_text(json.dumps(data, indent=2, sort_keys=True) + '\n', encoding='utf-8')


def markdown(reports: Mapping[str, BackendReport]) -> str:
    """A table with a column for each backend, and the broken guarantees below."""
    names = sorted(reports)
    rows = [['', *names], ['---'] * (len(names) + 1)]
    rows.append(['backend', *(f'`{reports[name].backend}`' for name in names)])
    rows += [
        [f'`{capability}`', *(reports[name].state_of(capability) for name in names)]
        for capability in Capability.__members__
        if capability != 'NONE'
    ]
    rows.append(['checks passed', *(str(reports[name].passed) for name in names)])
    rows.append(['checks failed', *(str(len(reports[name].failed)) for name in names)])
    lines = [f'| {" | ".join(row)} |' for row in rows]
    for name in names:
        lines += ['', *(f'- {name}: `{check}` — {text}' for check, text in sorted(reports[name].failed.items()))]
    return '\n'.join(lines).rstrip() + '\n'
