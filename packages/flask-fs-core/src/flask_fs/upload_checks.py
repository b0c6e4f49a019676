"""The checks of an upload before it is stored, and restoring the position of its file."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterable
from typing import IO, TYPE_CHECKING, Any

from werkzeug.datastructures import FileStorage

from .arrivals import ArrivedUpload
from .backends.codings import decoded_head
from .backends.sources import (
    SizeLimitedReader,
    Source,
    as_seekable_file,
    as_source,
    peek,
    remaining_size,
    source,
    spooled,
)
from .content import HEAD_BYTES, contradiction, family_of
from .errors import FileTooLarge, InvalidContent, NoFile, UnauthorizedFileType, UploadNotAllowed
from .files import extension

if TYPE_CHECKING:
    from .config import Config
    from .verbs.naming import Naming

#: Called with an open file and the name that it will have; raises :class:`UploadNotAllowed` to reject it.
Validator = Callable[[IO[bytes], str], object]


def check_sent(file: Any, filename: str | None, storage: str) -> None:
    """Reject the value that a form sends if no file was chosen, or if the field is missing.

    :param filename: The name that the application passed, if any.
    :raises NoFile: If *file* is None, an empty text, or an upload with an empty filename. If the application passed a name,
        such an upload is rejected only if it is empty too.
    """
    if isinstance(file, FileStorage):
        missing = file.filename == '' and (not filename or _is_empty(file))
    else:
        missing = file is None or file == ''
    if missing:
        raise NoFile(storage=storage, reason='no file was chosen')


def _is_empty(upload: FileStorage) -> bool:
    start = position_of(upload)
    if start is None:
        # Reading would consume the content.
        return False
    empty = not upload.stream.read(1)
    upload.stream.seek(start)
    return empty


def check_type(file: Any, name: str, storage: Naming, config: Config) -> None:
    """Reject a file type that *storage* does not allow for the full name *name*.

    :raises UnauthorizedFileType: If its extension is not allowed.
    """
    if not storage.file_allowed(file, name.rpartition('/')[2]):
        raise refused_type(name, storage, config)


def refused_type(name: str, storage: Naming, config: Config) -> UnauthorizedFileType:
    """The error for a file whose extension *storage* does not allow. It lists the allowed ones."""
    known = [*_listed(config.get('allow')), *_listed(storage.extensions)]
    reason = f'allowed types: {", ".join(known)}' if known else None
    return UnauthorizedFileType(name, storage=storage.name, reason=reason)


def _listed(container: Any) -> list[str]:
    return [str(item) for item in container] if isinstance(container, (tuple, list, set, frozenset)) else []


def restore_position(file: Any, position: Any) -> bool:
    """Return *file* to the *position* from :func:`position_of`. False if that is None, or if ``seek`` raises anything."""
    if position is None:
        return False
    try:
        (file.stream if isinstance(file, FileStorage) else file).seek(position)
    except Exception:  # noqa: BLE001
        return False
    return True


def position_of(file: Any) -> Any:
    """The current position of *file*, for ``seek``, or None if it cannot seek."""
    reader = file.stream if isinstance(file, FileStorage) else file
    try:
        # SpooledTemporaryFile has no seekable() before Python 3.11.
        seekable = getattr(reader, 'seekable', None)
        return reader.tell() if (hasattr(reader, 'seek') if seekable is None else seekable()) else None
    except (AttributeError, OSError, ValueError):
        return None


def check_content(
    file: Any, name: str, storage: str, *, position: Any = None, content_encoding: str | None = None
) -> Any:
    """*file* itself, or a reader of the same content, if its first bytes don't contradict its name.

    :param position: The result of its ``tell``, if that is known.
    :param content_encoding: Its encoding. Gzip is decoded; content with another encoding is not checked.
    :raises InvalidContent: If they do.
    """
    ext = extension(name)
    if family_of(ext) is None:
        # No content can contradict this name.
        return file
    reader: Any = source(file)
    head = peek(reader, HEAD_BYTES, position)
    if head is None:
        head = b''
        while len(head) < HEAD_BYTES and (chunk := reader.read(HEAD_BYTES - len(head))):
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                # A mock of a file can return anything, endlessly.
                break
            head += chunk
        # Keep the original file if it can seek back, which includes text and compressed files.
        if not restore_position(file, position):
            file = Source(reader)
            file.unread(head)
    judged = decoded_head(head, content_encoding, HEAD_BYTES) if content_encoding else head[:HEAD_BYTES]
    if judged and (reason := contradiction(ext, judged)) is not None:
        raise InvalidContent(name, storage=storage, reason=reason)
    return file


def limited(file: Any, name: str, storage: str, config: Config) -> Any:
    """*file* itself if it is known to be within ``MAX_BYTES``, or a reader that raises when it exceeds the limit.

    :param file: A file, text or bytes.
    :raises FileTooLarge: If it is known to be larger.
    """
    # Config.get() takes ten times as long, because a Config also has its settings as attributes.
    if 'max_bytes' not in config or (max_bytes := config['max_bytes']) is None:
        return file
    reason = f'at most {max_bytes} bytes are allowed'
    too_large = functools.partial(FileTooLarge, name, storage=storage, reason=reason)
    size = file.size if isinstance(file, ArrivedUpload) else remaining_size(reader := as_source(file))
    if size is None:
        return SizeLimitedReader(reader, max_bytes, too_large)
    if size > max_bytes:
        raise too_large()
    return file


@contextlib.contextmanager
def validated(file: Any, name: str, validators: Iterable[Validator], storage: str) -> Generator[Any]:
    """*file*, after all *validators* accepted it. Content that can be read only once is kept in a temporary file until then.

    :raises UploadNotAllowed: If one of them rejects it.
    """
    reader = source(file)
    kept = file.stream if isinstance(file, ArrivedUpload) else as_seekable_file(reader)
    with contextlib.ExitStack() as stack:
        if kept is None:
            kept = file = stack.enter_context(spooled(reader))
        validate(kept, name, validators, storage)
        yield file


def validate(file: IO[bytes], name: str, validators: Iterable[Validator], storage: str) -> None:
    """Call all *validators* with *file*, which can seek and is returned to its position.

    :raises UploadNotAllowed: If one of them rejects it.
    """
    start = file.tell()
    for validator in validators:
        try:
            validator(file, name)
        except UploadNotAllowed as error:
            error.storage = error.storage or storage
            raise
        finally:
            file.seek(start)
