"""Validators: what a storage asks of the content of an upload."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs

GOOD = b'head: a file that begins as it should'


def begins_well(file: IO[bytes], filename: str) -> None:
    if file.read(4) != b'head':
        raise fs.InvalidContent(filename, reason='it does not begin with head')


class OnlyRead:
    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, 7) if size > 0 else size)


def temporary(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the test's last reference
    file.write(content)
    file.seek(0)
    return file


@pytest.fixture
def checked(make_app: Callable[..., Flask], kind: str) -> Any:
    """A storage that takes files which begin well."""
    storage = fs.Storage('files', fs.ALL, validators=[begins_well, begins_well])
    with make_app(storage, FS_BACKEND=kind).app_context():
        yield storage


@pytest.mark.parametrize(
    'source',
    [
        io.BytesIO,
        OnlyRead,
        temporary,
        lambda content: FileStorage(io.BytesIO(content)),
        lambda c: io.StringIO(c.decode()),
    ],
    ids=['memory', 'only read', 'disk', 'upload', 'text'],
)
def test_an_upload_is_stored_whole_once_it_passed(checked: fs.Storage, source: Callable[[bytes], Any]) -> None:
    with_file = source(GOOD)
    checked.save(with_file, 'x.bin')
    assert checked.read('x.bin') == GOOD
    getattr(with_file, 'close', lambda: None)()
    refused = source(b'rest: nothing for us')
    with pytest.raises(
        fs.InvalidContent, match=r"'y.bin' has content that is not allowed in storage 'files': it does not"
    ):
        checked.save(refused, 'y.bin')
    assert list(checked.list_files()) == ['x.bin']
    getattr(refused, 'close', lambda: None)()


def test_validators_look_from_where_the_file_stands_and_it_stands_there_afterwards(checked: fs.Storage) -> None:
    file = io.BytesIO(b'skip' + GOOD)
    file.seek(4)
    checked.save(file, 'x')
    assert checked.read('x') == GOOD
    bad = io.BytesIO(b'skip' + b'bad')
    bad.seek(4)
    with pytest.raises(fs.InvalidContent):
        checked.save(bad, 'y')
    assert bad.tell() == 4


def test_paths_are_checked_and_the_applications_own_content_is_not(checked: fs.Storage, tmp_path: Path) -> None:
    (tmp_path / 'bad.txt').write_bytes(b'bad')
    with pytest.raises(fs.InvalidContent):
        checked.save(tmp_path / 'bad.txt')
    checked.write('own.txt', b'bad')
    assert checked.read('own.txt') == b'bad'


@pytest.mark.parametrize('source', [io.BytesIO, OnlyRead])
def test_what_is_too_large_is_not_looked_at(make_app: Callable[..., Flask], source: Callable[[bytes], Any]) -> None:
    looked = []
    storage = fs.Storage('files', fs.ALL, validators=[lambda file, filename: looked.append(filename)])
    with make_app(storage, FILES_FS_MAX_BYTES=10).app_context():
        with pytest.raises(fs.FileTooLarge):
            storage.save(source(GOOD), 'x')
        assert looked == []
        storage.save(source(GOOD[:10]), 'x')
        assert looked == ['x']


def test_errors_of_validators_other_than_refusals_pass_unchanged(make_app: Callable[..., Flask]) -> None:
    def fails(file: IO[bytes], filename: str) -> None:
        raise ZeroDivisionError

    storage = fs.Storage('files', fs.ALL, validators=[fails])
    with make_app(storage).app_context():
        with pytest.raises(ZeroDivisionError):
            storage.save(io.BytesIO(GOOD), 'x')
        assert not storage.exists('x')
