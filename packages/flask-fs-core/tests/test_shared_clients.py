"""One client per process and settings: for as long as somebody keeps it, and never across a fork."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flask_fs.backends import SharedClient, shared_client


class Client:
    """Something that is connected, and remembers what was done to it."""

    made: list[Client]

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.closed = 0
        self.pid = os.getpid()
        self.made.append(self)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    clients: list[Client] = []
    monkeypatch.setattr(Client, 'made', clients, raising=False)
    return clients


def in_child(work: Callable[[], object]) -> str:
    """What *work* gives in a forked child, as text; the child is killed if it waits for ever."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            import signal

            signal.alarm(30)
            os.write(writer, repr(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return told


forks = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')


def test_equal_settings_share_a_client_that_is_made_when_it_is_first_needed(made: list[Client]) -> None:
    one, two = (shared_client(Client, {'url': 'a', 'options': {'x': 1}}) for _ in range(2))
    assert made == []
    assert one.get() is two.get() is one.get()
    assert len(made) == 1


def test_other_settings_or_another_kind_of_client_are_not_shared() -> None:
    class OtherClient(Client):
        pass

    kept = [shared_client(Client, {'url': 'a'}), shared_client(Client, {'url': 'b'})]
    kept.append(shared_client(OtherClient, {'url': 'a'}))
    assert len({id(shared.get()) for shared in kept}) == 3


def test_threads_that_need_it_at_once_make_one_client(made: list[Client]) -> None:
    def make_slowly(settings: str) -> Client:
        time.sleep(0.02)
        return Client({'url': settings})

    together = threading.Barrier(8, timeout=30)

    def work(_: int) -> Client:
        together.wait()
        return kept.setdefault('', shared_client(make_slowly, 'a')).get()

    kept: dict[str, SharedClient[Client]] = {}
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(8)))) == len(made) == 1


def test_a_client_that_cannot_be_made_is_tried_again() -> None:
    answers: list[Any] = [OSError('away'), 'client']

    def make(_: None) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    shared = shared_client(make, None)
    with pytest.raises(OSError, match='away'):
        shared.get()
    assert shared.get() == 'client'


def test_a_client_is_closed_and_dropped_with_the_last_one_who_keeps_it(made: list[Client]) -> None:
    kept = [shared_client(Client, {}, close=Client.close) for _ in range(2)]
    client = kept[0].get()
    kept.pop()
    gc.collect()
    assert client.closed == 0
    kept.pop()
    gc.collect()
    assert client.closed == 1
    dropped = weakref.ref(client)
    made.clear()
    del client
    gc.collect()
    assert dropped() is None
    assert len(made) == 0
    anew = shared_client(Client, {}, close=Client.close)
    assert anew.get().closed == 0


def test_one_that_was_never_used_is_not_closed() -> None:
    closed: list[Client] = []
    shared = shared_client(Client, {}, close=closed.append)
    del shared
    gc.collect()
    assert closed == []


def test_passwords_are_not_shown() -> None:
    shared = shared_client(Client, {'password': 'a-secret'})
    shared.get()
    assert 'a-secret' not in repr(shared)
    assert not hasattr(shared, '__dict__')
    with pytest.raises(TypeError):
        pickle.dumps(shared)


@forks
def test_a_child_makes_a_client_of_its_own_and_leaves_that_of_its_parent_open() -> None:
    shared = shared_client(Client, {}, close=Client.close)
    client = shared.get()

    def work() -> tuple[bool, bool, int]:
        own = shared.get()
        gc.collect()
        return own is client, own.pid == os.getpid(), client.closed

    assert in_child(work) == repr((False, True, 0))
    assert shared.get() is client


@forks
def test_a_child_closes_its_own_client_and_not_that_of_its_parent() -> None:
    kept = [shared_client(Client, {}, close=Client.close)]
    client = kept[0].get()

    def work() -> tuple[int, int]:
        own = kept.pop().get()
        gc.collect()
        return client.closed, own.closed

    assert in_child(work) == repr((0, 1))
    assert client.closed == 0


@forks
def test_a_client_may_go_on_in_a_child_with_what_is_as_good_there() -> None:
    def inherit(client: Client) -> Client:
        client.settings = {**client.settings, 'connections': 'new'}
        return client

    shared = shared_client(Client, {'token': 'x'}, inherit=inherit)
    client = shared.get()
    assert in_child(lambda: (shared.get() is client, client.settings)) == repr(
        (True, {'token': 'x', 'connections': 'new'})
    )
    assert client.settings == {'token': 'x'}


@forks
@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
def test_a_fork_while_another_thread_makes_a_client_does_not_lock_the_child() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def make_slowly(_: None) -> Client:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert go_on.wait(30)
        return Client({})

    shared = shared_client(make_slowly, None)
    thread = threading.Thread(target=shared.get)
    thread.start()
    try:
        assert begun.wait(30)
        assert in_child(lambda: shared.get().pid == os.getpid()) == 'True'
    finally:
        go_on.set()
        thread.join()
