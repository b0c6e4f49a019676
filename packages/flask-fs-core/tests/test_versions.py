"""What is said of a file and what is sent of it are of one version, also when it is replaced in between."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import Attributes, Opened, Source
from flask_fs.backends.memory import MemoryBackend


class Restless(MemoryBackend):
    """Its files are replaced so often, each time just after their metadata was read."""

    changes = 0

    def _stat(self, name: str) -> fs.FileInfo:
        info = super()._stat(name)
        if self.changes:
            self.changes -= 1
            self._put(
                name, Source(io.BytesIO(b'version %d' % self.changes)), attributes=Attributes(f'text/x-{self.changes}')
            )
        return info


@pytest.fixture
def storage() -> fs.Storage:
    return fs.Storage('docs', fs.ALL)


@pytest.fixture
def app(make_app: Callable[..., Flask], storage: fs.Storage) -> Iterator[Flask]:
    app = make_app(storage, DOCS_FS_BACKEND=Restless)
    with app.app_context():
        yield app


@pytest.fixture
def backend(app: Flask, storage: fs.Storage) -> Any:
    storage.write('a', b'the first version')
    return storage.backend


def test_the_response_is_about_the_version_whose_bytes_it_has(storage: fs.Storage, backend: Any, app: Flask) -> None:
    backend.changes = 2
    response = app.test_client().get(storage.url('a'), headers={'If-None-Match': '"another"'})
    assert (200, b'version 0', '"' + backend.stat('a').etag + '"', 'text/x-0; charset=utf-8') == (
        response.status_code,
        response.data,
        response.headers['ETag'],
        response.headers['Content-Type'],
    )


def test_a_file_that_never_settles_is_unavailable(storage: fs.Storage, backend: Any, app: Flask) -> None:
    backend.changes = 1000
    response = app.test_client().get(storage.url('a'), headers={'If-None-Match': '"another"'})
    assert response.status_code == 503
    # Few requests were enough to find that out.
    assert backend.changes > 900


def test_a_copy_has_content_and_type_of_one_version(storage: fs.Storage, backend: Any) -> None:
    class Copying(Restless):
        _copy = fs.BaseBackend._copy

        def _open(self, name: str, *args: Any, **kwargs: Any) -> Opened:
            opened = super()._open(name, *args, **kwargs)
            self._put(name, Source(io.BytesIO(b'newer')), attributes=Attributes('text/x-newer'))
            return opened

    backend._put('a', Source(io.BytesIO(b'older')), attributes=Attributes('text/x-older'))
    backend.__class__ = Copying
    storage.copy('a', 'b')
    assert (storage.stat('b').mime, storage.read('b')) == ('text/x-older', b'older')


def test_the_error_of_a_replaced_file_says_what_to_do(backend: Any) -> None:
    with pytest.raises(fs.Replaced) as caught:
        backend._open('a', etag='other')
    assert str(caught.value) == "'a' was replaced in storage 'docs' (memory) while it was being read. Open it again."
    assert isinstance(caught.value, fs.Unavailable)


@pytest.mark.parametrize(('replacements', 'content'), [(0, b'1'), (4, b'1'), (5, None)])
def test_a_file_that_is_replaced_while_it_is_read_is_read_again_a_few_times(
    replacements: int, content: bytes | None
) -> None:
    class Replacing(MemoryBackend):
        left = replacements

        def _open(self, name: str, *args: Any, **kwargs: Any) -> Opened:
            self.left -= 1
            if self.left >= 0:
                raise self.error(fs.Replaced, name)
            return super()._open(name, *args, **kwargs)

    backend = Replacing('x')
    backend.write('a', '1')
    if content is None:
        with pytest.raises(fs.Replaced):
            backend.read('a')
    else:
        assert content == backend.read('a')
