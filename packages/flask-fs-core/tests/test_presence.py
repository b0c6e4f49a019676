"""Containers that were not created yet, and those that vanished."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flask_fs as fs
from flask_fs.backends import presence
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.presence import Container, Presence


class Store:
    """A store whose one container may be missing."""

    def __init__(self, *, exists: bool = False) -> None:
        self.exists = exists
        self.requests: list[str] = []

    def look(self) -> bool:
        self.requests.append('look')
        return self.exists

    def create(self) -> None:
        self.requests.append('create')
        self.exists = True

    def write(self) -> str:
        self.requests.append('write')
        if not self.exists:
            raise LookupError
        return 'written'


def is_missing(error: Exception) -> bool:
    return isinstance(error, LookupError)


@pytest.fixture
def nothing_is_presumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)


@pytest.mark.usefixtures('nothing_is_presumed')
def test_a_container_that_was_never_seen_is_not_gone() -> None:
    store = Store()
    assert not Presence().is_gone(None, store.look)
    assert store.requests == []


def test_a_container_that_responded_a_moment_ago_is_not_looked_for() -> None:
    store, seen = Store(), Presence()
    seen.mark_seen()
    assert not seen.is_gone(seen.seen_at, store.look)
    assert store.requests == []


@pytest.mark.usefixtures('nothing_is_presumed')
def test_a_container_that_was_seen_and_is_missing_is_gone() -> None:
    store, seen = Store(), Presence()
    seen.mark_seen()
    assert seen.is_gone(seen.seen_at, store.look)
    assert store.requests == ['look']


@pytest.mark.usefixtures('nothing_is_presumed')
def test_finding_the_container_counts_as_seeing_it() -> None:
    store, seen = Store(exists=True), Presence()
    seen.seen_at = -1e9
    assert not seen.is_gone(seen.seen_at, store.look)
    assert seen.seen_at > 0


def test_the_first_write_creates_the_container() -> None:
    store = Store()
    assert Presence().write(store.write, store.create, is_missing) == 'written'
    assert store.requests == ['write', 'create', 'write']


def test_a_container_that_is_gone_is_not_created_again() -> None:
    store, seen = Store(), Presence()
    seen.mark_seen()
    with pytest.raises(LookupError):
        seen.write(store.write, store.create, is_missing)
    assert store.requests == ['write']


def test_another_error_creates_no_container() -> None:
    store = Store()
    with pytest.raises(LookupError):
        Presence().write(store.write, store.create, lambda _error: False)
    assert store.requests == ['write']


def test_another_thread_that_creates_the_container_meanwhile_does_no_harm() -> None:
    """One learns that there is none, and before it acts on that, the other has created and used it."""
    store, seen = Store(), Presence()

    def overtaken() -> str:
        try:
            return store.write()
        finally:
            seen.mark_seen()

    assert seen.write(overtaken, store.create, is_missing) == 'written'


# --- Requests for a container.


def container(store: Store, *, looks: bool = False, creates: bool = True) -> Container:
    return Container(
        "bucket 'files'",
        MemoryBackend('avatars').error,
        is_missing,
        exists=store.look if looks else None,
        create=store.create if creates else None,
    )


def test_the_first_file_creates_the_container() -> None:
    store = Store()
    assert container(store).store('x', store.write) == 'written'
    assert store.requests == ['write', 'create', 'write']


def test_a_container_that_is_not_to_be_created_is_missing() -> None:
    store = Store()
    with pytest.raises(LookupError):
        container(store, creates=False).store('x', store.write)
    assert store.requests == ['write']


@pytest.mark.parametrize('looks', [False, True])
@pytest.mark.usefixtures('nothing_is_presumed')
def test_a_request_for_a_container_that_is_gone_says_so(looks: bool) -> None:
    store = Store()
    files = container(store, looks=looks)
    files.store('x', store.write)
    store.exists = False
    store.requests.clear()
    for request in (files.request, files.store):
        with pytest.raises(fs.Unavailable, match=r"'x'.*bucket 'files' is gone"):
            request('x', store.write)
    assert store.requests == (['write', 'look'] if looks else ['write']) * 2


def test_what_is_missing_in_a_container_that_is_there_is_that() -> None:
    store = Store(exists=True)
    files = container(store, looks=True)

    def find() -> str:
        raise LookupError

    files.request('x', store.write)
    with pytest.raises(LookupError):
        files.request('y', find)


def pages(store: Store) -> Iterator[list[int]]:
    for page in ([1, 2], [], [3]):
        store.write()
        yield page


def test_a_listing_is_read_page_by_page() -> None:
    store = Store(exists=True)
    entries = container(store).entries('', pages(store))
    assert store.requests == []
    assert next(entries) == 1
    assert store.requests == ['write']
    assert list(entries) == [2, 3]
    assert store.requests == ['write'] * 3


def test_a_container_that_is_not_created_yet_lists_nothing_and_one_that_is_gone_fails() -> None:
    store = Store()
    files = container(store)
    assert list(files.pages('', pages(store))) == []
    store.exists = True
    assert list(files.pages('', pages(store))) == [[1, 2], [], [3]]
    store.exists = False
    with pytest.raises(fs.Unavailable, match='is gone'):
        list(files.pages('', pages(store)))
