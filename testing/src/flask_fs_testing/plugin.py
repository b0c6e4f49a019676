"""The pytest plugin: what a broken guarantee says, and the report."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from flask_fs.backends import Capability

from .guarantees import guarantee_of
from .harness import Harness
from .report import BackendReport, write

pytest_plugins = ['flask_fs_testing.fixtures', 'flask_fs_testing.memory']

_PROPERTY = 'flask-fs-check'


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the report."""
    group = parser.getgroup('flask-fs', 'conformance of Flask-FS backends')
    group.addoption('--fs-report', metavar='PATH', help='write what the checks found as PATH.md and PATH.json')


def pytest_configure(config: pytest.Config) -> None:
    """Collect the report in the process that the workers of pytest-xdist report to."""
    if (path := config.getoption('--fs-report')) and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(_Collector(Path(path)), 'flask-fs-report')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say which guarantee a failed check is about, and pass its outcome on to the report."""
    report = yield
    guarantee = guarantee_of(getattr(item, 'function', None))
    harness = getattr(item, 'funcargs', {}).get('harness')
    if report.when != 'call' or guarantee is None or not isinstance(harness, Harness):
        return report
    if report.failed:
        report.sections.append(('the guarantee that broke', str(guarantee)))
    backend = harness.backend_class
    outcome: dict[str, Any] = {
        'class': item.parent.name if item.parent else '',
        'backend': backend.__name__,
        'declared': [name for name, flag in Capability.__members__.items() if flag & _capabilities(harness)],
        'check': item.name,
        'guarantee': guarantee.text,
        'proves': guarantee.proves.name if guarantee.proves else None,
        'passed': report.passed,
    }
    report.user_properties.append((_PROPERTY, outcome))
    return report


def _capabilities(harness: Harness) -> Capability:
    """What the backend of this harness declares: an instance may have fewer capabilities than its class."""
    try:
        return harness.make().capabilities
    except Exception:  # noqa: BLE001  # the check that failed for it says why
        return harness.backend_class.capabilities


class _Collector:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._reports: dict[str, BackendReport] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, outcome in report.user_properties:
            if name == _PROPERTY and report.when == 'call':
                assert isinstance(outcome, dict)
                self._reports.setdefault(outcome['class'], BackendReport(outcome['backend'])).add(outcome)

    def pytest_sessionfinish(self) -> None:
        write(self._reports, self._path)
