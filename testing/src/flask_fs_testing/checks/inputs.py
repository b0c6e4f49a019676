"""Arguments of backends: content, sources and modes, including wrong ones, before anything is stored."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..guarantees import broken, check
from ..harness import Harness
from ..sources import OnlyRead
from .errors import error_of

_CONTENT = b'old content'


class Unreadable:
    """Has read(), but does not return bytes."""

    def read(self, size: int = -1) -> Any:
        return 5


class InputChecks:
    """Content, sources and modes."""

    @check(
        'write and save',
        cause='The content is converted to text or bytes, whatever it is, or its type is noticed only while it is stored.',
    )
    def test_content_of_a_wrong_type_is_refused(self, harness: Harness) -> None:
        """A value that cannot be content raises TypeError, and nothing is stored: neither its text nor an empty file."""
        backend = harness.make()
        backend.write('x', _CONTENT)
        before = harness.names_raw()
        attempts: dict[str, Callable[[str], object]] = {}
        for wrong in (None, 5, 1.5, True, ['a'], {'a': 1}, object(), Path('x')):
            attempts[f'write({wrong!r})'] = partial(backend.write, content=wrong)
        for wrong in (None, 5, b'content', 'content', Path('x')):
            attempts[f'save({wrong!r})'] = partial(backend.save, wrong, overwrite=True)
        attempts['a source that returns numbers'] = lambda name: backend.save(Unreadable(), name, overwrite=True)
        attempts['text into a binary file'] = lambda name: _write_into(backend, name, 'wb', 'content')
        attempts['bytes into a text file'] = lambda name: _write_into(backend, name, 'w', b'content')
        attempts['None into a binary file'] = lambda name: _write_into(backend, name, 'wb', None)
        for what, attempt in attempts.items():
            for name in ('x', 'new'):
                error = error_of(attempt, name)
                if not isinstance(error, TypeError):
                    broken(f'Expected a TypeError from {what}; saw {error!r}.')
        assert harness.names_raw() == before
        assert backend.read('x') == _CONTENT

    @check(
        'open',
        cause='open() of the backend passes the mode on to the open() of Python, or treats unknown modes as reading.',
    )
    def test_a_mode_that_no_store_has_is_refused(self, harness: Harness) -> None:
        """A mode that appends or updates, or is invalid, raises ValueError at the call, and changes nothing."""
        backend = harness.make()
        backend.write('x', _CONTENT)
        before = harness.names_raw()
        for mode in ('a', 'ab', 'r+', 'w+', 'x+b', 'rw', '', 'b', 'rbt', 'U', 'q', 'rr'):
            for name in ('x', 'new'):
                error = error_of(_open_and_close, backend, name, mode)
                if not isinstance(error, ValueError) or isinstance(error, fs.FSError):
                    broken(f'Expected a ValueError from the mode {mode!r}; saw {error!r}.')
        assert harness.names_raw() == before
        assert backend.read('x') == _CONTENT

    @check(
        'save',
        cause='_put treats a source that cannot be read as empty, or creates the file before the source is read.',
    )
    def test_a_closed_source_is_refused(self, harness: Harness) -> None:
        """Saving from a closed source raises ValueError, and neither empties a file nor creates one; reading a closed file raises ValueError."""
        backend = harness.make()
        backend.write('x', _CONTENT)
        before = harness.names_raw()
        with backend.open('x', 'rb') as closed_file, backend.open('x') as closed_text:
            pass
        spool = io.BytesIO(b'content')
        upload = FileStorage(io.BytesIO(b'content'), 'x.txt')
        for source in (spool, upload, closed_file, closed_text):
            source.close()
            for name in ('x', 'new'):
                with pytest.raises(ValueError, match='closed'):
                    backend.save(source, name, overwrite=True)
        for file in (closed_file, closed_text):
            with pytest.raises(ValueError, match='closed'):
                file.read()
        assert harness.names_raw() == before
        assert backend.read('x') == _CONTENT
        written = backend.open('new', 'wb')
        written.close()
        with pytest.raises(ValueError, match='closed'):
            written.write(b'more')
        # As with Python's files, closing again does nothing.
        written.close()
        assert backend.read('new') == b''

    @check(
        'content',
        cause='The first read of the source returns nothing, which is treated as an error, or as no file.',
    )
    def test_an_empty_file_is_a_file(self, harness: Harness) -> None:
        """An empty file exists, however it was stored, and is read, listed, copied, created and removed like others."""
        backend = harness.make()
        ways: dict[str, Callable[[str], object]] = {
            'write bytes': lambda name: backend.write(name, b''),
            'write text': lambda name: backend.write(name, ''),
            'save': lambda name: backend.save(io.BytesIO(), name),
            'save an upload': lambda name: backend.save(FileStorage(io.BytesIO(), 'x.txt'), name),
            'save what has only read': lambda name: backend.save(OnlyRead(b''), name),
            'open': lambda name: backend.open(name, 'wb').close(),
            'open for text': lambda name: backend.open(name, 'w').close(),
            'replace': lambda name: (backend.write(name, b'more'), backend.write(name, b'')),
        }
        for way, store in ways.items():
            store('x')
            with backend.open('x', 'rb') as file, backend.open('x') as text:
                seen = (
                    file.read(),
                    text.read(),
                    backend.read('x'),
                    list(backend.read_chunks('x')),
                    harness.get_raw('x'),
                )
            if seen != (b'', '', b'', [], b''):
                broken(f'Expected an empty file from {way}; saw {seen}.')
            assert (backend.stat('x').size, [info.size for info in backend.scan()]) == (0, [0])
            backend.remove('x')
            assert not backend.exists('x')
        backend.write('x', b'')
        with pytest.raises(fs.FileExists):
            backend.write('x', b'more', overwrite=False)
        backend.copy('x', 'copied')
        backend.move('copied', 'moved')
        assert backend.read_range('moved', 0) == backend.read_range('moved', -5) == b''
        with backend.local_file('moved') as path:
            assert Path(path).read_bytes() == b''
        backend.delete('moved')
        assert harness.names_raw() == ['x']


def _write_into(backend: BaseBackend, name: str, mode: str, content: Any) -> None:
    with backend.open(name, mode) as file:
        file.write(content)


def _open_and_close(backend: BaseBackend, name: str, mode: str) -> None:
    backend.open(name, mode).close()
