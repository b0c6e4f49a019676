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

#: What the template makes a hook of: a failure planned for one of these strikes the hook where it calls that one.
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
#: The hooks that need the store; giving a path or signing a link does not.
NEED_STORE = frozenset(HOOKS) - {'local_path', 'signed_url', 'signed_upload', 'signed_part'}
#: The hooks that move content, and can fail in the middle of it.
MOVE_CONTENT = (*STORING, 'open')


@dataclass(eq=False)
class PlannedFailure:
    """What is to fail, and how.

    :param struck: How often it did so far.
    """

    hook: str
    error: BaseException | type[BaseException]
    times: int | None = 1
    when: Callable[[str], object] | None = None
    after_bytes: int | None = None
    struck: int = 0

    def is_for(self, hook: str) -> bool:
        """Whether it may strike *hook*."""
        return self.hook == hook or (self.hook == 'any' and hook in NEED_STORE)


class FaultyBackend(BackendWrapper):
    """Does what *backend* does, but for the failures that were planned.

    Failures are planned by hook, and the verbs of a storage come down to hooks: save, write and files opened for writing
    to ``put``, with ``if_match`` to ``swap``; read, read_chunks, files opened for reading and serving to ``open``; exists and
    metadata to ``stat``; delete_many to a ``remove`` of each file.
    While a failure is planned for one of the five basic hooks (open, put, stat, scan, remove), the others are carried out
    by those, on every backend alike: so a failure of ``remove`` can stop ``delete`` half-way.

    :param backend: Any :class:`~flask_fs.backends.BaseBackend`, another wrapper included.
    """

    def __init__(self, backend: BaseBackend) -> None:
        super().__init__(backend)
        self._planned: list[PlannedFailure] = []
        self._planning = threading.Lock()

    @property
    def planned(self) -> list[PlannedFailure]:
        """The failures that are still to come."""
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
        """Let the next calls of *hook* fail. Of several failures planned for a call, the first one strikes.

        :param hook: ``put``, ``open`` and so on, one of ``HOOKS``; ``any`` is each that needs the store.
        :param error: What is raised; of a class of Flask-FS's errors, one that names file, storage and backend.
        :param times: How often; None is until :meth:`recover`.
        :param when: Called with a filename (a prefix, for ``scan`` and ``folder``); false lets that call pass.
        :param after_bytes: For ``put``, ``swap`` and ``open``: fail when so much content was moved, at its end at the latest.
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
        """Let nothing fail any more."""
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
            # Without the lock: it is the test's own code.
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
    """A source that fails after so many bytes, at its end at the latest."""

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
    """An open file that fails after so many bytes; closing it closes the file."""

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
