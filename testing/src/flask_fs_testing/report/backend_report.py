"""The results of a run for one backend."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .versions import Versions


@dataclass
class BackendReport:
    """The results for one backend.

    :param backend: The name of its class.
    :param declared: The names of the capabilities that it declares.
    :param proven: For each capability that a check proves, whether all of its checks passed.
    :param limited: The capabilities whose checks all pass except at known limits.
    :param checks: How many checks its test class has.
    :param passed: How many of them passed.
    :param failed: The guarantees that broke, by the name of the check.
    :param known_limits: The reasons in the harness for checks that failed as expected, by the name of the check.
    :param not_run: The checks that were deselected, skipped or replaced by another test.
    :param skipped: The reasons why checks were skipped, by the name of the check.
    :param advice: What the backend could declare, and known limits that are gone.
    :param sizes: The sizes of the files that the checks of each capability used, in bytes by class of size.
    :param measured: What checks measured, by kind and operation; ``allowed`` is the maximum of ``requests``.
    :param seconds: How long the checks took, by the class that defines them.
    :param results: The outcome of each check: ``passed``, ``failed``, ``limited`` or ``skipped``.
    :param run: Which versions proved it, on which system, and when.
    """

    backend: str
    declared: list[str] = field(default_factory=list)
    proven: dict[str, bool] = field(default_factory=dict)
    limited: list[str] = field(default_factory=list)
    checks: int = 0
    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    known_limits: dict[str, str] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    measured: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    run: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, outcomes: Sequence[Mapping[str, Any]], advice: Iterable[str] = (), versions: Versions | None = None
    ) -> BackendReport:
        """The report on the *outcomes* of the checks of one test class, at least one."""
        first = outcomes[0]
        report = cls(first['backend'])
        if versions is not None:
            report.run = versions.of(first['modules'])
        # A server can make it smaller in one check than in the others.
        shared = set(first['declared']).intersection(*(outcome['declared'] for outcome in outcomes))
        report.declared = [capability for capability in first['declared'] if capability in shared]
        run, seconds, given = set(), collections.Counter[str](), set(advice)
        for outcome in outcomes:
            check, result = outcome['check'], outcome['outcome']
            report.results[check] = result
            seconds[outcome['topic']] += outcome['seconds']
            if result == 'skipped':
                report.skipped[check] = outcome['reason']
                continue
            run.add(outcome['function'])
            if result == 'failed':
                report.failed[check] = outcome['guarantee']
            elif result == 'limited':
                report.known_limits[check] = outcome['reason']
            elif outcome['reason']:
                given.add(f'{check} passes: its known limit is gone ({outcome["reason"]})')
            report._add_measured(outcome)
        report.passed = list(report.results.values()).count('passed')
        report.not_run = sorted(set(first['checks']) - run)
        report.checks = len(report.results) + len(set(report.not_run) - {each['function'] for each in outcomes})
        report.seconds = {topic: round(seconds[topic], 2) for topic in sorted(seconds)}
        report.advice = sorted(given)
        report._judge_capabilities(outcomes)
        return report

    @property
    def state(self) -> str:
        """The overall result: ``failed``, ``partial`` if not all checks were run, ``limited``, or ``passed``."""
        if self.failed:
            return 'failed'
        if self.not_run or self.passed + len(self.known_limits) < self.checks:
            return 'partial'
        return 'limited' if self.known_limits else 'passed'

    @property
    def not_run_by_reason(self) -> dict[str, list[str]]:
        """The checks that were not run, by the reason why they were skipped, which is empty if there is none."""
        found: dict[str, list[str]] = {}
        for check in self.not_run:
            found.setdefault(self.skipped.get(check, ''), []).append(check)
        return found

    def state_of(self, capability: str) -> str:
        """The word for *capability* in a table."""
        if capability not in self.declared:
            return 'no'
        if capability in self.limited:
            return 'limited'
        return {True: 'proven', False: 'broken', None: 'declared'}[self.proven.get(capability)]

    def _add_measured(self, outcome: Mapping[str, Any]) -> None:
        for kind, values in outcome['measured'].items():
            known = self.measured.setdefault(kind, {})
            for operation, value in values.items():
                known[operation] = max(value, known.get(operation, value))
        if outcome['proves'] in self.declared and 'sizes' in outcome['measured']:
            self.sizes.setdefault(outcome['proves'], {}).update(outcome['measured']['sizes'])

    def _judge_capabilities(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        for capability in self.declared:
            results = {each['outcome'] for each in outcomes if each['proves'] == capability} - {'skipped'}
            if results:
                self.proven[capability] = results == {'passed'}
            if 'limited' in results and 'failed' not in results:
                self.limited.append(capability)
