"""What the author of a backend sees: fewer than twenty lines to write, clear failures, known limits, and advice."""

from __future__ import annotations

import json

import pytest

# Each test runs pytest once more.
pytestmark = pytest.mark.slow

CONFORMANCE = """
import pytest
from flask_fs_testing import BackendConformance, MemoryHarness
from flask_fs.backends import Capability
from flask_fs.backends.memory import MemoryBackend

class Forgetful(MemoryBackend):
    def _remove(self, name):
        pass

class ForgetfulHarness(MemoryHarness):
    backend_class = Forgetful
    secrets = ('t0ken',)

class TestForgetful(BackendConformance):
    harness_class = ForgetfulHarness
"""
MODEST = CONFORMANCE.replace(
    'def _remove', 'capabilities = MemoryBackend.capabilities & ~Capability.ATOMIC_CREATE\n    def _never'
)
FILES = ('md', 'json', 'html', 'svg')
DELETING = 'test_deleting_what_is_not_there_is_no_error'


@pytest.fixture(autouse=True)
def only_the_plugin_of_the_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading all that this environment has takes longer than the tests."""
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')
    monkeypatch.setenv('PYTEST_PLUGINS', 'flask_fs_testing.plugin')


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(code)
    return pytester.runpytest_inprocess('-p', 'no:cacheprovider', *options)


def limited(limits: dict[str, str], code: str = CONFORMANCE) -> str:
    return code.replace('secrets =', f'known_limits = {limits!r}\n    secrets =')


def test_a_failure_says_what_was_seen_and_done_which_guarantee_broke_where_it_is_and_why(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, CONFORMANCE, '-k', 'deleting_what or 404')
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            '*checks?deleting.py:*: in test_deleting_what_is_not_there_is_no_error',
            "    assert not backend.exists('x')",
            'E * assert not True',
            '* what was done *',
            "write('x', b'') -> <FileInfo of 0 bytes>",
            "delete('x') -> None",
            "delete('x') -> None",
            "exists('x') -> True",
            '* the guarantee that broke *',
            'Deleting raises no error if there is nothing to delete.',
            'Contract of _remove: https://*/docs/reference/backend-api.md#hooks-to-implement',
        ]
    )


def test_a_traceback_shows_the_check_and_the_backend_and_not_what_is_between(pytester: pytest.Pytester) -> None:
    failing = 'def _stat(self, name):\n        raise ZeroDivisionError(name)\n    def _remove'
    result = run(pytester, CONFORMANCE.replace('def _remove', failing), '-k', 'deleting_what')
    shown = [line.split(': in ')[1] for line in result.outlines if ': in ' in line]
    assert shown == [DELETING, '_stat']
    result.stdout.fnmatch_lines(['E * ZeroDivisionError: x'])


@pytest.mark.parametrize('option', ['--tb=long', '--full-trace'])
def test_who_asks_for_a_long_traceback_gets_it(pytester: pytest.Pytester, option: str) -> None:
    result = run(pytester, CONFORMANCE, '-k', 'deleting_what', option)
    result.stdout.fnmatch_lines(['>       assert not backend.exists*', '* the guarantee that broke *'])


def test_what_was_done_holds_no_secret(pytester: pytest.Pytester) -> None:
    own = """
    from flask_fs_testing.guarantees import check
    @check('read')
    def test_own(self, harness):
        \"\"\"A file is read.\"\"\"
        harness.put_raw('x', b'the t0ken')
        harness.make().read('x/t0ken')
"""
    result = run(pytester, CONFORMANCE + own, '-k', 'test_own')
    result.stdout.fnmatch_lines(
        ["harness.put_raw('x', b'the [*][*][*]') -> None", "read('x/[*][*][*]') raises FileNotFound: *"]
    )


def test_a_known_limit_fails_as_expected_and_is_shown(pytester: pytest.Pytester) -> None:
    result = run(pytester, limited({DELETING: 'it forgets'}), '-k', 'deleting_what or 404')
    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            'TestForgetful: 1 of * checks passed, 1 known limits; * s*',
            f'  known limit: {DELETING}: it forgets',
        ]
    )


def test_a_known_limit_that_is_gone_is_said_to_be_unless_it_is_a_race(pytester: pytest.Pytester) -> None:
    race = 'test_of_many_threads_one_creates_a_name'
    limits = limited({'test_a_missing_file_is_404': 'it says 200', race: 'it looks first'})
    result = run(pytester, limits, '-k', '404 or threads_one_creates_a_name', '-W', 'error', '-o', 'xfail_strict=true')
    result.assert_outcomes(xpassed=2)
    result.stdout.fnmatch_lines(
        [
            f'  known limit: {race}: it looks first',
            '  advice: test_a_missing_file_is_404 passes: its known limit is gone (it says 200)',
        ]
    )
    result.stdout.no_fnmatch_line(f'*{race} passes*')


def test_a_known_limit_of_no_check_is_an_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, limited({'test_misspelled': 'it forgets'}), '-k', '404')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['ForgetfulHarness.known_limits: there is no check test_misspelled.'])


@pytest.mark.parametrize('option', ['error', 'default'])
def test_what_works_undeclared_is_advice_and_fails_nothing(pytester: pytest.Pytester, option: str) -> None:
    result = run(pytester, MODEST, '-W', option, '-k', 'threads_one_creates_a_name')
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            '*UndeclaredCapability: Forgetful could declare ATOMIC_CREATE: it works*',
            '  advice: Forgetful could declare ATOMIC_CREATE: it works',
        ]
    )


def test_advice_can_be_ignored(pytester: pytest.Pytester) -> None:
    result = run(
        pytester, MODEST, '-W', 'ignore::flask_fs_testing.UndeclaredCapability', '-k', 'threads_one_creates_a_name'
    )
    result.assert_outcomes(passed=1, warnings=0)
    result.stdout.no_fnmatch_line('*advice: *')


def test_the_report_says_the_same_of_one_process_and_of_several(pytester: pytest.Pytester) -> None:
    limits = limited({'test_a_missing_file_is_404': 'it says 200'})
    options = ('-k', 'deleting_what or 404 or range_from', '--fs-report')
    run(pytester, limits, *options, 'one').assert_outcomes(passed=1, failed=1, xpassed=1)
    # A process of its own, as workers are: what a plugin began here, xdist would not expect.
    result = pytester.runpytest_subprocess('-p', 'xdist.plugin', '-n', '2', *options, 'several')
    result.stdout.fnmatch_lines(['* what was done *', 'TestForgetful: 2 of *'])
    one, several = (json.loads((pytester.path / f'{name}.json').read_text()) for name in ('one', 'several'))
    for report in (one, several):
        report['TestForgetful'].pop('seconds')
        report['TestForgetful']['run'].pop('when')
    assert one == several
    assert one['TestForgetful']['failed'] == {DELETING: 'Deleting raises no error if there is nothing to delete.'}
    assert one['TestForgetful']['advice'] == [
        'test_a_missing_file_is_404 passes: its known limit is gone (it says 200)'
    ]
    assert {path.name for path in pytester.path.glob('several.*')} == {f'several.{suffix}' for suffix in FILES}


def test_the_report_says_what_the_class_declares_where_no_instance_can_be_made(pytester: pytest.Pytester) -> None:
    unmade = 'backend_class = Forgetful\n    def settings(self):\n        raise OSError("no location")\n'
    own = '\ndef test_of_the_author(record_property):\n    record_property("color", "red")\n'
    code = CONFORMANCE.replace('backend_class = Forgetful\n', unmade) + own
    run(pytester, code, '--fs-report=found', '-k', '404 or author').assert_outcomes(passed=1, failed=1)
    reports = json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))
    assert list(reports) == ['TestForgetful']
    assert 'ATOMIC_CREATE' in reports['TestForgetful']['declared']


def test_the_report_says_what_an_instance_declares(pytester: pytest.Pytester) -> None:
    narrowing = (
        'def __init__(self, *given):\n        super().__init__(*given)\n        self.capabilities = Capability.NONE\n'
    )
    code = CONFORMANCE.replace('def _remove', f'{narrowing}    def _never')
    run(pytester, code, '--fs-report=found', '-k', '404').assert_outcomes(passed=1)
    assert json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))['TestForgetful']['declared'] == []


def test_a_check_that_is_replaced_or_does_not_get_so_far_is_not_passed(pytester: pytest.Pytester) -> None:
    own = f"""
    def {DELETING}(self):
        pass
    @pytest.fixture
    def harness(self, tmp_path, request):
        if '404' in request.node.name:
            pytest.skip('no server')
        return ForgetfulHarness(tmp_path)
"""
    result = run(pytester, CONFORMANCE + own, '-k', 'deleting_what or 404 or a_range_is_served', '--fs-report=found')
    result.assert_outcomes(passed=2, skipped=1)
    report = json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))['TestForgetful']
    assert report['passed'] == 1
    assert {DELETING, 'test_a_missing_file_is_404'} <= set(report['not_run'])
    assert len(report['not_run']) == report['checks'] - 1


HANGING = """
import threading
from flask_fs_testing import plugin
plugin.CHECK_TIMEOUT_S = 0.5
""" + CONFORMANCE.replace('pass', 'threading.Event().wait()')


def test_a_check_that_hangs_is_ended_and_shows_where(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HANGING)
    result = pytester.runpytest_subprocess('-p', 'timeout', '-p', 'no:cacheprovider', '-k', 'deleting_what or 404')
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ['    threading.Event().wait()', '*Timeout (>0.5s) from pytest-timeout.', '*the guarantee that broke*']
    )


@pytest.mark.parametrize('own', [['--timeout=60'], ['-o', 'timeout=60']])
def test_a_timeout_of_the_author_comes_first(pytester: pytest.Pytester, own: list[str]) -> None:
    pytester.makepyfile(HANGING.replace('threading.Event().wait()', 'threading.Event().wait(1)'))
    result = pytester.runpytest_subprocess('-p', 'timeout', '-p', 'no:cacheprovider', '-k', 'deleting_what', *own)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line('*Timeout*')
