"""A bucket that was there and is gone: neither empty, nor quietly made anew."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

import flask_fs as fs
from flask_fs.backends import presence

MiB = 1024 * 1024
VERBS: dict[str, Callable[[fs.Storage], Any]] = {
    'exists': lambda s: s.exists('a.txt'),
    'read': lambda s: s.read('a.txt'),
    'read_chunks': lambda s: list(s.read_chunks('a.txt')),
    'open': lambda s: s.open('a.txt'),
    'an empty range': lambda s: s.read_range('a.txt', 1, 1),
    'stat': lambda s: s.stat('a.txt'),
    'metadata': lambda s: s.metadata('a.txt'),
    'list_files': lambda s: list(s.list_files()),
    'scan': lambda s: list(s.scan('d/')),
    'delete': lambda s: s.delete('a.txt'),
    'remove': lambda s: s.remove('a.txt'),
    'write': lambda s: s.write('new.txt', 'x'),
    'replace': lambda s: s.write('a.txt', 'x', overwrite=True),
    'save': lambda s: s.save(io.BytesIO(b'x'), 'new.txt'),
    'save a large file': lambda s: s.save(io.BytesIO(bytes(6 * MiB)), 'new.bin'),
    'replace by a large file': lambda s: s.save(io.BytesIO(bytes(6 * MiB)), 'a.txt', overwrite=True),
    'copy': lambda s: s.copy('a.txt', 'b.txt'),
    'copy to another type': lambda s: s.copy('a.txt', 'b.png', overwrite=True),
    'copy to a new name': lambda s: s.copy('a.txt', 'b.txt', overwrite=False),
    'move': lambda s: s.move('a.txt', 'd/b.txt'),
    'local_file': lambda s: s.local_file('a.txt').__enter__(),
    'serve': lambda s: s.serve('a.txt'),
    'sweep': lambda s: s.backend.sweep(),
}
USES: dict[str, Callable[[fs.Storage], Any]] = {
    'by writing': lambda s: s.write('c.txt', 'content'),
    'by reading': lambda s: s.read('a.txt'),
    'by looking': lambda s: s.exists('a.txt'),
    'by listing': lambda s: list(s.list_files()),
    'by removing': lambda s: s.remove('a.txt'),
}


def vanish(store: Any) -> None:
    for name in store.names_raw():
        store.client.delete_object(Bucket=store.bucket, Key=name)
    store.client.delete_bucket(Bucket=store.bucket)


@pytest.fixture(autouse=True)
def nothing_is_presumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, 'PRESUMED_S', 0)


def is_there(store: Any) -> bool:
    return store.bucket in [found['Name'] for found in store.client.list_buckets()['Buckets']]


@pytest.fixture(params=['store', 'amazon'])
def any_store(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
@pytest.mark.parametrize('use', USES)
def test_every_verb_says_that_the_bucket_is_gone(any_store: Any, use: str) -> None:
    storage = fs.Storage('kit', fs.ALL)
    app = any_store.make_app(storage)
    any_store.put_raw('a.txt', b'content')
    with app.test_request_context():
        USES[use](storage)
        vanish(any_store)
        for act in VERBS.values():
            with pytest.raises(fs.Unavailable, match=f"bucket '{any_store.bucket}' is gone, with all"):
                act(storage)
    assert app.test_client().get(storage.url('a.txt')).status_code == 503
    assert not is_there(any_store)


def test_a_bucket_that_is_back_is_used_again(amazon: Any) -> None:
    backend = amazon.make()
    backend.write('a.txt', b'content')
    vanish(amazon)
    with pytest.raises(fs.Unavailable):
        backend.read('a.txt')
    amazon.client.create_bucket(Bucket=amazon.bucket)
    assert not backend.exists('a.txt')
    backend.write('a.txt', b'new')
    assert backend.read('a.txt') == b'new'


def test_a_bucket_that_was_only_looked_for_is_made(amazon: Any) -> None:
    vanish(amazon)
    backend = amazon.make()
    assert not backend.exists('a.txt')
    assert list(backend.list_files()) == []
    assert list(backend.list_files()) == []
    assert backend.sweep() == 0
    backend.remove('a.txt')
    backend.delete('a.txt')
    assert backend.signed_url('a.txt')
    with pytest.raises(fs.FileNotFound):
        backend.read('a.txt')
    backend.write('a.txt', b'content')
    assert backend.read('a.txt') == b'content'


def test_what_goes_while_it_is_listed_is_no_end_of_the_list(amazon: Any) -> None:
    backend = amazon.make()
    backend.page_size = 1
    for name in ('a', 'b', 'c'):
        amazon.put_raw(name, b'content')
    listed = backend.list_files()
    assert next(listed) == 'a'
    vanish(amazon)
    with pytest.raises(fs.Unavailable, match='is gone'):
        list(listed)


def test_two_first_writers_at_once_make_one_bucket(amazon: Any, hook: Callable[..., None]) -> None:
    """One has just learned that there is none when the other creates it, and uses it."""
    vanish(amazon)
    backend = amazon.make()
    left = [True]

    def overtake(**_: Any) -> None:
        if left:
            left.clear()
            backend.write('theirs', b'content')

    hook(backend, 'needs-retry.s3.PutObject', overtake)
    backend.write('mine', b'content')
    assert list(backend.list_files()) == ['mine', 'theirs']


def refused(status: int) -> ClientError:
    response: Any = {'Error': {'Code': str(status)}, 'ResponseMetadata': {'HTTPStatusCode': status}}
    return ClientError(response, 'HeadBucket')


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        (refused(403), fs.FileNotFound),
        (refused(501), fs.FileNotFound),
        (refused(503), fs.Unavailable),
        (ReadTimeoutError(endpoint_url='https://s3.invalid'), fs.Unavailable),
    ],
    ids=['not allowed', 'not implemented', 'busy', 'silent'],
)
def test_what_is_said_of_the_bucket_decides_only_where_it_is_clear(
    amazon: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[fs.FSError]
) -> None:
    backend = amazon.make()
    backend.write('a.txt', b'content')

    def head_bucket(**_: Any) -> None:
        raise error

    monkeypatch.setattr(backend._bucket.client, 'head_bucket', head_bucket)
    with pytest.raises(kind):
        backend.stat('missing')
