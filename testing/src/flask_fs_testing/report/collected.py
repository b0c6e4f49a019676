"""The outcomes of checks, as they arrive from one process or from several workers, in any order."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from .backend_report import BackendReport
from .versions import Versions

#: The property of pytest's report on a check that contains its outcome.
PROPERTY = 'flask-fs-check'
#: The outcome of one check, made by the plugin from types that JSON supports, because pytest-xdist sends it.
Outcome = dict[str, Any]


class Collected:
    """The results of a run: the outcomes of checks by test class, and advice."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], dict[str, Outcome]] = collections.defaultdict(dict)
        self._advice: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
        #: The guarantee of each check.
        self.guarantees: dict[str, str] = {}

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one check; if it ran several times, the last outcome counts."""
        self._outcomes[outcome['module'], outcome['class']][outcome['check']] = outcome
        self.guarantees[outcome['check']] = outcome['guarantee']

    def advise(self, nodeid: str, message: str) -> None:
        """Add advice from the check *nodeid* about its backend."""
        module, *classes = nodeid.split('::')[:-1] or ['']
        self._advice[module, classes[-1] if classes else ''].add(message)

    def reports(self, versions: Versions | None = None) -> Mapping[str, BackendReport]:
        """The report on each backend by the name of its test class, sorted.

        :param versions: The versions of the distributions to include, if any.
        """
        classes = collections.Counter(name for _, name in self._outcomes)
        reports = {}
        for (module, name), outcomes in self._outcomes.items():
            key = name if classes[name] == 1 else f'{name} in {module}'
            advice = self._advice.get((module, name), set())
            reports[key] = BackendReport.of([outcomes[check] for check in sorted(outcomes)], advice, versions)
        return dict(sorted(reports.items()))
