"""Files stored and removed together with something else."""

from __future__ import annotations

import pytest
from flask import Flask

import flask_fs as fs


def files(storage: fs.Storage) -> dict[str, bytes]:
    return {name: storage.read(name) for name in sorted(storage.list_files())}


def test_leaving_the_block_commits(storage: fs.Storage, app: Flask) -> None:
    storage.write('old.txt', 'old')
    with fs.unit() as unit:
        assert unit.write(storage, 'a.txt', 'new') == 'a.txt'
        unit.remove(storage, 'old.txt')
        assert files(storage) == {'a.txt': b'new', 'old.txt': b'old'}
    assert files(storage) == {'a.txt': b'new'}
    assert unit.is_empty


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_leaving_it_by_an_exception_rolls_back(error: type[BaseException], storage: fs.Storage, app: Flask) -> None:
    storage.write('old.txt', 'old')
    unit = fs.unit()

    def change() -> None:
        with unit:
            unit.write(storage, 'a.txt', 'new')
            unit.remove(storage, 'old.txt')
            raise error

    with pytest.raises(error):
        change()
    assert files(storage) == {'old.txt': b'old'}
    assert unit.is_empty
