"""What others do to folders, for longer than it is tried against."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_fs.backends import folders


def _failing(kind: type[OSError], calls: list[int]) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise kind('again')

    return fail


def test_making_a_folder_that_always_vanishes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(os, 'makedirs', _failing(FileNotFoundError, calls))
    with pytest.raises(FileNotFoundError, match='again'):
        folders.make(str(tmp_path / 'a'), 0o777)
    assert len(calls) == folders.TRIES


def test_making_a_folder_that_comes_and_goes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file was there, and is not when one looks: it may be a folder the next time."""
    calls: list[int] = []
    monkeypatch.setattr(os, 'makedirs', _failing(FileExistsError, calls))
    with pytest.raises(NotADirectoryError):
        folders.make(str(tmp_path / 'a'), 0o777)
    assert len(calls) == folders.TRIES


def test_a_folder_is_not_made_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / 'a').touch()
    with pytest.raises(NotADirectoryError):
        folders.make(str(tmp_path / 'a'), 0o777)


def test_what_never_finds_its_folder_fails_as_it_did(tmp_path: Path) -> None:
    made, calls = [], []
    with pytest.raises(FileNotFoundError, match='again'):
        folders.retry_creating_parent(lambda: made.append(1), _failing(FileNotFoundError, calls))
    assert (len(made), len(calls)) == (folders.TRIES, folders.TRIES + 1)


def test_a_stale_file_that_somebody_else_removes_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / 'stale').touch()
    (tmp_path / 'other').touch()
    with os.scandir(tmp_path) as entries:
        found = {entry.name: entry for entry in entries}
    os.unlink(tmp_path / 'stale')
    assert [folders.removed_if_stale(found[name], -1) for name in ('stale', 'other')] == [False, True]
