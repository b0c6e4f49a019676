"""What the author of a backend sees: fewer than twenty lines to write, clear failures, and a report."""

from __future__ import annotations

import json

import pytest

# Each test runs pytest once more.
pytestmark = pytest.mark.slow

CONFORMANCE = """
import pytest
from flask_fs_testing import BackendConformance, MemoryHarness
from flask_fs.backends.memory import MemoryBackend

class Forgetful(MemoryBackend):
    def _remove(self, name):
        pass

class ForgetfulHarness(MemoryHarness):
    backend_class = Forgetful

class TestForgetful(BackendConformance):
    harness_class = ForgetfulHarness
"""


@pytest.fixture(autouse=True)
def only_the_plugin_of_the_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading all that this environment has takes longer than the tests."""
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')
    monkeypatch.setenv('PYTEST_PLUGINS', 'flask_fs_testing.plugin')


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(CONFORMANCE)
    return pytester.runpytest_inprocess(
        '-p', 'no:cacheprovider', '--fs-report=found', '-k', 'deleting or threads or 404'
    )


def test_a_failure_says_which_guarantee_broke_and_where_it_is_written_down(run: pytest.RunResult) -> None:
    run.assert_outcomes(passed=2, failed=2)
    run.stdout.fnmatch_lines(
        [
            '*the guarantee that broke*',
            'Deleting is silent when there is nothing to delete.',
            'Written down in the reference of backends, at _remove.',
        ]
    )


def test_a_failure_shows_what_was_expected_and_what_was_seen(run: pytest.RunResult) -> None:
    run.stdout.fnmatch_lines(['E * assert not True*'])


def test_the_report_tells_people_and_programs(run: pytest.RunResult, pytester: pytest.Pytester) -> None:
    table = (pytester.path / 'found.md').read_text(encoding='utf-8')
    assert '| backend | `Forgetful` |' in table
    assert '| `ATOMIC_CREATE` | **broken** |' in table or '| `ATOMIC_CREATE` | proven |' in table
    assert '| `SIGNED_URL` | no |' in table
    assert '| `MIME` | declared |' in table
    assert '| checks failed | 2 |' in table
    report = json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))['TestForgetful']
    assert (report['backend'], report['passed']) == ('Forgetful', 2)
    assert 'test_deleting_what_is_not_there_is_no_error' in report['failed']


def test_what_works_undeclared_is_a_warning(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CONFORMANCE.replace(
            'def _remove', 'capabilities = MemoryBackend.capabilities & ~Capability.ATOMIC_CREATE\n    def _never'
        ).replace('import MemoryBackend', 'import MemoryBackend\nfrom flask_fs.backends import Capability')
    )
    # Inside of this process, where warnings are errors.
    result = pytester.runpytest_inprocess('-p', 'no:cacheprovider', '-W', 'default', '-k', 'of_many_threads')
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(['*UndeclaredCapability: Forgetful could declare ATOMIC_CREATE: it was seen to work*'])


def test_the_report_tells_what_the_class_declares_where_no_instance_can_be_made(pytester: pytest.Pytester) -> None:
    unmade = 'backend_class = Forgetful\n    def settings(self):\n        raise OSError("no location")\n'
    pytester.makepyfile(
        CONFORMANCE.replace('backend_class = Forgetful\n', unmade)
        + '\ndef test_of_the_author(record_property):\n    record_property("colour", "red")\n'
    )
    result = pytester.runpytest_inprocess('-p', 'no:cacheprovider', '--fs-report=found', '-k', '404 or author')
    result.assert_outcomes(passed=1, failed=1)
    reports = json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))
    assert list(reports) == ['TestForgetful']
    assert 'ATOMIC_CREATE' in reports['TestForgetful']['declared']


def test_the_report_tells_what_an_instance_declares(pytester: pytest.Pytester) -> None:
    narrowing = (
        'def __init__(self, *given):\n        super().__init__(*given)\n        self.capabilities = Capability.NONE\n'
    )
    pytester.makepyfile(
        CONFORMANCE.replace('def _remove', f'{narrowing}    def _never').replace(
            'import MemoryBackend', 'import MemoryBackend\nfrom flask_fs.backends import Capability'
        )
    )
    pytester.runpytest_inprocess('-p', 'no:cacheprovider', '--fs-report=found', '-k', '404').assert_outcomes(passed=1)
    assert json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))['TestForgetful']['declared'] == []
