"""Several files stored all-or-nothing."""

from __future__ import annotations

import io

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.transaction import FileTransaction, discard, removes, suffixed


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
