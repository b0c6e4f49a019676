"""Large contents that differ are shown by where they differ, at once, also in CI, where pytest shows all of everything."""

from __future__ import annotations

import pytest

from flask_fs_testing.comparisons import brief_comparisons

LARGE = bytes(3_000_000)


@pytest.fixture(autouse=True)
def in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CI', 'true')


# Where pytest compared them line by line, it took minutes.
@pytest.mark.timeout(60)
def test_large_contents_are_shown_in_part() -> None:
    other = LARGE[:2_000_000] + b'%' + LARGE[2_000_001:-1] + b'-'
    with (
        pytest.raises(AssertionError, match=r"b'\\x00.*… \(3000000 in all\) == b'\\x00") as raised,
        brief_comparisons(),
    ):
        assert other == LARGE
    assert f'at byte 2000000: {b"%" + bytes(19)!r}, and' in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.timeout(60)
def test_one_that_is_longer_differs_at_the_end_of_the_other() -> None:
    with pytest.raises(AssertionError, match=r"at byte 3000000: b'more', and b''"), brief_comparisons():
        assert LARGE + b'more' == LARGE


@pytest.mark.timeout(60)
def test_many_contents_are_shown_in_part() -> None:
    with pytest.raises(AssertionError, match=r"\{'x': b'.*… \(1 in all\) == \{'x': b'new'\}"), brief_comparisons():
        assert {'x': LARGE} == {'x': b'new'}


def test_small_contents_are_shown_as_always() -> None:
    with pytest.raises(AssertionError, match=r"At index 0 diff: b'a' != b'b'"), brief_comparisons():
        assert b'abc' == b'bbc'
