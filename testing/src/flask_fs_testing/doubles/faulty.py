"""A backend that fails as planned."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, cast

from flask_fs.backends import BaseBackend, ByteReader, Opened, Source
from flask_fs.errors import FSError, Unavailable

from .wrapper import HOOKS, STORING, BackendWrapper, name_of

#: The basic hooks that implement other hooks in BaseBackend: a failure planned for one strikes hooks that call it.
MADE_OF = {
    'names': ('scan',),
    'folder': ('scan',),
    'set_attributes': ('open', 'put', 'swap'),
    'retain': ('open', 'put', 'copy', 'remove', 'move'),
    'deleted': ('scan',),
    'restore': ('open', 'put', 'copy', 'remove', 'move'),
    'purge': ('remove',),
    'delete': ('remove', 'names', 'scan'),
    'copy': ('open', 'put'),
    'move': ('open', 'put', 'copy', 'remove'),
}
#: The hooks that need the store; returning a path or signing a link does not.
NEED_STORE = frozenset(HOOKS) - {'local_path', 'signed_url', 'signed_upload', 'signed_part'}
#: The hooks that transfer content, and can fail in the middle of it.
MOVE_CONTENT = (*STORING, 'open')


@dataclass(eq=False)
class PlannedFailure:
    """A planned failure.

    :param struck: How many times it has struck so far.
    """

    hook: str
    error: BaseException | type[BaseException]
    times: int | None = 1
    when: Callable[[str], object] | None = None
    after_bytes: int | None = None
    struck: int = 0

    def is_for(self, hook: str) -> bool:
        """Whether it can strike *hook*."""
        return self.hook == hook or (self.hook == 'any' and hook in NEED_STORE)


class FaultyBackend(BackendWrapper):
    """Behaves like *backend*, except for planned failures.

    Failures are planned for hooks, and the verbs of a storage call hooks: save, write and files opened for writing call
    ``put``, or ``swap`` with ``if_match``; read, read_chunks, files opened for reading and serving call ``open``; exists and
    metadata call ``stat``; delete_many calls ``remove`` for each file.
    While a failure is planned for one of the five basic hooks (open, put, stat, scan, remove), the other hooks use them, on
    every backend: a failure of ``remove`` can stop ``delete`` midway.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, including another wrapper.
    """

    def __init__(self, backend: BaseBackend) -> None:
        super().__init__(backend)
        self._planned: list[PlannedFailure] = []
        self._planning = threading.Lock()

    @property
    def planned(self) -> list[PlannedFailure]:
        """The failures that have not struck yet."""
        with self._planning:
            return list(self._planned)

    def fail_next(
        self,
        hook: str,
        error: BaseException | type[BaseException] = Unavailable,
        *,
        times: int | None = 1,
        when: Callable[[str], object] | None = None,
        after_bytes: int | None = None,
    ) -> PlannedFailure:
        """Make the next calls of *hook* fail. If several failures are planned for a call, the first one strikes.

        :param hook: ``put``, ``open`` and so on, one of ``HOOKS``; ``any`` means each hook that needs the store.
        :param error: The error to raise. For an error class of Flask-FS, it names file, storage and backend.
        :param times: How many times; None means until :meth:`recover`.
        :param when: Called with a filename (a prefix, for ``scan`` and ``folder``); if it returns false, the call succeeds.
        :param after_bytes: For ``put``, ``swap`` and ``open``: fail after this many bytes of content, or at its end if it is
            shorter.
        """
        if hook not in HOOKS and hook != 'any':
            raise ValueError(f'{hook!r} is not a hook (known: {", ".join(HOOKS)}, any)')
        if after_bytes is not None and hook not in MOVE_CONTENT:
            raise ValueError(f'after_bytes= is for {", ".join(MOVE_CONTENT)}, which move content, not for {hook!r}')
        if (times is not None and times < 1) or (after_bytes is not None and after_bytes < 0):
            raise ValueError('times must be 1 or more, or None; after_bytes must be 0 or more')
        failure = PlannedFailure(hook, error, times, when, after_bytes)
        with self._planning:
            self._planned.append(failure)
        return failure

    def recover(self) -> None:
        """Cancel all planned failures."""
        with self._planning:
            self._planned.clear()

    def pass_on(self, hook: str, *args: Any, **kwargs: Any) -> Any:
        name = name_of(args[0])
        failure = self._strike(hook, name)
        if failure is None:
            if self._is_planned(MADE_OF.get(hook, ())):
                return getattr(BaseBackend, f'_{hook}')(self, *args, **kwargs)
            return super().pass_on(hook, *args, **kwargs)

        error = functools.partial(self._error, failure, name)
        if failure.after_bytes is None:
            raise error()
        if hook in STORING:
            breaking = Source(_Breaking(args[1], failure.after_bytes, error))
            return super().pass_on(hook, name, breaking, *args[2:], **kwargs)
        info, stream = super().pass_on(hook, *args, **kwargs)
        return Opened(info, cast('IO[bytes]', _BreakingStream(stream, failure.after_bytes, error)))

    def _is_planned(self, hooks: tuple[str, ...]) -> bool:
        return any(failure.is_for(hook) for failure in self.planned for hook in hooks)

    def _strike(self, hook: str, name: str) -> PlannedFailure | None:
        for failure in self.planned:
            # Without the lock, because it is code of the test.
            if failure.is_for(hook) and (failure.when is None or failure.when(self.shown(name))):
                with self._planning:
                    if failure in self._planned:
                        failure.struck += 1
                        if failure.struck == failure.times:
                            self._planned.remove(failure)
                        return failure
        return None

    def _error(self, failure: PlannedFailure, name: str | None) -> BaseException:
        error = failure.error
        if isinstance(error, BaseException):
            return error
        if issubclass(error, FSError):
            return self.error(error, name, f'as planned by {type(self).__name__}')
        return error()


class _Breaking:
    """A source that fails after this many bytes, or at its end if it is shorter."""

    def __init__(self, stream: ByteReader, after_bytes: int, error: Callable[[], BaseException]) -> None:
        self._stream = stream
        self._left = after_bytes
        self._error = error

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stream.read(self._left if size < 0 else min(size, self._left)) if self._left else b''
        if not chunk and size:
            raise self._error()
        self._left -= len(chunk)
        return chunk


class _BreakingStream(io.RawIOBase):
    """An open file that fails after this many bytes; closing it closes the file."""

    def __init__(self, stream: IO[bytes], after_bytes: int, error: Callable[[], BaseException]) -> None:
        self._stream = stream
        self._source = _Breaking(stream, after_bytes, error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._source.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
