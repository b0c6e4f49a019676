"""Several files stored all-or-nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.transaction import FileTransaction, discard, removes, suffixed
from flask_fs_testing.doubles import FaultyBackend, wrap


def content(text: str = 'new') -> io.BytesIO:
    return io.BytesIO(text.encode())


def files(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in sorted(storage.list_files())}


def test_leaving_the_block_commits(storage: fs.Storage, app: Flask) -> None:
    storage.write('b.txt', 'old')
    with FileTransaction(storage) as transaction:
        assert transaction.save(content(), 'a.txt') == 'a.txt'
        assert transaction.write('b.txt', content(), replace=True) == 'b.txt'
        assert storage.read('b.txt') == b'old'
    assert files(storage) == {'a.txt': b'new', 'b.txt': b'new'}


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_leaving_it_by_an_exception_changes_nothing(
    error: type[BaseException], storage: fs.Storage, app: Flask
) -> None:
    storage.write('b.txt', 'old')

    def change() -> None:
        with FileTransaction(storage) as transaction:
            transaction.save(content(), 'a.txt')
            transaction.write('b.txt', content(), replace=True)
            raise error

    with pytest.raises(error):
        change()
    assert files(storage) == {'b.txt': b'old'}


def test_a_deferred_one_is_committed_by_its_caller(storage: fs.Storage, app: Flask) -> None:
    storage.write('a.txt', 'old')
    with FileTransaction(storage, deferred=True) as transaction:
        transaction.write('b.txt', content(), replace=True)
        transaction.remove('a.txt')
    assert files(storage) == {'a.txt': b'old', 'b.txt': b'new'}
    transaction.commit()
    assert files(storage) == {'b.txt': b'new'}


def test_a_deferred_one_that_is_rolled_back_removes_nothing_else(storage: fs.Storage, app: Flask) -> None:
    storage.write('a.txt', 'old')
    with FileTransaction(storage, deferred=True) as transaction:
        transaction.write('b.txt', content(), replace=True)
        transaction.remove('a.txt')
    transaction.roll_back()
    transaction.commit()
    assert files(storage) == {'a.txt': b'old'}


def test_rolling_back_after_the_block_removes_what_was_created_and_nothing_else(
    storage: fs.Storage, app: Flask
) -> None:
    for name in ('a.txt', 'b.txt'):
        storage.write(name, 'old')
    with FileTransaction(storage) as transaction:
        transaction.write('a.txt', content(), available=True)
        transaction.write('b.txt', content(), replace=True)
        transaction.write('c.txt', content(), replace=True)
        transaction.save(content(), 'd/e.txt')
    assert list(files(storage)) == ['a.txt', 'a_1.txt', 'b.txt', 'c.txt', 'd/e.txt']
    transaction.roll_back()
    assert files(storage) == {'a.txt': b'old', 'b.txt': b'new'}
    transaction.roll_back()
    assert files(storage) == {'a.txt': b'old', 'b.txt': b'new'}


def test_files_are_removed_on_commit_only(storage: fs.Storage, app: Flask) -> None:
    for name in ('a.txt', 'a.txt.d/b.txt', 'c.txt'):
        storage.write(name, 'old')

    def change(error: type[Exception] | None = None) -> None:
        with FileTransaction(storage) as transaction:
            transaction.remove('a.txt')
            transaction.write('d.txt', content())
            assert storage.exists('a.txt')
            if error is not None:
                raise error

    with pytest.raises(RuntimeError):
        change(RuntimeError)
    assert list(files(storage)) == ['a.txt', 'a.txt.d/b.txt', 'c.txt']
    change()
    assert list(files(storage)) == ['a.txt.d/b.txt', 'c.txt', 'd.txt']


def change_many(storage: fs.Storage, *, deferred: bool = False) -> FileTransaction:
    """Creates c.txt, replaces d.txt, and removes a.txt, b.txt and e.txt."""
    with FileTransaction(storage, deferred=deferred) as transaction:
        for name in ('a.txt', 'b.txt', 'e.txt'):
            transaction.remove(name)
        transaction.save(content(), 'c.txt')
        transaction.write('d.txt', content(), replace=True)
    return transaction


@pytest.fixture
def many(storage: fs.Storage, app: Flask) -> Iterator[FaultyBackend]:
    """The storage has a.txt, b.txt, d.txt and e.txt; its backend, which fails on request."""
    for name in ('a.txt', 'b.txt', 'd.txt', 'e.txt'):
        storage.write(name, 'old')
    with wrap(storage, FaultyBackend) as backend:
        yield backend


@pytest.mark.parametrize('error', [fs.Unavailable, KeyboardInterrupt])
@pytest.mark.parametrize(('failing', 'left'), [('a.txt', ['a.txt', 'b.txt', 'e.txt']), ('b.txt', ['b.txt', 'e.txt'])])
def test_what_was_stored_stays_if_a_removal_fails(
    failing: str, left: list[str], error: type[BaseException], storage: fs.Storage, many: FaultyBackend
) -> None:
    """The request may have been carried out: rolling back could leave neither the old file nor the new one."""
    many.fail_next('remove', error, when=failing.__eq__)
    with pytest.raises(error):
        change_many(storage)
    assert files(storage) == {**dict.fromkeys(left, b'old'), 'c.txt': b'new', 'd.txt': b'new'}


def test_a_removal_that_failed_is_tried_again(storage: fs.Storage, many: FaultyBackend) -> None:
    transaction = change_many(storage, deferred=True)
    many.fail_next('remove', when='b.txt'.__eq__, times=2)
    for _ in range(2):
        with pytest.raises(fs.Unavailable) as raised:
            transaction.commit()
        assert raised.value.filename == 'b.txt'
        assert list(files(storage)) == ['b.txt', 'c.txt', 'd.txt', 'e.txt']
    transaction.commit()
    assert files(storage) == {'c.txt': b'new', 'd.txt': b'new'}


def test_rolling_back_after_a_removal_removes_nothing(storage: fs.Storage, many: FaultyBackend) -> None:
    """The database has the new state by then, and refers to the new files."""
    transaction = change_many(storage, deferred=True)
    many.fail_next('remove', when='b.txt'.__eq__)
    with pytest.raises(fs.Unavailable):
        transaction.commit()
    transaction.roll_back()
    transaction.commit()
    assert files(storage) == {'b.txt': b'old', 'c.txt': b'new', 'd.txt': b'new', 'e.txt': b'old'}


def test_nothing_is_removed_if_the_move_into_place_fails(storage: fs.Storage, many: FaultyBackend) -> None:
    many.fail_next('move')
    with pytest.raises(fs.Unavailable):
        change_many(storage)
    assert files(storage) == dict.fromkeys(('a.txt', 'b.txt', 'd.txt', 'e.txt'), b'old')


def test_a_file_that_is_replaced_after_all_is_not_removed(storage: fs.Storage, app: Flask) -> None:
    storage.write('a.txt', 'old')
    with FileTransaction(storage) as transaction:
        transaction.remove('a.txt')
        transaction.write('a.txt', content(), replace=True)
    assert files(storage) == {'a.txt': b'new'}


def test_a_file_that_is_gone_already_counts_as_removed(storage: fs.Storage, app: Flask) -> None:
    with FileTransaction(storage) as transaction:
        transaction.remove('a.txt')
        transaction.save(content(), 'b.txt')
    assert files(storage) == {'b.txt': b'new'}


def test_an_existing_name_is_refused_replaced_or_avoided(storage: fs.Storage, app: Flask) -> None:
    storage.write('a.txt', 'old')
    with pytest.raises(fs.FileExists), FileTransaction(storage) as transaction:
        transaction.write('a.txt', content())
    with FileTransaction(storage) as transaction:
        assert transaction.save(content(), 'a.txt', available=True) == 'a_1.txt'
    with FileTransaction(storage) as transaction:
        assert transaction.save(content(), 'a.txt', replace=True, alone=True) == 'a.txt'
    assert files(storage) == {'a.txt': b'new', 'a_1.txt': b'new'}


def test_a_storage_that_overwrites_keeps_what_is_not_to_be_replaced(make_app: object, app: Flask) -> None:
    storage = fs.Storage('overwriting', fs.ALL, overwrite=True)
    fs.init_app(app, storage)
    storage.write('a.txt', 'old')
    with FileTransaction(storage) as transaction:
        assert transaction.write('a.txt', content(), available=True) == 'a_1.txt'
        with pytest.raises(fs.FileExists):
            transaction.save(content(), 'a.txt')
    assert files(storage) == {'a.txt': b'old', 'a_1.txt': b'new'}


def test_discarding_logs_what_stays(storage: fs.Storage, app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    storage.write('b.txt', 'x')
    discard(storage, ['../a', 'b.txt'])
    assert "'../a' stays in storage 'files', and nothing refers to it" in caplog.text
    assert files(storage) == {}


def test_a_function_is_asked_whether_to_remove() -> None:
    assert [removes(cleanup, 'a') for cleanup in ('keep', 'remove', 'a'.__eq__, 'b'.__eq__)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_suffix_comes_before_the_extension_and_changes_the_name_in_any_case() -> None:
    assert suffixed('folder/name.ext', 100) == 'folder/name-100.ext'
    long = 'n' * 247 + '-100.png'
    assert suffixed(long, 100) != long
    assert len(suffixed(long, 100)) <= 255
