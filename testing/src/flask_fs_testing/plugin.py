"""The pytest plugin: explanations of broken guarantees, known limits, and the report."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from flask_fs.backends import BaseBackend, Capability

from .comparisons import brief_comparisons
from .conformance import NetworkConformance
from .guarantees import UndeclaredCapability, checks_of, guarantee_of
from .harness import Harness
from .journal import CHECKS, VERBS, Journal
from .measurements import recorded
from .proxy import FaultProxy
from .report import PROPERTY, Collected, Outcome, summary, write

pytest_plugins = ['flask_fs_testing.fixtures', 'flask_fs_testing.memory']

#: The timeout of a check, in seconds: longer than any check takes with a slow store on a busy machine.
CHECK_TIMEOUT_S = 600

_JOURNAL = pytest.StashKey[Journal]()
_FAULTS = ('down', 'up', 'respond', 'slow_down', 'hang', 'cut_upload', 'cut_download', 'lose_response', 'recover')
_RAW = ('put_raw', 'get_raw', 'names_raw')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the report."""
    group = parser.getgroup('flask-fs', 'conformance of Flask-FS backends')
    group.addoption(
        '--fs-report',
        metavar='PATH',
        help='write the results of the checks to PATH.md, .json and .html, and a badge to PATH.svg',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the results of the checks, in the process that the workers of pytest-xdist report to."""
    if not hasattr(config, 'workerinput'):
        path = config.getoption('--fs-report')
        config.pluginmanager.register(_Collector(path and Path(path)), 'flask-fs-report')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each check a timeout, unless the author has already set one for pytest-timeout."""
    if not config.pluginmanager.hasplugin('timeout') or config.getoption('timeout') is not None:
        return
    if not os.environ.get('PYTEST_TIMEOUT') and not config.getini('timeout'):
        for item in items:
            if guarantee_of(getattr(item, 'function', None)) and not item.get_closest_marker('timeout'):
                item.add_marker(pytest.mark.timeout(CHECK_TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Record the calls of a check, and expect it to fail at a known limit."""
    if (harness := _harness_of(item)) is None:
        return (yield)
    _apply_known_limits(item, harness)
    item.stash[_JOURNAL] = journal = Journal()
    recording = journal.recording(
        ('', harness.backend_class, VERBS), ('harness.', type(harness), _RAW), ('proxy.', FaultProxy, _FAULTS)
    )
    with recording, brief_comparisons():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the guarantee of a failed check and its calls to the output, and its outcome to the report."""
    report = yield
    harness = _harness_of(item)
    if report.when != 'call' or harness is None or not isinstance(item, pytest.Function):
        return report
    if report.failed:
        _explain(item, report, call, harness)
    report.user_properties.append((PROPERTY, _outcome(item, report, harness)))
    return report


def _harness_of(item: pytest.Item) -> Harness | None:
    """The harness of a check; None for other tests."""
    harness = getattr(item, 'funcargs', {}).get('harness')
    return harness if guarantee_of(getattr(item, 'function', None)) and isinstance(harness, Harness) else None


def _apply_known_limits(item: pytest.Item, harness: Harness) -> None:
    assert isinstance(item, pytest.Function)
    # Several classes, each with some of the checks, can share a harness.
    checks = {**checks_of(NetworkConformance), **(checks_of(item.cls) if item.cls else {})}
    if unknown := sorted(harness.known_limits.keys() - checks.keys()):
        pytest.fail(f'{type(harness).__name__}.known_limits: there is no check {", ".join(unknown)}.', pytrace=False)
    if reason := harness.known_limits.get(item.originalname):
        item.add_marker(pytest.mark.xfail(reason=reason, strict=False))


def _explain(item: pytest.Function, report: pytest.TestReport, call: pytest.CallInfo[None], harness: Harness) -> None:
    option, excinfo = item.config.option, call.excinfo
    says_it_all = isinstance(excinfo and excinfo.value, pytest.fail.Exception)
    if excinfo is not None and option.tbstyle == 'auto' and not option.fulltrace and not says_it_all:
        report.longrepr = excinfo.getrepr(style='short', tbfilter=functools.partial(_relevant, item, harness))
    done = str(item.stash.get(_JOURNAL, ''))
    for secret in getattr(harness, 'secrets', ()):
        done = done.replace(secret, '***')
    if done:
        report.sections.append(('what was done', done))
    report.sections.append(('the guarantee that broke', str(guarantee_of(item.function))))


#: The modules of the base classes of backends and harnesses.
_PASSING_ON = {*(cls.__module__ for cls in BaseBackend.__mro__), Harness.__module__, 'abc', 'builtins'}


def _relevant(item: pytest.Function, harness: Harness, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The frames of the check, the backend and the harness, and the last one; without those that only pass a call on."""
    bases = (*harness.backend_class.__mro__, *type(harness).__mro__)
    modules = {cls.__module__ for cls in bases} - _PASSING_ON
    packages = {name.partition('.')[0] for name in modules} - {'flask_fs', 'flask_fs_testing'}

    def is_relevant(entry: Any) -> bool:
        name = entry.frame.f_globals.get('__name__', '')
        return name in modules or name.startswith(CHECKS) or name.partition('.')[0] in packages or entry == last

    traceback = excinfo.traceback.cut(path=item.function.__code__.co_filename)
    last = traceback[-1]
    return traceback.filter(is_relevant)


def _outcome(item: pytest.Function, report: pytest.TestReport, harness: Harness) -> Outcome:
    """The outcome of a check for the report, in types that a worker of pytest-xdist can send."""
    cls: type = item.cls or type(None)
    guarantee = guarantee_of(item.function)
    assert guarantee is not None
    expected: str | None = getattr(report, 'wasxfail', None)
    capabilities = _capabilities(item, harness)
    return {
        'module': item.nodeid.partition('::')[0],
        'class': cls.__name__,
        'backend': harness.backend_class.__name__,
        'modules': [base.__module__ for base in harness.backend_class.__mro__],
        'declared': [name for name, flag in Capability.__members__.items() if flag & capabilities],
        'checks': list(checks_of(cls)),
        'check': item.name,
        'function': item.originalname,
        'topic': next((base.__name__ for base in cls.__mro__ if item.originalname in vars(base)), ''),
        'guarantee': guarantee.text,
        'proves': guarantee.proves.name if guarantee.proves else None,
        'cause': guarantee.cause,
        'outcome': _result(report, expected is not None, guarantee.race),
        'reason': expected.removeprefix('reason: ') if expected is not None else _skip_reason(report),
        'seconds': report.duration,
        'measured': recorded(harness),
    }


def _result(report: pytest.TestReport, expected_to_fail: bool, race: bool) -> str:
    """``passed``, ``failed``, ``skipped`` or ``limited``, also for a race that passes at a known limit: luck proves nothing."""
    if report.failed:
        return 'failed'
    if expected_to_fail and (report.skipped or race):
        return 'limited'
    return 'passed' if report.passed else 'skipped'


def _skip_reason(report: pytest.TestReport) -> str:
    return report.longrepr[2].removeprefix('Skipped: ') if report.skipped and isinstance(report.longrepr, tuple) else ''


def _capabilities(item: pytest.Item, harness: Harness) -> Capability:
    """What the backend of this harness declares: an instance can have fewer capabilities than its class."""
    if not item.config.getoption('--fs-report'):
        return harness.backend_class.capabilities
    try:
        return harness.make().capabilities
    except Exception:  # noqa: BLE001  # the check that failed for it says why
        return harness.backend_class.capabilities


class _Collector:
    """Collects the outcomes from workers, for the summary and the report."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found = Collected()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, outcome in report.user_properties:
            if name == PROPERTY and report.when == 'call':
                assert isinstance(outcome, dict)
                self._found.add(outcome)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        if issubclass(warning_message.category, UndeclaredCapability):
            self._found.advise(nodeid, str(warning_message.message))

    def pytest_sessionfinish(self) -> None:
        if self._path is not None:
            write(self._found, self._path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if lines := summary(self._found):
            terminalreporter.section('conformance of Flask-FS backends')
            for line in lines:
                terminalreporter.write_line(line)
