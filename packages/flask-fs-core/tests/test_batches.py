"""What the template does for drivers: removing by batches, and changing attributes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends.memory import MemoryBackend


class Batching(MemoryBackend):
    """Removes three files by one request, of which some stay."""

    batch_size = 3

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, config)
        self.requests: list[list[str]] = []
        self.silent: set[str] = set()
        self.refused: dict[str, type[fs.FSError]] = {}
        self.failure: type[fs.FSError] | None = None

    def _remove_batch(self, names: Sequence[str]) -> Mapping[str, fs.FSError | None]:
        self.requests.append(list(names))
        if self.failure is not None:
            raise self.error(self.failure, names[0])
        for name in names:
            if name not in self.refused and name not in self.silent:
                super()._remove(name)
        refused = {name: self.error(kind, name) for name, kind in self.refused.items() if name in names}
        return {**refused, **{name: None for name in names if name in self.silent}}

    def _remove(self, name: str) -> None:
        self.requests.append([name])
        super()._remove(name)


@pytest.fixture
def backend() -> Batching:
    backend = Batching('avatars', {'prefix': 'p'})
    for name in ('a', 'a/1', 'a/2', 'a/3', 'ab', 'b'):
        backend.write(name, name)
    return backend


def test_many_are_removed_by_batches_and_one_by_itself(backend: Batching) -> None:
    assert backend.remove_many(['a', 'a/1', 'none', 'b']) == {}
    assert backend.requests == [['p/a', 'p/a/1', 'p/none'], ['p/b']]
    assert sorted(backend.list_files()) == ['a/2', 'a/3', 'ab']


def test_a_file_and_all_under_it_are_deleted_by_batches(backend: Batching) -> None:
    backend.delete('a')
    assert [len(request) for request in backend.requests] == [3, 1]
    assert sorted(backend.list_files()) == ['ab', 'b']
    backend.delete('b')
    assert backend.requests[-1] == ['p/b']


def test_what_a_batch_does_not_confirm_is_removed_by_itself(backend: Batching) -> None:
    backend.silent = {'p/a/1', 'p/none'}
    assert backend.remove_many(['a', 'a/1', 'none']) == {}
    assert backend.requests == [['p/a', 'p/a/1', 'p/none'], ['p/a/1'], ['p/none']]
    assert sorted(backend.list_files()) == ['a/2', 'a/3', 'ab', 'b']


def test_what_a_batch_refuses_stays_and_the_others_go(backend: Batching) -> None:
    backend.refused = {'p/a/1': fs.PermissionDenied}
    failures = backend.remove_many(['a', 'a/1', 'a/2', 'a/3', 'b'])
    assert {name: (type(error), error.filename) for name, error in failures.items()} == {
        'a/1': (fs.PermissionDenied, 'a/1')
    }
    assert sorted(backend.list_files()) == ['a/1', 'ab']
    with pytest.raises(fs.PermissionDenied) as caught:
        backend.delete('a')
    assert caught.value.filename == 'a/1'


@pytest.mark.parametrize(('kind', 'requests'), [(fs.PermissionDenied, 2), (fs.Unavailable, 1)])
def test_a_batch_that_fails_leaves_its_files_and_one_that_is_unavailable_all_others(
    backend: Batching, kind: type[fs.FSError], requests: int
) -> None:
    backend.failure = kind
    names = ['a', 'a/1', 'a/2', 'a/3', 'b']
    failures = backend.remove_many(names)
    assert len(backend.requests) == requests
    assert {name: (type(error), error.filename) for name, error in failures.items()} == {
        name: (kind, name) for name in names
    }
    assert {'a', 'a/1', 'a/2', 'a/3', 'b'} < set(backend.list_files())


class Contended(MemoryBackend):
    """Others come in between the first changes of attributes."""

    def __init__(self, name: str, times: int) -> None:
        super().__init__(name)
        self.left = times

    def _set_attributes(self, name: str, changes: Mapping[str, Any]) -> None:
        self.left -= 1
        if self.left >= 0:
            raise self.error(fs.Replaced, name)
        super()._set_attributes(name, changes)


def test_attributes_are_changed_again_where_others_came_in_between() -> None:
    backend = Contended('avatars', 3)
    backend.write('a', b'')
    backend.set_attributes('a', {'cache_control': 'no-cache'})
    assert (backend.stat('a').cache_control, backend.left) == ('no-cache', -1)
    backend = Contended('avatars', 1000)
    backend.write('a', b'')
    with pytest.raises(fs.Unavailable, match='keep changing it') as caught:
        backend.set_attributes('a', {'cache_control': 'no-cache'})
    assert (type(caught.value), backend.left) == (fs.Unavailable, 980)
