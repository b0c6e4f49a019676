"""Text: newlines and encodings, whatever the environment of the program."""

from __future__ import annotations

import builtins
import contextlib
import io
import locale
from collections.abc import Generator
from typing import IO, Any
from unittest import mock

import pytest

from ..guarantees import broken, check
from ..harness import Harness

NEWLINES = (None, '', '\n', '\r', '\r\n')
LINES = 'one\ntwo\r\nthree\rfour'
TEXT = 'été, 日本語 🎉\n'


class TextChecks:
    """Text files."""

    @check(
        'open',
        cause='newline= is not passed on, or text is stored through a file in text mode. Check open() and write().',
    )
    def test_newlines_are_those_that_were_requested(self, harness: Harness) -> None:
        """open() treats newlines as Python's open() does, according to newline=; write() and save() store them unchanged."""
        backend = harness.make()
        for newline in NEWLINES:
            expected = io.BytesIO()
            with io.TextIOWrapper(expected, 'utf-8', newline=newline) as wrapper:
                wrapper.write(LINES)
                wrapper.flush()
                stored = expected.getvalue()
            for mode in ('w', 'x'):
                backend.remove('x')
                with backend.open('x', mode, newline=newline) as file:
                    file.write(LINES)
                _judge(f'open(…, {mode!r}, newline={newline!r})', stored, harness.get_raw('x'))
        harness.put_raw('raw', LINES.encode())
        for newline in NEWLINES:
            lines = list(io.TextIOWrapper(io.BytesIO(LINES.encode()), 'utf-8', newline=newline))
            with backend.open('raw', newline=newline) as file:
                _judge(f"open(…, 'r', newline={newline!r})", lines, list(file))
        backend.write('written', LINES)
        backend.save(io.StringIO(LINES, newline=''), 'saved')
        _judge('write()', LINES.encode(), harness.get_raw('written'))
        _judge('save()', LINES.encode(), harness.get_raw('saved'))

    @check(
        'open',
        cause='A file or a TextIOWrapper is opened without an encoding, and so uses that of the locale. Check open().',
    )
    def test_text_does_not_depend_on_the_locale(self, harness: Harness) -> None:
        """Text is UTF-8 unless an encoding is given, even if the locale of the process has another one."""
        backend = harness.make()
        with _ascii_locale():
            backend.write('written', TEXT)
            backend.save(io.StringIO(TEXT), 'saved')
            for mode in ('w', 'x'):
                with backend.open(f'opened-{mode}', mode) as file:
                    file.write(TEXT)
            for name in ('written', 'saved', 'opened-w', 'opened-x'):
                with backend.open(name) as file:
                    _judge(f'reading what was stored as {name}', TEXT, file.read())
        for name in ('written', 'saved', 'opened-w', 'opened-x'):
            _judge(f'storing as {name}', TEXT.encode(), harness.get_raw(name))

    @check(
        'open',
        cause='encoding= or errors= is not passed on, or the beginning is stored although the rest cannot be encoded. '
        'Check open().',
    )
    def test_an_encoding_and_its_errors_are_heeded(self, harness: Harness) -> None:
        """Text is stored and read with the given encoding and error handler; text that cannot be encoded stores nothing."""
        backend = harness.make()
        for encoding, errors in (('latin-1', None), ('utf-16-le', None), ('utf-8-sig', None), ('ascii', 'replace')):
            with backend.open('x', 'w', encoding=encoding, errors=errors) as file:
                file.write('été')
            stored = 'été'.encode(encoding, errors or 'strict')
            _judge(f'writing with {encoding} and errors={errors!r}', stored, harness.get_raw('x'))
            with backend.open('x', encoding=encoding) as file:
                _judge(f'reading with {encoding}', stored.decode(encoding), file.read())
        harness.put_raw('x', b'\xff-')
        with backend.open('x', errors='replace') as file:
            _judge("reading with errors='replace'", '\ufffd-', file.read())
        with backend.open('x') as file, pytest.raises(UnicodeDecodeError):
            file.read()
        with pytest.raises(UnicodeEncodeError):
            _write_in_ascii(backend.open('x', 'w', encoding='ascii'))
        for mode in ('r', 'w'):
            with pytest.raises(LookupError):
                backend.open('x', mode, encoding='no-such-encoding')
        _judge('writing text that cannot be encoded', (['x'], b'\xff-'), (harness.names_raw(), harness.get_raw('x')))


def _write_in_ascii(file: IO[Any]) -> None:
    with file:
        file.write('fine so far, ')
        file.write('été')


def _judge(what: str, expected: object, seen: object) -> None:
    if seen != expected:
        broken(f'Expected {expected!r} from {what}; saw {seen!r}.')


@contextlib.contextmanager
def _ascii_locale() -> Generator[None]:
    """Make Python use ASCII in the block if no encoding is given, as with LC_ALL=C without its UTF-8 mode.

    Setting the locale does so only in some Python versions, and not in UTF-8 mode.
    """
    real_open, real_wrapper = builtins.open, io.TextIOWrapper

    def ascii_open(
        file: Any, mode: str = 'r', buffering: int = -1, encoding: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        given = encoding or (None if 'b' in mode else 'ascii')
        return real_open(file, mode, buffering, given, *args, **kwargs)

    def ascii_wrapper(buffer: Any, encoding: Any = None, *args: Any, **kwargs: Any) -> Any:
        return real_wrapper(buffer, encoding or 'ascii', *args, **kwargs)

    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (builtins, 'open', ascii_open),
            (io, 'open', ascii_open),
            (io, 'TextIOWrapper', ascii_wrapper),
            (io, 'text_encoding', lambda encoding, *_: encoding or 'ascii'),
            (locale, 'getpreferredencoding', lambda *_: 'ascii'),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield
