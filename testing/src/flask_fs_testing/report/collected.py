"""The outcomes of checks, as they come in from one process or from several workers, in any order."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from .backend_report import BackendReport
from .versions import Versions

#: The property of pytest's report on a check that has its outcome.
PROPERTY = 'flask-fs-check'
#: The outcome of one check, in types that JSON has, as pytest-xdist sends it. The plugin makes it.
Outcome = dict[str, Any]


class Collected:
    """What a run found: the outcomes of checks by test class, and advice."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], dict[str, Outcome]] = collections.defaultdict(dict)
        self._advice: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
        #: The guarantee of each check.
        self.guarantees: dict[str, str] = {}

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one check; of one that ran several times the last counts."""
        self._outcomes[outcome['module'], outcome['class']][outcome['check']] = outcome
        self.guarantees[outcome['check']] = outcome['guarantee']

    def advise(self, nodeid: str, message: str) -> None:
        """Add advice from the check *nodeid* about its backend."""
        module, *classes = nodeid.split('::')[:-1] or ['']
        self._advice[module, classes[-1] if classes else ''].add(message)

    def reports(self, versions: Versions | None = None) -> Mapping[str, BackendReport]:
        """The report on each backend by the name of its test class, sorted.

        :param versions: Which distributions proved it, if that is of interest.
        """
        classes = collections.Counter(name for _, name in self._outcomes)
        reports = {}
        for (module, name), outcomes in self._outcomes.items():
            key = name if classes[name] == 1 else f'{name} in {module}'
            advice = self._advice.get((module, name), set())
            reports[key] = BackendReport.of([outcomes[check] for check in sorted(outcomes)], advice, versions)
        return dict(sorted(reports.items()))
