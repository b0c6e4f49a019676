"""What an upload has to pass before it is stored: limits of its size, and checks of its content."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterable
from typing import IO, Any

from .backends.streams import SPOOL_BYTES, Limited, chunks_of, known_size, rereadable, source
from .errors import FileTooLarge, UploadNotAllowed

#: Called with an open file and the name that it is to have; raises :class:`UploadNotAllowed` to refuse it.
Validator = Callable[[IO[bytes], str], object]


def limited(file: Any, most: int, too_large: Callable[[], FileTooLarge]) -> Any:
    """*file* itself if it is known to have at most *most* bytes, or one that raises once more are read from it."""
    size = known_size(reader := source(file))
    if size is None:
        return Limited(reader, most, too_large)
    if size > most:
        raise too_large()
    return file


@contextlib.contextmanager
def validated(file: Any, name: str, validators: Iterable[Validator], storage: str) -> Generator[Any]:
    """*file*, once all *validators* let it pass; what can be read only once is kept in a temporary file until then.

    :raises UploadNotAllowed: If one of them refuses it.
    """
    reader = source(file)
    kept = rereadable(reader)
    with contextlib.ExitStack() as stack:
        if kept is None:
            kept = file = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))
            for chunk in chunks_of(reader):
                kept.write(chunk)
            kept.seek(0)
        start = kept.tell()
        for validate in validators:
            try:
                validate(kept, name)
            except UploadNotAllowed as error:
                error.storage = error.storage or storage
                raise
            finally:
                kept.seek(start)
        yield file
