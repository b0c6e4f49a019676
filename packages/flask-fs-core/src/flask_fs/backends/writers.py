"""Files open for writing, which are stored when they are closed."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable
from typing import IO, Any, cast

from .sources import SPOOL_BYTES
from .streams import Mode, undone_by


class FileWriter(io.BufferedIOBase):
    """A file open for writing that is stored, all at once, when it is closed.

    Nothing is stored if an exception leaves its ``with`` block, after :meth:`discard`, or if it is garbage-collected unclosed.

    :param put: Stores the content of a stream.
    """

    def __init__(self, put: Callable[[IO[bytes]], Any]) -> None:
        self._put = put
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # closed by discard()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._spool.write(data)

    def tell(self) -> int:
        return self._spool.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._spool.seek(offset, whence)
        return self._spool.tell()

    def discard(self) -> None:
        """Close the file and store nothing."""
        if not self.closed:
            self._spool.close()
            super().close()

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._spool.seek(0)
            self._put(cast('IO[bytes]', self._spool))
        finally:
            self.discard()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        _drop(self, self)


class TextWriter(io.TextIOWrapper):
    """A :class:`FileWriter` for text."""

    def __init__(self, writer: FileWriter, encoding: str, errors: str | None, newline: str | None) -> None:
        super().__init__(cast('io.BufferedWriter', writer), encoding, errors, newline)
        self._writer = writer

    def discard(self) -> None:
        """Close the file and store nothing."""
        self._writer.discard()

    def close(self) -> None:
        # TextIOWrapper flushes first, which fails for a discarded file.
        if not self._writer.closed:
            super().close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        if (writer := getattr(self, '_writer', None)) is not None:
            _drop(self, writer)


def _drop(file: IO[Any] | io.IOBase, writer: FileWriter) -> None:
    # io's own finalizer would close, and therefore store, a file that was only partly written.
    if getattr(writer, '_spool', None) is not None and not writer.closed:
        message = f'{type(file).__name__} was discarded without close(): nothing is stored'
        warnings.warn(message, ResourceWarning, stacklevel=3)
        writer.discard()


def open_writer(
    put: Callable[[IO[bytes]], Any],
    mode: Mode,
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> IO[Any]:
    """A file open for writing in *mode* whose content goes to *put* when it is closed."""
    writer = FileWriter(put)
    if not mode.text:
        return cast('IO[bytes]', writer)
    with undone_by(writer.discard):
        return TextWriter(writer, encoding or 'utf-8', errors, newline)
