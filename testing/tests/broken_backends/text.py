"""Backends that are each broken in one way: text."""

from __future__ import annotations

import io
import locale
from pathlib import Path
from typing import IO, Any

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by


@caught_by('test_newlines_are_those_that_were_requested')
class LosesNewline(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', *, newline: str | None = None, **kwargs: Any) -> IO[Any]:
        return super().open(filename, mode, **kwargs)


@caught_by('test_newlines_are_those_that_were_requested')
class NormalizesNewlines(MemoryBackend):
    def write(self, filename: str, content: Any, **options: Any) -> None:
        text = '\n'.join(content.splitlines()) if isinstance(content, str) else content
        super().write(filename, text, **options)


@caught_by('test_text_does_not_depend_on_the_locale')
class OpensInTheLocale(LocalBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if mode != 'r' or not self.exists(filename):
            return super().open(filename, mode, **kwargs)
        return open(self.path(filename), **kwargs)  # which is the fault


@caught_by('test_text_does_not_depend_on_the_locale')
class WritesInTheLocale(LocalBackend):
    def write(self, filename: str, content: Any, **options: Any) -> Any:
        if not isinstance(content, str):
            return super().write(filename, content, **options)
        path = Path(self.path(filename))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_text(content)


@caught_by('test_text_does_not_depend_on_the_locale')
class EncodesByTheLocale(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if 'b' not in mode:
            kwargs = {'encoding': locale.getpreferredencoding(False), **kwargs}
        return super().open(filename, mode, **kwargs)


@caught_by('test_an_encoding_and_its_errors_are_heeded')
class KnowsUTF8Only(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', *, encoding: str | None = None, **kwargs: Any) -> IO[Any]:
        return super().open(filename, mode, **kwargs)


@caught_by('test_an_encoding_and_its_errors_are_heeded')
class ReplacesWhatItCannotRead(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if 'b' not in mode:
            kwargs = {'errors': 'replace', **kwargs}
        return super().open(filename, mode, **kwargs)


@caught_by('test_an_encoding_and_its_errors_are_heeded')
class StoresWhatCouldBeEncoded(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if mode != 'w':
            return super().open(filename, mode, **kwargs)
        backend, options = self, {'encoding': 'utf-8', **kwargs}

        class Writer(io.TextIOWrapper):
            def close(self) -> None:
                if not self.closed:
                    self.flush()
                    backend.write(filename, self.detach().getvalue())  # type: ignore[attr-defined]  # a BytesIO

            def __exit__(self, *_: object) -> None:
                self.close()

        return Writer(io.BytesIO(), **options)


@caught_by('test_a_mode_that_no_store_has_is_refused')
class LooksAtTheFirstLetter(MemoryBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        plain = mode[:1].replace('a', 'w') or 'r'
        return super().open(filename, plain + ('b' if 'b' in mode else ''), **kwargs)


@caught_by('test_a_mode_that_no_store_has_is_refused')
class OpensAnyMode(LocalBackend):
    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        if not self.exists(filename):
            raise self.error(fs.FileNotFound, filename)
        return open(self.path(filename), mode, **kwargs)
