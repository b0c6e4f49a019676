"""Many files removed by few requests, and which of them are still there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

import flask_fs as fs

pytestmark = pytest.mark.slow

Watch = Callable[[Any], AbstractContextManager[list[str]]]
ALWAYS = 1000
XML = {'Content-Type': 'application/xml'}


@pytest.fixture(params=['store', 'amazon', 'swift'])
def place(request: pytest.FixtureRequest) -> Any:
    """A fresh bucket on each kind of store."""
    return request.getfixturevalue(request.param)


def test_exactly_these_are_removed_by_one_request(place: Any, sent: Watch) -> None:
    for key in ('a', 'a b&<>/é', 'b/1', 'b/2', 'c'):
        place.put_raw(key, b'')
    backend = place.make()
    with sent(backend) as operations:
        assert backend.remove_many(['a', 'a b&<>/é', 'b/1', 'missing', 'a']) == {}
    assert operations == ['DeleteObjects']
    assert place.names_raw() == ['b/2', 'c']


def test_one_is_removed_by_the_request_for_one(store: Any, sent: Watch) -> None:
    store.put_raw('a', b'')
    backend = store.make()
    with sent(backend) as operations:
        assert backend.remove_many(['a']) == {}
        assert backend.remove_many([]) == {}
    assert operations == ['DeleteObject']


def test_2500_are_removed_by_three_requests(amazon: Any, sent: Watch) -> None:
    backend = amazon.make()
    kept = importlib.import_module('moto.s3.models').s3_backends['123456789012']['aws']
    names = [f'{number:04}' for number in range(2500)]
    for name in names:
        kept.put_object(amazon.bucket, name, b'')
    with sent(backend) as operations:
        assert backend.remove_many(names) == {}
    assert operations == ['DeleteObjects'] * 3
    assert list(backend.list_files()) == []


def test_in_no_bucket_they_are_removed_already(store: Any) -> None:
    assert store.make_missing().remove_many(['a', 'b']) == {}


def test_those_that_are_refused_are_reported(proxy: Any, backend: Any) -> None:
    body = (
        '<DeleteResult><Deleted><Key>a</Key></Deleted>'
        '<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>'
        '<Error><Key>c</Key><Code>SlowDown</Code><Message>later</Message></Error>'
        '<Error><Key>d</Key><Code>NoSuchKey</Code><Message>gone</Message></Error></DeleteResult>'
    )
    proxy.respond(200, body, headers=XML, when=lambda request: request.method == 'POST')
    failures = backend.remove_many(['a', 'b', 'c', 'd'])
    assert {name: type(error) for name, error in failures.items()} == {'b': fs.PermissionDenied, 'c': fs.Unavailable}
    assert [error.filename for error in failures.values()] == ['b', 'c']


@pytest.mark.parametrize('body', ['<DeleteResult/>', '<html><body>please log in</body></html>'])
def test_those_of_which_nothing_is_said_are_removed_one_by_one(store: Any, proxy: Any, backend: Any, body: str) -> None:
    for key in ('a', 'b', 'c'):
        store.put_raw(key, b'')
    proxy.respond(200, body, headers=XML, times=ALWAYS, when=lambda request: request.method == 'POST')
    assert backend.remove_many(['a', 'b']) == {}
    assert store.names_raw() == ['c']


def test_those_of_which_nothing_is_ever_said_are_failures(store: Any, proxy: Any, backend: Any) -> None:
    for key in ('a', 'b', 'c'):
        store.put_raw(key, b'')
    page = '<html><body>please log in</body></html>'
    proxy.respond(200, page, times=ALWAYS, when=lambda request: request.method in ('POST', 'DELETE'))
    failures = backend.remove_many(['a', 'b', 'c'])
    assert {name: type(error) for name, error in failures.items()} == dict.fromkeys('abc', fs.BackendError)
    # Asked for one by one, not each of them.
    assert len(proxy.requests) <= 3
    assert store.names_raw() == ['a', 'b', 'c']


def test_of_a_store_that_is_down_all_fail_at_once(store: Any, proxy: Any, backend: Any) -> None:
    store.put_raw('0', b'')
    names = [str(number) for number in range(1500)]
    proxy.slow_down(times=ALWAYS)
    failures = backend.remove_many(names)
    assert list(failures) == names
    assert {type(error) for error in failures.values()} == {fs.Unavailable}
    # One batch, and another attempt at it.
    assert len(proxy.requests) == 2
    assert store.names_raw() == ['0']


def test_a_storage_reports_them_all(store: Any, proxy: Any) -> None:
    body = '<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>'
    proxy.respond(200, body, headers=XML, when=lambda request: request.method == 'POST')
    storage = fs.Storage('kit', fs.ALL)
    with store.make_app(storage, endpoint=proxy.endpoint).app_context(), pytest.raises(fs.DeletionFailed) as raised:
        storage.delete_many(['a', 'b'])
    assert list(raised.value.failures) == ['b']
