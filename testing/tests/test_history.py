"""Since when there is each check."""

from __future__ import annotations

from importlib.metadata import version

from flask_fs_testing import NetworkConformance
from flask_fs_testing.guarantees import checks_of
from flask_fs_testing.history import NEXT, RELEASED, since


def test_what_was_released_is_still_checked() -> None:
    released = [check for checks in RELEASED.values() for check in checks]
    assert len(set(released)) == len(released)
    assert set(released) <= checks_of(NetworkConformance).keys()
    assert since('test_a_missing_file_is_404') == '1.0'
    assert since('test_of_tomorrow') == NEXT


def test_a_release_lists_its_checks() -> None:
    """The step of a release: what is in no list goes into one for the version, and NEXT is the one after it."""
    major, minor, _ = version('flask-fs-testing').split('.', 2)
    assert f'{major}.{minor}' == list(RELEASED)[-1]
    assert NEXT not in RELEASED
